"""Comparing two images: each kind of difference is found and told with its place and both values."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from imagemill.assemble import tarball
from imagemill.compare import compare
from imagemill.filetree import Entry, Tree
from imagemill.oci import Blob, Layout, sha256, write_image

TREE: Tree = {
    "etc": Entry("dir", 0o755, mtime=5),
    "etc/a": Entry("file", mtime=5, content=b"x" * 2_000_000),
    "etc/b": Entry("symlink", 0o777, mtime=5, target="a"),
}
CONFIG: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "created": "2026-01-01T00:00:00Z",
    "config": {"Env": ["A=1", "B=2"], "Labels": {"x.y": "z"}},
    "history": [{"created_by": "ARG X", "empty_layer": True}, {"created_by": "ADD system-amd64.tar /"}],
}


def image(place: Path, tree: Tree, config: dict[str, Any]) -> Layout:
    blob = tarball.write(tree, place / "layer.tar.gz", epoch=100)
    write_image(place / "layout", config, [blob], "x")
    return Layout(place / "layout")


def told(tmp_path: Path, tree: Tree = TREE, **config: Any) -> list[str]:
    """The differences between the image above and this one."""
    one = image(tmp_path / "one", TREE, CONFIG)
    other = image(tmp_path / "other", tree, {**CONFIG, **config})
    return [str(difference) for difference in compare(one, other, tmp_path / "scratch")]


def test_equal_images_have_none(tmp_path: Path) -> None:
    assert told(tmp_path) == []


def entry(path: str, **changes: Any) -> Callable[[Tree], Tree]:
    return lambda tree: {**tree, path: replace(tree[path], **changes)}


FILES: dict[str, tuple[Callable[[Tree], Tree], list[str]]] = {
    "mode": (entry("etc/a", mode=0o600), ["/etc/a: mode: 0644 → 0600"]),
    "owner": (entry("etc/a", uid=1, gid=2), ["/etc/a: owner: 0:0 → 1:2"]),
    "time": (entry("etc", mtime=6), ["/etc: time: 5 → 6"]),
    "target": (entry("etc/b", target="c"), ["/etc/b: link target: a → c"]),
    "a byte far in": (
        entry("etc/a", content=b"x" * 1_500_000 + b"y" + b"x" * 499_999),
        [f"/etc/a: content at byte 1500000: {b'x' * 16!r} → {b'y' + b'x' * 15!r}"],
    ),
    "a longer file": (entry("etc/a", content=b"x" * 2_000_001), ["/etc/a: size: 2000000 → 2000001"]),
    "attributes": (
        entry("etc/a", xattrs={"user.x": b"1"}),
        ["/etc/a: extended attributes: {} → {'user.x': b'1'}"],
    ),
    "type": (
        lambda tree: {**tree, "etc/b": Entry("file", 0o777, mtime=5)},
        ["/etc/b: type: symlink → file", "/etc/b: link target: a → "],
    ),
    "one more": (lambda tree: {**tree, "etc/c": Entry("file", mtime=5)}, ["/etc/c: missing → file"]),
    "one less": (lambda tree: {k: v for k, v in tree.items() if k != "etc/b"}, ["/etc/b: symlink → missing"]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_differs_is_named_with_how(name: str, tmp_path: Path) -> None:
    change, expected = FILES[name]
    where = "layer 1 (ADD system-amd64.tar /)"
    assert told(tmp_path, change(TREE)) == [f"{where}: {line}" for line in expected]


CONFIGS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "time": (
        {"created": "2026-01-02T00:00:00Z"},
        [
            "configuration: $.created: '2026-01-01T00:00:00Z' → '2026-01-02T00:00:00Z'",
            "manifest: $.annotations['org.opencontainers.image.created']: "
            "'2026-01-01T00:00:00Z' → '2026-01-02T00:00:00Z'",
        ],
    ),
    "environment": (
        {"config": {**CONFIG["config"], "Env": ["A=1", "B=3"]}},
        ["configuration: $.config.Env[1]: 'B=2' → 'B=3'"],
    ),
    "a label": (
        {"config": {**CONFIG["config"], "Labels": {"x.y": "w"}}},
        ["configuration: $.config.Labels['x.y']: 'z' → 'w'"],
    ),
    "history": (
        {"history": [{"created_by": "ARG Y", "empty_layer": True}, CONFIG["history"][1]]},
        [
            "configuration: $.history[0].comment: 'may be set when building: X' → 'may be set when building: Y'",
            "configuration: $.history[0].created_by: 'ARG X' → 'ARG Y'",
        ],
    ),
    "one key more": ({"author": "me"}, ["configuration: $.author: None → 'me'"]),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_that_differs_is_told_by_json_path(name: str, tmp_path: Path) -> None:
    config, expected = CONFIGS[name]
    assert told(tmp_path, **config) == expected


def layered(place: Path, data: bytes) -> Layout:
    """An image of one layer with these compressed bytes."""
    place.mkdir()
    path = place / "layer"
    path.write_bytes(data)
    diff_id = "sha256:" + hashlib.sha256(gzip.decompress(data)).hexdigest()
    write_image(place / "layout", CONFIG, [Blob(sha256(data), diff_id, len(data), path)], "x")
    return Layout(place / "layout")


def test_the_same_files_in_another_archive(tmp_path: Path) -> None:
    tree: Tree = {"a": Entry("file", content=b"1"), "b": Entry("file", content=b"2")}
    plain = b"".join(tarball.pack(tree, 0))
    one = layered(tmp_path / "one", gzip.compress(plain, 6, mtime=0))
    slow = layered(tmp_path / "slow", gzip.compress(plain, 0, mtime=0))
    [found] = compare(one, slow, tmp_path / "scratch")
    assert found.what == "the same archive, compressed in another way"
    swapped = layered(tmp_path / "swapped", gzip.compress(plain[1024:2048] + plain[:1024] + plain[2048:], mtime=0))
    assert [found.what for found in compare(one, swapped, tmp_path / "scratch")] == ["entry 1 of the archive"]
    longer = layered(tmp_path / "longer", gzip.compress(plain + bytes(512), mtime=0))
    [found] = compare(one, longer, tmp_path / "scratch")
    assert found.what == f"the same files, in an archive that differs at byte {len(plain)}"


def test_a_layer_that_is_missing(tmp_path: Path) -> None:
    one = image(tmp_path / "one", TREE, CONFIG)
    write_image(tmp_path / "other" / "layout", CONFIG, [], "x")
    found = compare(one, Layout(tmp_path / "other" / "layout"), tmp_path / "scratch")
    assert str(found[0]) == ("layer 1 (ADD system-amd64.tar /): layer: there → missing")
