"""The embedded engine: what COPY, ADD, WORKDIR and stages make. Each case is what BuildKit made of it too."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from imagemill.assemble import compression
from imagemill.engine import Context, embedded
from imagemill.engine.dockerignore import visible
from imagemill.errors import DockerfileError
from imagemill.filetree import Entry, Tree
from imagemill.merged import MergedTree
from imagemill.oci import Layout
from imagemill.platforms import find
from imagemill.tarwalk import walk

EPOCH = 1_757_664_000


def packed(**files: bytes) -> Entry:
    """A tar with files of the owner 7:8."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.uid, info.gid, info.mode, info.size = 7, 8, 0o640, len(content)
            tar.addfile(info, io.BytesIO(content))
    return Entry("file", content=out.getvalue())


FILES: Tree = {
    "a": Entry("file", 0o640, content=b"a"),
    "b.txt": Entry("file", content=b"b"),
    "d": Entry("dir", 0o700),
    "d/a": Entry("file", content=b"d/a"),
    "d/sub": Entry("dir", 0o755),
    "d/sub/x": Entry("file", content=b"x"),
    "link": Entry("symlink", 0o777, target="a"),
    "t.tar": packed(in__it=b"1"),
    "accounts": Entry("file", content=b"root:x:0:0::/:/x\nme:x:993:990::/:/x\n"),
}


def build(tmp_path: Path, text: str, files: Tree | None = None, **more: Any) -> tuple[Tree, dict[str, Any], int]:
    """Files, configuration and the number of layers of a Dockerfile's image."""
    context = Context(text, {}, FILES if files is None else files, **more)
    descriptor = embedded.build(
        context, find("arm64"), layout=tmp_path / "out", name="x", epoch=EPOCH, scratch=tmp_path / "scratch"
    )
    layout = Layout(tmp_path / "out")
    manifest = layout.read_json(descriptor.digest)
    tree = MergedTree()
    for number, row in enumerate(manifest["layers"]):
        with layout.blob_path(row["digest"]).open("rb") as stream:
            plain = tmp_path / f"{number}.tar"
            plain.write_bytes(b"".join(compression.plain(stream, "x")))
        tree.apply(list(walk(plain.read_bytes(), plain)))
    config = layout.read_json(manifest["config"]["digest"])
    assert sum(not row.get("empty_layer") for row in config["history"]) == len(manifest["layers"])
    return tree.entries, config["config"], len(manifest["layers"])


def listed(tree: Tree) -> dict[str, str]:
    """Path -> kind, mode, owner, and a link's target or a file's content, in short."""
    return {
        path: f"{entry.kind} {entry.mode:o} {entry.uid}:{entry.gid} {entry.target or entry.read().decode()}".rstrip()
        for path, entry in tree.items()
        if path != "t.tar"
    }


