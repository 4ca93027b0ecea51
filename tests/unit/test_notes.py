"""Release notes: what changed in which image since it was released before."""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from conform_images import ROOT, blob, pack
from small_registry import LOGIN, SmallRegistry
from test_diff import CONFIG, STATUS, TREE, Spoil, edit, env

from imagemill.cli import main
from imagemill.dist import Artifact, Built, Dist
from imagemill.errors import FetchError
from imagemill.mirrors import Mirrors
from imagemill.oci import Layout, write_image, write_index
from imagemill.publish import noted, notes, record
from imagemill.publish.record import Release, Released
from imagemill.registry.push import push
from imagemill.registry.repository import Repository
from imagemill.web import Web

NAME = "provided.al2023-debian"
NEWER = STATUS.replace(b"5.2-1", b"5.2-2").replace(b"dash", b"zsh_")


def make(dist: Dist, name: str, *spoils: Spoil, arches: tuple[str, ...] = ("amd64", "arm64")) -> Artifact:
    """Build an image by hand; `spoils` change what is in it, each on one architecture, or one on all."""
    sources, platforms = [], {}
    for number, arch in enumerate(arches):
        tree, config = dict(TREE), copy.deepcopy(CONFIG) | {"architecture": arch}
        for spoil in spoils[number : number + 1] if len(spoils) > 1 else spoils:
            spoil(tree, config)
        dist.path.mkdir(parents=True, exist_ok=True)
        layer = blob(pack(tree), dist.path)
        path = dist.layout(name, arch)
        image = write_image(path, config, [layer], name)
        sources.append((path, image))
        platforms[f"linux/{arch}"] = Built(image.digest, layer.size, "", ())
    index = write_index(dist.index(name), sources, name)
    tags = (name, name.removesuffix("-debian"))
    made = Artifact(name, tags, index.digest, index.size, platforms, "inputs", "embedded", "exact")
    dist.write({**dist.read(), name: made})
    return made


def released(artifact: Artifact, *tags: str) -> Released:
    digests = {name: built.digest for name, built in artifact.platforms.items()}
    sizes = {name: built.size for name, built in artifact.platforms.items()}
    return Released(artifact.digest, digests, sizes, "inputs", "lock", tags or ("here/lambda:x",))


def release(date: str, **images: Released) -> Release:
    return Release(1, date, "0", "revision", images)


class Old:
    """What a registry has: the dist of the release before."""

    def __init__(self, dist: Dist) -> None:
        self.dist, self.asked = dist, list[str]()

    def pull(self, reference: str, folder: Path, here: Path) -> Path:
        self.asked.append(reference)
        for path in self.dist.path.iterdir():
            if path.is_dir() and [one.digest for one in Layout(path).entries()] == [reference.partition("@")[2]]:
                return path
        raise FetchError(f"{reference} is not there")


def noted_of(folder: Path, *spoils: Spoil) -> tuple[notes.Noted, Old, str]:
    """One image that `spoils` changed, and its notes."""
    before = make(Dist(folder / "before"), NAME)
    dist = Dist(folder / "after")
    after = make(dist, NAME, *spoils)
    old = Old(Dist(folder / "before"))
    records = [release("20261114", **{NAME: released(before)})]
    found = notes.notes("20261121", [after], [NAME], dist, records, old.pull, lambda _: None)
    return found.images[0], old, noted.to_markdown(found)


