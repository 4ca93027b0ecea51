"""The facts read, and each says where it was seen."""

from __future__ import annotations

from msgspec.structs import fields

from imagemill.conform import facts
from imagemill.conform.facts import Fact


def test_every_fact_has_a_name_of_its_own_and_known_sources() -> None:
    seen: set[str] = set()
    for file in (facts.environment(), facts.filesystem(), facts.invoke()):
        for field in fields(file):
            if field.name == "sources":
                continue
            for fact in getattr(file, field.name):
                assert isinstance(fact, Fact)
                assert fact.id not in seen
                seen.add(fact.id)
                assert fact.src
                assert {source.partition(":")[0] for source in fact.src} <= file.sources.keys()
    assert len(seen) > 30


def test_every_source_is_used() -> None:
    for file in (facts.environment(), facts.filesystem(), facts.invoke()):
        used = {
            source.partition(":")[0]
            for field in fields(file)
            if field.name != "sources"
            for fact in getattr(file, field.name)
            for source in fact.src
        }
        assert used == file.sources.keys()