COPIES: dict[str, tuple[str, dict[str, str]]] = {
    "a file to a name": ("COPY a /t", {"t": "file 640 0:0 a"}),
    "a file to a directory": ("COPY a /t/", {"t": "dir 755 0:0", "t/a": "file 640 0:0 a"}),
    "a file into a directory that is there": (
        "WORKDIR /t\nCOPY a /t",
        {"t": "dir 755 0:0", "t/a": "file 640 0:0 a"},
    ),
    "a relative target": ("WORKDIR /w\nCOPY a t", {"w": "dir 755 0:0", "w/t": "file 640 0:0 a"}),
    "what is in a directory": (
        "COPY d /t",
        {"t": "dir 755 0:0", "t/a": "file 644 0:0 d/a", "t/sub": "dir 755 0:0", "t/sub/x": "file 644 0:0 x"},
    ),
    "a directory over one that is there keeps its mode": (
        "WORKDIR /t\nCOPY d/sub /t",
        {"t": "dir 755 0:0", "t/x": "file 644 0:0 x"},
    ),
    "a glob": ("COPY *.txt a /t/", {"t": "dir 755 0:0", "t/b.txt": "file 644 0:0 b", "t/a": "file 640 0:0 a"}),
    "a glob that finds nothing": ("COPY *.no a /t/", {"t": "dir 755 0:0", "t/a": "file 640 0:0 a"}),
    "a glob of directories gives what is in them": ("COPY d* /t/", {"t": "dir 755 0:0",
        "t/a": "file 644 0:0 d/a", "t/sub": "dir 755 0:0", "t/sub/x": "file 644 0:0 x"}),
    "a link is followed": ("COPY link /t", {"t": "file 640 0:0 a"}),
    "a link in a directory stays": (
        "COPY --from=s d /t\n",
        {"t": "dir 755 0:0", "t/l": "symlink 777 0:0 nowhere"},
    ),
    "owner and mode": ("COPY --chown=5 --chmod=0711 a /n/t", {"n": "dir 755 5:5", "n/t": "file 711 5:5 a"}),
    "owner with a group": ("COPY --chown=5:6 a /t", {"t": "file 640 5:6 a"}),
    "owner by name": (
        "COPY accounts /etc/passwd\nCOPY --chown=me a /t",
        {"etc": "dir 755 0:0", "etc/passwd": "file 644 0:0 root:x:0:0::/:/x\nme:x:993:990::/:/x",
         "t": "file 640 993:990 a"},
    ),
    "from a stage, owners and all": ("COPY --from=s f /t", {"t": "file 640 5:6 a"}),
    "from a stage by its number": ("COPY --from=0 --chown=1 f /t", {"t": "file 640 1:1 a"}),
    "ADD unpacks": ("ADD t.tar /t", {"t": "dir 755 0:0", "t/in": "dir 755 0:0", "t/in/it": "file 640 7:8 1"}),
    "ADD of the directory's owner": (
        "ADD --chown=5 t.tar /t", {"t": "dir 755 5:5", "t/in": "dir 755 0:0", "t/in/it": "file 640 7:8 1"}),
    "ADD of no archive": ("ADD a /t", {"t": "file 640 0:0 a"}),
    "WORKDIR makes its directory": ("WORKDIR /w\nWORKDIR x/../y", {"w": "dir 755 0:0", "w/y": "dir 755 0:0"}),
    "a target above": ("COPY a ../b/", {"b": "dir 755 0:0", "b/a": "file 640 0:0 a"}),
    "an owner by a variable": ("ARG U=5\nCOPY --chown=$U a /t", {"t": "file 640 5:5 a"}),
    "an owner by a variable that is not set": ("ARG U\nCOPY --chown=$U a /t", {"t": "file 640 0:0 a"}),
    "WORKDIR of a user": ("WORKDIR /a\nUSER 5:6\nWORKDIR b", {"a": "dir 755 0:0", "a/b": "dir 755 5:6"}),
    "directories above what changes keep their owner": (
        "WORKDIR /t\nCOPY --chown=5 d/sub /t/v/\nCOPY a /t/v/w/a",
        {"t": "dir 755 0:0", "t/v": "dir 755 5:5", "t/v/x": "file 644 5:5 x", "t/v/w": "dir 755 0:0",
         "t/v/w/a": "file 640 0:0 a"},
    ),
    "through a link": (
        "COPY --from=s d/ /t/\nCOPY --from=s to /to\nCOPY a /to/",
        {"t": "dir 755 0:0", "t/l": "symlink 777 0:0 nowhere", "to": "symlink 777 0:0 t", "t/a": "file 640 0:0 a"},
    ),
}  # fmt: skip
STAGE = "FROM scratch AS s\nCOPY --chown=5:6 a /f\nADD links.tar /\nFROM scratch\n"


def links() -> Entry:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, target in {"d/l": "nowhere", "to": "t"}.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
            tar.addfile(info)
    return Entry("file", content=out.getvalue())


@pytest.mark.parametrize("name", COPIES)
def test_copies(name: str, tmp_path: Path) -> None:
    text, expected = COPIES[name]
    if name == "through a link":  # COPY follows links that are named: this one comes in a directory
        text = text.replace("COPY --from=s to /to\n", "ADD links.tar /\n")
        expected = {**expected, "d": "dir 755 0:0", "d/l": "symlink 777 0:0 nowhere"}
    tree, _, _ = build(tmp_path, STAGE + text, {**FILES, "links.tar": links()})
    assert listed(tree) == expected


def test_parents_keep_their_modes_and_get_the_time_of_the_build(tmp_path: Path) -> None:
    tree, _, layers = build(tmp_path, "FROM scratch\nCOPY . /x\nCOPY a /x/d/new\n")
    assert (tree["x/d"].mode, tree["x/d"].mtime, layers) == (0o700, EPOCH, 2)


