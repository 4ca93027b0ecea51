"""Two hosts, one for each architecture: merged they give what one gives. What does not fit is refused."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_factory
from test_killed import EFFECTS, in_child
from tiny_factory import IMAGES

from imagemill.cli import main
from imagemill.dist import Dist
from imagemill.errors import MergeError
from imagemill.layers import LayerStore
from imagemill.merge import merge
from imagemill.oci import REVISION, Layout, note

WORDS = ("python3.13", "serve-python3.13")
NAME = "python3.13-debian"


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Dist]:
    """The dist directories of two machines with stores of their own."""
    monkeypatch.setattr(LayerStore, "_assemble", tiny_factory.tiny)
    for arch in ("amd64", "arm64"):
        tiny_factory.build(tmp_path / arch, *WORDS, platforms=(f"linux/{arch}",))
    return [Dist(tmp_path / arch / "dist") for arch in ("amd64", "arm64")]


def test_two_hosts_give_the_index_of_one(hosts: list[Dist], tmp_path: Path) -> None:
    tiny_factory.build(tmp_path / "one", *WORDS)
    one = Dist(tmp_path / "one" / "dist").read()
    for order in (hosts, hosts[::-1]):
        into = Dist(tmp_path / f"merged from {order[0].path.parent.name}")
        merged = merge(order, into, IMAGES)
        assert {artifact.name: artifact for artifact in merged} == into.read() == one
        assert all(into.holds(artifact, verify=True) for artifact in merged)
    assert {d.read()[NAME].digest for d in hosts} != {one[NAME].digest}


def test_shards_of_images_are_joined_too(hosts: list[Dist], tmp_path: Path) -> None:
    tiny_factory.build(tmp_path / "more", "nodejs24.x")
    into = Dist(tmp_path / "merged")
    assert len(merge([*hosts, Dist(tmp_path / "more" / "dist")], into, IMAGES)) == 3


def test_into_one_of_them(hosts: list[Dist]) -> None:
    merged = merge(hosts, hosts[0], IMAGES)
    assert all(hosts[0].holds(artifact, verify=True) for artifact in merged)
    assert [image.platform for image in Layout(hosts[0].index(NAME)).images()] == ["linux/amd64", "linux/arm64"]


def test_what_is_there_already_stays(hosts: list[Dist], tmp_path: Path) -> None:
    tiny_factory.build(tmp_path / "more", "nodejs24.x")
    into = Dist(tmp_path / "more" / "dist")
    merge(hosts, into, IMAGES)
    assert len(into.read()) == 3


NOTED = {
    "one revision": (("abc", "abc"), "abc"),
    "two revisions": (("abc", "def"), None),
    "one that is not said": (("abc", ""), None),
    "none": (("", ""), None),
}


@pytest.mark.parametrize("name", NOTED)
def test_the_revision_that_all_parts_have_is_noted(name: str, hosts: list[Dist], tmp_path: Path) -> None:
    """Beside the index, as a build notes it: no digest changes. It is kept where one of the parts becomes the whole."""
    revisions, expected = NOTED[name]
    for dist, revision in zip(hosts, revisions, strict=True):
        if revision:
            note(dist.index(NAME), {REVISION: revision})
    plain = {a.name: a.digest for a in merge(hosts, Dist(tmp_path / "merged"), IMAGES)}
    for into in (Dist(tmp_path / "merged"), hosts[0]):
        merged = merge(hosts, into, IMAGES)
        assert {a.name: a.digest for a in merged} == plain
        [entry] = Layout(into.index(NAME)).entries()
        assert entry.annotations.get(REVISION) == expected


def other_inputs(dist: Dist) -> None:
    record = dict(dist.read())
    dist.write(record | {NAME: replace(record[NAME], input_hash="f" * 64)})


def damaged(dist: Dist) -> None:
    manifest = Layout(dist.layout(NAME, "arm64")).read_json(dist.read()[NAME].platforms["linux/arm64"].digest)
    path = Layout(dist.layout(NAME, "arm64")).blob_path(manifest["layers"][0]["digest"])
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])


def unplanned(dist: Dist) -> None:
    record = dist.read()
    dist.write({"python1.0-debian": replace(record[NAME], name="python1.0-debian")})


REFUSED: dict[str, tuple[Callable[[Dist], object], str]] = {
    "other inputs": (other_inputs, rf"{NAME}: .*/arm64/dist was made from other inputs than .* \(ffffffffffff,"),
    "a damaged blob": (damaged, rf"{NAME}: linux/arm64: .*: blob sha256:[0-9a-f]+ is damaged"),
    "a missing layout": (lambda d: shutil.rmtree(d.layout(NAME, "arm64")), rf"{NAME}: linux/arm64: .* no index.json"),
    "a missing index": (lambda d: shutil.rmtree(d.index(NAME)), rf"{NAME}: .* no index.json"),
    "an image that nobody plans": (unplanned, r"python1.0-debian: no manifest of this checkout plans it"),
    "nothing built": (lambda d: d.write({}), r"arm64/dist has no images"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name: str, hosts: list[Dist], tmp_path: Path) -> None:
    spoil, problem = REFUSED[name]
    spoil(hosts[1])
    into = Dist(tmp_path / "merged")
    with pytest.raises(MergeError, match=problem):
        merge(hosts, into, IMAGES)
    assert into.read() == {}, "nothing is written then"


def test_a_missing_platform_is_refused_with_image_and_platform(hosts: list[Dist], tmp_path: Path) -> None:
    with pytest.raises(MergeError, match=f"{NAME}: linux/arm64 is missing\n  serve-{NAME}: linux/arm64 is missing"):
        merge(hosts[:1], Dist(tmp_path / "merged"), IMAGES)


def test_a_platform_that_is_there_twice_is_refused(hosts: list[Dist], tmp_path: Path) -> None:
    with pytest.raises(MergeError, match=rf"{NAME}: linux/amd64 is there 2 times: in .*/amd64/dist, .*/amd64/dist"):
        merge([*hosts, hosts[0]], Dist(tmp_path / "merged"), IMAGES)


def test_a_missing_shard_is_refused(hosts: list[Dist], tmp_path: Path) -> None:
    for number, dist in enumerate(hosts, 1):
        dist.mark(f"{number}/3")
    with pytest.raises(MergeError, match="  shard 3/3 is missing, or was not built to its end"):
        merge(hosts, Dist(tmp_path / "merged"), IMAGES)
    empty = Dist(tmp_path / "empty")
    empty.path.mkdir()
    empty.mark("3/3")
    assert len(merge([*hosts, empty], Dist(tmp_path / "merged"), IMAGES)) == 2


def test_the_command_prints_digests_and_has_an_exit_code(hosts: list[Dist], tmp_path: Path) -> None:
    from click.testing import CliRunner

    root = ["--root", str(Path(__file__).parents[2]), "merge"]
    into = ["--into", str(tmp_path / "merged")]
    done = CliRunner().invoke(main, [*root, *(str(d.path) for d in hosts), *into])
    digests = {a.tags[-1]: a.digest for a in Dist(tmp_path / "merged").read().values()}
    assert done.stdout.splitlines() == [f"{tag}@{digests[tag]}" for tag in WORDS]
    refused = CliRunner().invoke(main, [*root, str(hosts[0].path), *into])
    assert (refused.exit_code, refused.stdout) == (43, "")
    assert "linux/arm64 is missing" in refused.stderr


def test_a_run_killed_anywhere_is_finished_by_the_next(hosts: list[Dist], tmp_path: Path) -> None:
    def killed(into: Dist, stop: int) -> int:
        """The exit code of a merge that ends without a trace before the effect with this number."""

        def act() -> None:
            count = 0

            def see(event: str, arguments: tuple[object, ...]) -> None:
                nonlocal count
                reads = event == "open" and not (isinstance(arguments[2], int) and arguments[2] & os.O_CREAT)
                count += event in EFFECTS and not reads
                if count == stop:
                    os._exit(9)

            sys.addaudithook(see)
            merge(hosts, into, IMAGES)
            (tmp_path / "count").write_text(str(count))
            os._exit(0)

        return in_child(act)

    whole = Dist(tmp_path / "whole")
    assert killed(whole, -1) == 0
    total = int((tmp_path / "count").read_text())
    assert total > 40
    for stop in range(2, total, total // 6):
        into = Dist(tmp_path / str(stop))
        assert killed(into, stop) == 9
        assert all(into.holds(artifact, verify=True) for artifact in into.read().values())
        into.sweep()
        merge(hosts, into, IMAGES)
        assert into.read() == whole.read()
        assert all(into.holds(artifact, verify=True) for artifact in into.read().values())
        assert {path.name for path in into.path.iterdir()} == {path.name for path in whole.path.iterdir()}
