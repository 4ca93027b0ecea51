"""A lock that has aged: resolved again and said so; with --locked, an error that names what is gone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from mirror import Server
from msgspec import structs

from imagemill import lock as locks
from imagemill.aging import Aging, Refresh
from imagemill.fetch import Cache, Fetcher, Gone
from imagemill.load import load
from imagemill.lock import DebianPackage, Lock
from imagemill.manifest import Base, Layer
from imagemill.progress import Silent
from imagemill.resolve import refresh, resolve

ROOT = Path(__file__).parents[2]
DATE = "Fri, 02 Jan 2026 03:04:05 UTC"
NAME = "debian-trixie"


class House:
    """A checkout whose lock names bash 1 and zlib 1, and a mirror that goes on to bash 2 and forgets bash 1."""

    def __init__(self, mirror: Server, root: Path) -> None:
        self.mirror, self.root, self.cache = mirror, root, Cache(root / "cache")
        base = load(ROOT).bases[NAME]
        system = Layer(packages=("bash", "zlib"))
        self.base: Base = structs.replace(
            base, pockets=(), platforms=("linux/amd64",), system=system, toolchain=Layer()
        )
        self.publish("1")
        lock = resolve(self.base, [], mirrors=mirror.mirrors(), cache=self.cache, progress=Silent().step)
        locks.write(lock, locks.path_of(root, NAME))

    def publish(self, version: str) -> None:
        rows = [self.mirror.deb("bash", version), self.mirror.deb("zlib", "1")]
        self.mirror.publish("trixie", {"amd64": rows}, DATE)

    def age(self) -> None:
        for path in [path for path in self.mirror.files if "bash_1" in path]:
            del self.mirror.files[path]
        self.publish("2")

    def refresh(self) -> Refresh:
        def again(lock: Lock, gone: Sequence[DebianPackage]) -> tuple[Lock, list[str]]:
            renewed = partial(refresh, mirrors=self.mirror.mirrors(), cache=self.cache, progress=Silent().step)
            return renewed(lock, gone, self.base, [])

        return again

    def build(self, *, locked: bool = False) -> tuple[str, list[str], bool]:
        """Fetch what the effective lock names. Returns the state for labels, versions, and whether it changed."""
        aging = Aging(self.root, self.root / "state", locked=locked)
        effective = aging.effective(NAME)
        fetcher = Fetcher(self.cache, self.mirror.mirrors(), Silent().step)
        items = effective.lock.inputs(NAME, "amd64").items
        effective, changed = aging.fetch(fetcher, items, effective, self.refresh())
        fetcher.fetch(effective.lock.inputs(NAME, "amd64").items)
        versions = [f"{item.name} {item.version}" for item in effective.lock.inputs(NAME, "amd64").items]
        return effective.state, versions, changed


@pytest.fixture
def house(mirror: Server, tmp_path: Path) -> House:
    return House(mirror, tmp_path)


def test_a_fresh_lock_is_taken_as_it_is(house: House) -> None:
    assert house.build() == ("exact", ["bash 1", "zlib 1"], False)


def test_what_is_gone_is_resolved_again_and_said(house: House) -> None:
    house.age()
    committed = locks.path_of(house.root, NAME).read_bytes()
    assert house.build() == ("refreshed: bash 1 → 2 (amd64)", ["bash 2", "zlib 1"], True)
    assert locks.path_of(house.root, NAME).read_bytes() == committed


def test_the_next_build_starts_from_there(house: House) -> None:
    house.age()
    house.build()
    assert house.build() == ("refreshed: bash 1 → 2 (amd64)", ["bash 2", "zlib 1"], False)


def test_locked_makes_it_an_error_that_names_what_is_gone(house: House) -> None:
    house.age()
    with pytest.raises(Gone, match="no longer have: bash 1") as caught:
        house.build(locked=True)
    assert caught.value.exit_code == 15
    assert "imagemill lock --update" in caught.value.remedy


def test_locked_does_not_take_what_was_resolved_again_before(house: House) -> None:
    house.age()
    house.build()
    with pytest.raises(Gone):
        house.build(locked=True)


def test_a_new_committed_lock_counts(house: House) -> None:
    house.age()
    house.build()
    lock = resolve(house.base, [], mirrors=house.mirror.mirrors(), cache=house.cache, progress=Silent().step)
    locks.write(lock, locks.path_of(house.root, NAME))
    assert house.build() == ("exact", ["bash 2", "zlib 1"], False)


def test_what_only_a_registry_had_cannot_be_resolved_again(house: House) -> None:
    aging = Aging(house.root, house.root / "state", locked=False)
    wheel = house.mirror.wheel("boto3")
    house.mirror.files.clear()
    fetcher = Fetcher(house.cache, house.mirror.mirrors(), Silent().step)
    with pytest.raises(Gone, match="boto3"):
        aging.fetch(fetcher, [wheel], aging.effective(NAME), house.refresh())


def test_a_snapshot_mirror_is_asked_before_anything_is_resolved_again(house: House) -> None:
    content = next(content for path, content in house.mirror.files.items() if "bash_1" in path)
    house.age()
    house.mirror.files["/snapshot/archive/debian/20260102T030405Z/pool/bash_1_amd64.deb"] = content
    aging = Aging(house.root, house.root / "state", locked=True)
    effective = aging.effective(NAME)
    mirrors = house.mirror.mirrors(IMAGEMILL_DEBIAN_SNAPSHOT=f"{house.mirror.url}/snapshot")
    fetcher = Fetcher(house.cache, mirrors, Silent().step)
    items = effective.lock.inputs(NAME, "amd64").items
    assert aging.fetch(fetcher, items, effective, house.refresh()) == (effective, False)
    assert all(fetcher.path(item).is_file() for item in items)