SCOPES: dict[str, tuple[str, list[str]]] = {
    "an ARG before FROM is not seen in a stage": ("ARG G=1\nFROM scratch\nENV E=$G", ["E="]),
    "until it is asked for": ("ARG G=1\nFROM scratch\nARG G\nENV E=$G", ["E=1"]),
    "what is given wins": ("FROM scratch\nARG GIVEN=default\nENV E=$GIVEN", ["E=given"]),
    "the later of ARG and ENV": ("FROM scratch\nENV A=env\nARG A=arg\nENV E=$A", ["A=env", "E=arg"]),
    "a stage on a stage": ("FROM scratch AS s\nARG A=arg\nENV E=$A\nFROM s\nENV F=$A$E", ["E=arg", "F=argarg"]),
    "ENV of one line is not seen in it": ("FROM scratch\nENV A=1 B=$A", ["A=1", "B="]),
    "a default's default": ("ARG A=1\nARG B=${A}2\nFROM scratch\nARG B\nENV E=$B", ["E=12"]),
    "platforms": ("FROM scratch\nARG TARGETARCH\nENV E=$TARGETARCH F=$TARGETOS", ["E=arm64", "F="]),
}


@pytest.mark.parametrize("name", SCOPES)
def test_scopes(name: str, tmp_path: Path) -> None:
    text, expected = SCOPES[name]
    _, config, _ = build(tmp_path, text + "\n", arguments={"GIVEN": "given"})
    assert config["Env"][1:] == expected


def test_commands_of_stages(tmp_path: Path) -> None:
    text = 'FROM scratch AS s\nCMD ["a"]\nENTRYPOINT ["b"]\nFROM s\nENTRYPOINT ["c"]\n'
    _, config, _ = build(tmp_path, text)
    assert (config["Entrypoint"], config.get("Cmd")) == (["c"], None)
    _, config, _ = build(tmp_path, text, target="s")
    assert (config["Entrypoint"], config["Cmd"]) == (["b"], ["a"])


def test_settings(tmp_path: Path) -> None:
    _, config, _ = build(tmp_path, 'FROM scratch\nARG U\nEXPOSE $U 80\nENTRYPOINT run $X\nCMD ["$X"]\n')
    assert config["ExposedPorts"] == {"80/tcp": {}}
    assert (config["Entrypoint"], config["Cmd"]) == (["/bin/sh", "-c", "run $X"], ["$X"])


def test_only_stages_that_are_needed_are_executed(tmp_path: Path) -> None:
    text = "FROM scratch AS broken\nCOPY nothing /\nFROM scratch\nCOPY a /a\n"
    assert listed(build(tmp_path, text)[0]) == {"a": "file 640 0:0 a"}


REFUSED = {
    "a path that is not there": ("COPY nothing /x", "'nothing' is not there"),
    "another stage": ("COPY --from=no a /x", "no earlier stage is called so"),
    "a flag": ("COPY --parents a /x", "--parents is not known here"),
    "a mode in letters": ("COPY --chmod=u+x a /x", "is not octal"),
    "a file over a directory": ("COPY d /t\nCOPY link /t/sub/x/y", "is no directory"),
    "several to a name": ("COPY a b.txt /x", "several sources need a directory"),
    "WORKDIR of a user who is not there": ("USER me\nWORKDIR /x", "/etc/passwd of the image so far has no 'me'"),
    "a glob with an open bracket": ("COPY [a- /x", "is not closed"),
    "a volume of no name": ("ARG U\nVOLUME $U", "names an empty path"),
    "a download": ("ADD https://example.org/x /x", "downloads nothing"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    text, problem = REFUSED[name]
    with pytest.raises(DockerfileError, match=problem):
        build(tmp_path, f"FROM scratch\n{text}\n")


IGNORED: dict[str, tuple[str, set[str]]] = {
    "nothing": ("", {"a", "b.txt", "d", "d/a", "d/sub", "d/sub/x"}),
    "a name": ("a", {"b.txt", "d", "d/a", "d/sub", "d/sub/x"}),
    "a directory": ("/d/", {"a", "b.txt"}),
    "in any directory": ("**/a", {"b.txt", "d", "d/sub", "d/sub/x"}),
    "one level": ("*/a", {"a", "b.txt", "d", "d/sub", "d/sub/x"}),
    "brought back": ("d\n!d/sub/x", {"a", "b.txt", "d", "d/sub", "d/sub/x"}),
    "the last one decides": ("!a\n*", set()),
    "a comment and spaces": ("# a\n  b.txt  \n", {"a", "d", "d/a", "d/sub", "d/sub/x"}),
    "a class": ("[a-b]*", {"d", "d/a", "d/sub", "d/sub/x"}),
    "everything below": ("d/**", {"a", "b.txt", "d"}),
}


@pytest.mark.parametrize("name", IGNORED)
def test_dockerignore(name: str) -> None:
    text, expected = IGNORED[name]
    wanted = ("a", "b.txt", "d", "d/a", "d/sub", "d/sub/x")
    files = {path: FILES[path] for path in wanted} | {".dockerignore": Entry("file", content=text.encode())}
    assert visible(files).keys() - {".dockerignore"} == expected
