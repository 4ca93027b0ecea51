from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from assemble_inputs import MTIME, base, deb, file, folder, link, pypi, wheel

from imagemill.assemble import OUR_EPOCH, Assembled, assemble, tarball
from imagemill.errors import AssembleError
from imagemill.filetree import Tree
from imagemill.lock import DebianPackage, Inputs, Item, Wheel
from imagemill.manifest import Directory, Layer
from imagemill.platforms import find


class Shelf:
    """Inputs by the name that the lock has them under."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.packages: list[DebianPackage] = []

    def add(self, name: str, tree: Tree, arch: str = "amd64") -> None:
        deb(self.root / name, name, tree, arch=arch)
        self.packages.append(DebianPackage(name, "1.0", arch, name, "1.0", "debian", name, 0, ""))

    def path_of(self, item: Item) -> Path:
        return self.root / item.name

    def make(self, spec: Layer, arch: str = "amd64", wheels: tuple[tuple[Wheel, ...], ...] = ()) -> Assembled:
        return assemble(
            spec,
            Inputs(tuple(self.packages), wheels),
            platform=find(arch),
            base=base(),
            path_of=self.path_of,
            scratch=self.root / "scratch",
        )


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


TOOL = {
    "usr/bin/tool": file(b"#!/bin/sh\n", 0o755),
    "usr/share/man/man1/tool.1": file(),
    "usr/share/doc/tool": folder(),
}


def test_a_layer(shelf: Shelf) -> None:
    shelf.add("tool", TOOL)
    spec = Layer(
        packages=("tool",),
        move={"/usr/bin/tool": "/var/lang/bin/tool"},
        directories={"/var/task": Directory(), "/var/secret": Directory(mode="0700", owner="993:990")},
        links={"/usr/bin/alias": "/var/lang/bin/tool"},
    )
    made = shelf.make(spec)
    assert made.tree["var/lang/bin/tool"].read() == b"#!/bin/sh\n"
    assert "usr/share/man/man1/tool.1" not in made.tree
    assert made.tree["usr/bin/alias"] == link("/var/lang/bin/tool")
    secret = made.tree["var/secret"]
    assert (secret.kind, secret.mode, secret.uid, secret.gid) == ("dir", 0o700, 993, 990)
    assert made.epoch == MTIME
    assert {entry.mtime for entry in made.tree.values()} == {MTIME}
    assert [row["paths"] for row in made.records] == [{"usr/bin/tool": "var/lang/bin/tool"}]


def test_moves_may_name_the_directory_of_libraries(shelf: Shelf) -> None:
    shelf.add("lib", {"usr/lib/aarch64-linux-gnu/x.so": file()}, "arm64")
    made = shelf.make(Layer(move={"/usr/lib/{multiarch}/x.so": "/opt/x.so"}), "arm64")
    assert set(made.tree) == {"opt/x.so"}


def test_a_layer_without_packages_has_a_time_of_its_own(shelf: Shelf) -> None:
    made = shelf.make(Layer(links={"/a": "b"}))
    assert made.epoch == 0
    assert made.tree["a"].mtime == OUR_EPOCH
    assert made.records == []


def test_a_package_of_another_architecture_is_an_error(shelf: Shelf) -> None:
    shelf.add("tool", TOOL, "arm64")
    with pytest.raises(AssembleError, match="tool is for arm64, not amd64"):
        shelf.make(Layer())


def test_wheels_are_in_the_layer(shelf: Shelf) -> None:
    shelf.root.mkdir()
    wheel(shelf.root / "tool", {"tool.py": b"", "docs/notes.md": b""})
    made = shelf.make(
        Layer(pypi=(pypi("/opt/python"),), drop=("/opt/python/docs",)),
        wheels=((Wheel("tool", "1.0", "tool.whl", ""),),),
    )
    assert "opt/python/tool.py" in made.tree
    assert "opt/python/docs/notes.md" not in made.tree


@pytest.mark.usefixtures("umask")
def test_bytes_depend_on_inputs_alone(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another directory, another order of packages, another umask: the same layer."""
    shelf.add("tool", TOOL)
    shelf.add("other", {"usr/bin/other": file(mode=0o750), "usr/bin/again": link("other")})
    spec = Layer(directories={"/var/task": Directory()})
    first = shelf.make(spec)
    blob = tarball.write(first.tree, tmp_path / "first", epoch=first.epoch)

    elsewhere = Shelf(tmp_path / "else where")
    elsewhere.add("other", {"usr/bin/again": link("other"), "usr/bin/other": file(mode=0o750)})
    elsewhere.add("tool", dict(reversed(TOOL.items())))
    monkeypatch.chdir(tmp_path)
    os.umask(0o022)
    second = elsewhere.make(spec)
    again = tarball.write(second.tree, tmp_path / "second", epoch=second.epoch)
    assert (again.digest, again.diff_id) == (blob.digest, blob.diff_id)