CASES: dict[str, tuple[Spoil, str, list[str]]] = {
    "a package": (
        edit("var/lib/dpkg/status", content=NEWER),
        "changed",
        ["| dpkg bash | 5.2-1 | 5.2-2 | `provided.al2023` |", "packages: 1 upgraded, 1 added, 1 removed"],
    ),
    "a variable": (
        env("PATH=/usr/bin:/opt/bin", "LANG=C.UTF-8"), "changed", ["**Environment**", "| LANG | C | C.UTF-8 |"],
    ),
    "a file": (
        edit("etc/a", content=b"other"), "changed", ["- linux/arm64: files 1 changed;", "</code>: files</summary>"],
    ),
    "a time": (edit("etc/a", mtime=9), "rebuilt", ["1 built again, with the same content"]),
    "nothing": (lambda tree, config: None, "unchanged", ["1 unchanged</summary>"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_changed_is_told(name: str, tmp_path: Path) -> None:
    spoil, state, lines = CASES[name]
    found, old, told = noted_of(tmp_path, spoil)
    assert found.state == state
    assert f"1 image: 1 {state} since 20261114." in told
    assert [line for line in lines if line not in told] == []
    assert len(old.asked) == (0 if state == "unchanged" else 2), "what is the same is not pulled"


def test_what_changed_on_one_platform_alone_says_so(tmp_path: Path) -> None:
    found, old, told = noted_of(tmp_path, lambda tree, config: None, edit("var/lib/dpkg/status", content=NEWER))
    assert set(map(tuple, found.changes("packages").values())) == {("linux/arm64",)}
    assert "| dpkg bash | 5.2-1 | 5.2-2 | linux/arm64 |" in told
    assert len(old.asked) == 1, "the platform that is the same is not pulled"


def test_each_image_is_compared_with_the_newest_release_that_has_it(tmp_path: Path) -> None:
    dist = Dist(tmp_path / "dist")
    one, two, three = (make(dist, f"{name}-debian") for name in ("one", "two", "three"))
    was = replace(released(one), digest="sha256:old")
    for row in (
        release("20261114", **{one.name: was, two.name: released(two)}),
        release("20261121.9", **{one.name: released(one)}),
        release("20261121.10", **{one.name: released(one), "gone-debian": released(one)}),
        release("20261128", **{one.name: was}),
    ):
        record.write(tmp_path / "releases", row, None)
    records = record.earlier(tmp_path / "releases", "20261128")
    assert [row.date for row in records] == ["20261121.10", "20261121.9", "20261114"]
    old = Old(dist)
    found = notes.notes("20261128", [one, two, three], [one.name], dist, records, old.pull, lambda _: None)
    assert {row.image: row.state for row in found.images} == {"one": "unchanged", "two": "unchanged", "three": "new"}
    assert (found.since, found.gone) == (("20261114", "20261121.10"), ("gone-debian",))
    told = noted.to_markdown(found)
    assert "3 images: 1 new, 2 unchanged since 20261114, 20261121.10." in told
    assert "Released no longer (their tags stay): `gone-debian`." in told


def test_what_no_registry_has_is_not_compared_and_said(tmp_path: Path) -> None:
    before = make(Dist(tmp_path / "before"), NAME)
    dist = Dist(tmp_path / "after")
    after = make(dist, NAME, edit("etc/a", content=b"other"))
    records = [release("20261114", **{NAME: released(before, "one/x:1", "one/x:2", "two/y:1")})]
    old, said = Old(Dist(tmp_path / "none")), list[str]()
    old.dist.path.mkdir()
    found = notes.notes("20261121", [after], [NAME], dist, records, old.pull, said.append)
    assert [one.partition("@")[0] for one in old.asked] == ["one/x", "two/y"], "each repository is tried once"
    assert found.images[0].state == "not compared"
    assert said[-1].endswith("is not there")
    assert "Not compared: two/y@sha256:" in noted.to_markdown(found)


def test_notes_fit_on_the_page_of_a_release(tmp_path: Path) -> None:
    found, _, _ = noted_of(tmp_path, edit("var/lib/dpkg/status", content=NEWER))
    many = tuple(replace(found, image=f"image{number}") for number in range(300))
    told = noted.to_markdown(notes.Notes("20261121", (), many))
    assert "more, which `imagemill diff` tells." in told
    assert told.count("<details>") == told.count("</details>") > 50


def cli(root: Path, *words: str, tmp_path: Path) -> str:
    environ = {"IMAGEMILL_STATE": str(tmp_path / "state"), "HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)}
    done = CliRunner().invoke(main, ["--root", str(root), *words], env=environ)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_commands_read_a_registry(tmp_path: Path) -> None:
    there = SmallRegistry("token")
    try:
        before = Dist(tmp_path / "before")
        old = make(before, NAME)
        web = Web(Mirrors({}, home=tmp_path))
        repository = Repository(web, f"{there.host}/acme/lambda", f"Basic {base64.b64encode(LOGIN.encode()).decode()}")
        [entry] = Layout(before.index(NAME)).entries()
        push(Layout(before.index(NAME)), entry, repository)
        data = repository.manifest(old.digest)
        repository.push_manifest("provided.al2023", entry.media_type, data)
        record.write(
            tmp_path / "releases",
            release("20261114", **{NAME: released(old, f"{repository.name}:provided.al2023")}),
            None,
        )
        dist = Dist(tmp_path / "dist")
        make(dist, NAME, edit("var/lib/dpkg/status", content=NEWER))
        told = cli(
            ROOT, "notes", "provided.al2023", "--dist", str(dist.path), "--releases", str(tmp_path / "releases"),
            "--date", "20261121", tmp_path=tmp_path,
        )  # fmt: skip
        assert told.startswith("# 20261121\n\n1 image: 1 changed since 20261114.\n")
        assert "| dpkg bash | 5.2-1 | 5.2-2 | `provided.al2023` |" in told
        rows = json.loads(cli(ROOT, "tags", repository.name, "--format", "json", tmp_path=tmp_path))
        assert [(row["tag"], row["digest"], row["platforms"], row["signatures"]) for row in rows] == [
            ("provided.al2023", old.digest, ["linux/amd64", "linux/arm64"], [])
        ]
        assert "provided.al2023" in cli(ROOT, "tags", repository.name, tmp_path=tmp_path)
    finally:
        there.close()


def test_what_is_not_released_yet_is_planned_alone(tmp_path: Path) -> None:
    words = ("plan", "@provided.al2023", "--unreleased", "--releases", str(tmp_path / "releases"), "--format", "json")
    rows = json.loads(cli(ROOT, *words, tmp_path=tmp_path))
    assert len(rows) == 3, "nothing was released"
    was = {row["name"]: Released("sha256:x", {}, {}, row["input_hash"], "", ()) for row in rows}
    record.write(tmp_path / "releases", release("20261107", **was), None)
    assert json.loads(cli(ROOT, *words, tmp_path=tmp_path)) == []
    other = {NAME: replace(was[NAME], input_hash="other")}
    record.write(tmp_path / "releases", release("20261114", **other), None)
    assert [row["name"] for row in json.loads(cli(ROOT, *words, tmp_path=tmp_path))] == [NAME]
