"""The walk that explains finds something wrong exactly where msgspec does."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from imagemill.manifest import Base, Download, Runtime
from imagemill.mistakes import keys, mistakes
from imagemill.reports.summary import Document

ROOT = Path(__file__).parents[2]
KINDS: dict[str, type] = {"runtimes/bases/*.yaml": Base, "runtimes/*.yaml": Runtime}
MANIFESTS = [
    (yaml.safe_load(path.read_text()), kind) for glob, kind in KINDS.items() for path in sorted(ROOT.glob(glob))
]


def converts(data: Any, kind: type) -> bool:
    try:
        msgspec.convert(data, kind)
    except msgspec.ValidationError:
        return False
    return True


def places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in data with every key or index of it."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield data, key
        if isinstance(value, dict | list):
            yield from places(value)


@pytest.mark.parametrize("kind", KINDS.values())
def test_what_is_committed_has_none(kind: type) -> None:
    assert [mistakes(data, one) for data, one in MANIFESTS if one is kind and mistakes(data, one)] == []


junk = st.sampled_from(
    [None, True, -1, 3, 0.5, "", "x", "X Y", "x\n", "/a", "/a/", "a/b", "0755", "linux/mips", "linux/amd64", "3.13",
     "https://x.example/{word}", "http://x.example/y", "2026-02-30", [], ["x"], ["x", 3], {}, {"x": "y"}, {1: "x"}]
)  # fmt: skip


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_any_change_is_a_mistake_for_both_or_for_none(data: st.DataObject) -> None:
    original, kind = data.draw(st.sampled_from(MANIFESTS))
    changed = copy.deepcopy(original)
    for _ in range(data.draw(st.integers(1, 2))):
        where, key = data.draw(st.sampled_from(list(places(changed))))
        match data.draw(st.sampled_from(["other", "gone", "more"])):
            case "other":
                where[key] = copy.deepcopy(data.draw(junk))
            case "gone":
                del where[key]
            case "more" if isinstance(where, dict):
                where[data.draw(st.sampled_from(["more", "x y", 3]))] = copy.deepcopy(data.draw(junk))
        if not list(places(changed)):
            break
    found = mistakes(changed, kind)
    assert bool(found) is not converts(changed, kind), found


DOWNLOAD = {"version": "1.2", "url": "https://x.example/{version}.tar"}
WRONG: dict[str, tuple[dict[Any, Any], list[str]]] = {
    "nothing": ({}, []),
    "a word that is none": (
        {"url": "https://x.example/{name}"},
        ["url: {name} stands for nothing; use {version}, {arch}, {machine}, {npm}"],
    ),
    "half a word": ({"url": "https://x.example/{version"}, ["url: a brace has no partner; write {version}"]),
    "no address": (
        {"url": "x.example/y"},
        ["url is 'x.example/y'; write it as https://host/path, or debian:pool/path"],
    ),
    "a line end": (
        {"version": "1.2\n"},
        [r"version is '1.2\n'; write it as ^[A-Za-z0-9][A-Za-z0-9.+~_-]*$"],
    ),
    "nothing vouches for it": (
        {"url": "http://x.example/y"},
        [": what such an address sends can be changed on the way; use https://, or give 'sha256'"],
    ),
    "no hash": ({"sha256": "x"}, ["sha256 is 'x'; write it as ^[0-9a-f]{64}$"]),
    "a hash for no platform": (
        {"sha256": {"linux/mips": "a" * 64}},
        ["sha256.linux/mips: unknown architecture 'linux/mips'; use linux/amd64, linux/arm64, linux/riscv64"],
    ),
    "a number": ({"version": 1.2}, ["version is 1.2: input should be a valid string; correct the value"]),
    "several": (
        {"version": 3, "more": 1, "url": None},
        [
            "more is unknown",
            "url is None: input should be a valid string; correct the value",
            "version is 3: input should be a valid string; correct the value",
        ],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_is_said_with_its_key(name: str) -> None:
    change, expected = WRONG[name]
    found = mistakes({**DOWNLOAD, **change}, Download)
    assert sorted(mistake.key + mistake.what for mistake in found) == expected


def test_what_is_no_mapping_is_one_mistake() -> None:
    assert [mistake.what for mistake in mistakes([], Download)] == [
        " is []: input should be a mapping; correct the value"
    ]


def test_dataclasses_are_walked_too() -> None:
    [mistake] = mistakes({"findings": [], "images": [], "more": 1}, Document)[:1]
    assert (mistake.key, mistake.unknown) == ("more", "more")


def test_all_keys_are_known() -> None:
    assert {"packages", "uid", "sha256", "handler", "absent"} <= keys(Base, Runtime)
    assert "linux/amd64" not in keys(Base, Runtime)
