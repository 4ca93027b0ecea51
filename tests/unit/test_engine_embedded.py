"""The embedded engine: what the instructions make, each rule as a named case.

What a case expects is what BuildKit does (Docker 20.10); tests/images/test_dockerfile_fuzz.py compares with it.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zstandard

from imagemill.assemble import tarball
from imagemill.engine import Context, embedded
from imagemill.errors import DockerfileError
from imagemill.filetree import Entry, Tree
from imagemill.oci import Layout
from imagemill.platforms import find
from imagemill.tarwalk import walk

EPOCH = 100


@dataclass
class Built:
    """What a build made: the configuration, and each layer as a tree."""

    config: dict[str, Any]
    layers: list[Tree] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, Any]:
        found: dict[str, Any] = self.config["config"]
        return found

    def listed(self) -> list[list[str]]:
        """Each layer as lines: path, and what is not the default of its kind."""
        return [[line(path, entry) for path, entry in layer.items()] for layer in self.layers]


def line(path: str, entry: Entry) -> str:
    """An entry in a few words, like `a/b 640 1:2 @5 =text`."""
    usual = {"dir": 0o755, "symlink": 0o777}.get(entry.kind, 0o644)
    words = [path + ("/" if entry.kind == "dir" else "")]
    words += [f"{entry.mode:o}"] if entry.mode != usual else []
    words += [f"{entry.uid}:{entry.gid}"] if (entry.uid, entry.gid) != (0, 0) else []
    words += [f"@{entry.mtime}"] if entry.mtime != EPOCH else []
    words += [{"symlink": "->", "hardlink": "=>"}.get(entry.kind, "") + entry.target] if entry.target else []
    words += ["=" + entry.read().decode()] if entry.kind == "file" and entry.size else []
    return " ".join(words)


def build(tmp_path: Path, dockerfile: str, tree: Tree | None = None, **options: Any) -> Built:
    """Execute a Dockerfile; a-amd64.tar is a layer archive with one file."""
    blob = tarball.write({"etc/x": Entry("file", content=b"x", mtime=5)}, tmp_path / "a.tar.gz", epoch=EPOCH)
    context = Context(dockerfile, {"a-amd64.tar": blob}, tree or {}, {"GIVEN": "given"}, **options)
    descriptor = embedded.build(
        context, find("amd64"), layout=tmp_path / "out", name="x", epoch=EPOCH, scratch=tmp_path / "scratch"
    )
    assert list((tmp_path / "scratch").iterdir()) == [], "nothing is left over"
    layout = Layout(tmp_path / "out")
    manifest = layout.read_json(descriptor.digest)
    built = Built(layout.read_json(manifest["config"]["digest"]))
    for number, row in enumerate(manifest["layers"]):
        plain = tmp_path / f"layer-{number}"
        plain.write_bytes(gzip.decompress(layout.read_blob(row["digest"])))
        built.layers.append(dict(walk(plain.read_bytes(), plain)))
    return built


DOCKERFILE = """FROM scratch
ARG TARGETARCH
ADD a-${TARGETARCH}.tar /
ARG GIVEN=default
ARG OTHER=default
ENV A=1 B="$GIVEN $OTHER"
ENV A=2
LABEL l="${A}"
WORKDIR /var/task
USER me
EXPOSE 80 90/udp
ENTRYPOINT ["/init", "-x"]
CMD ["a b"]
"""
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def test_the_configuration_is_what_the_dockerfile_says(tmp_path: Path) -> None:
    built = build(tmp_path, DOCKERFILE)
    assert built.settings == {
        "Cmd": ["a b"],
        "Entrypoint": ["/init", "-x"],
        "Env": [PATH, "A=2", "B=given default"],
        "ExposedPorts": {"80/tcp": {}, "90/udp": {}},
        "Labels": {"l": "2"},
        "User": "me",
        "WorkingDir": "/var/task",
    }
    config = built.config
    assert (config["architecture"], config["os"], config["created"]) == ("amd64", "linux", "1970-01-01T00:01:40Z")


def test_each_instruction_has_its_history(tmp_path: Path) -> None:
    config = build(tmp_path, DOCKERFILE).config
    assert [row["created_by"] for row in config["history"]] == DOCKERFILE.splitlines()[1:]
    made = [row["created_by"] for row in config["history"] if not row.get("empty_layer")]
    assert made == ["ADD a-${TARGETARCH}.tar /", "WORKDIR /var/task"]
    assert len(config["rootfs"]["diff_ids"]) == 2


ENV = {
    "in one instruction the old values hold": ("ENV A=1\nENV A=2 B=$A", ["A=2", "B=1"]),
    "an argument hides the environment until it is set again": ("ENV A=1\nARG A=2\nENV B=$A", ["A=1", "B=2"]),
    "the environment hides an argument": ("ARG A=2\nENV A=1\nENV B=$A", ["A=1", "B=1"]),
    "what is given wins": ("ARG GIVEN=x\nENV A=$GIVEN", ["A=given"]),
    "what is given and not asked for": ("ENV A=[$GIVEN]", ["A=[]"]),
    "no value": ("ARG A\nENV B=[${A:-none}]", ["B=[none]"]),
    "platforms": ("ARG TARGETPLATFORM TARGETOS TARGETVARIANT\nENV A=$TARGETPLATFORM$TARGETOS,$TARGETVARIANT",
                  ["A=linux/amd64linux,"]),
    "platforms only when asked for": ("ENV A=[$TARGETARCH]", ["A=[]"]),
    "a default of its own hides the platform": ("ARG TARGETARCH=x\nENV A=$TARGETARCH", ["A=x"]),
    "the epoch": ("ARG SOURCE_DATE_EPOCH\nENV A=$SOURCE_DATE_EPOCH", ["A=100"]),
    "quotes": ("ENV A='a $B' B=\"c  d\" C=e\\ f", ["A=a $B", "B=c  d", "C=e f"]),
    "the default path": ("ENV A=$PATH", ["A=" + PATH.removeprefix("PATH=")]),
    "names may hold variables": ("ARG N=x\nENV A_$N=1", ["A_x=1"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ENV)
def test_environment(name: str, tmp_path: Path) -> None:
    text, expected = ENV[name]
    assert build(tmp_path, f"FROM scratch\n{text}\n").settings["Env"] == [PATH, *expected]


SCOPES = {
    "global, not asked for": ("ARG A=1\nFROM scratch\nENV B=[$A]", ["B=[]"]),
    "global, asked for": ("ARG A=1\nFROM scratch\nARG A\nENV B=$A", ["B=1"]),
    "global, with another default": ("ARG A=1\nFROM scratch\nARG A=2\nENV B=$A", ["B=2"]),
    "global, given": ("ARG GIVEN=1\nFROM scratch\nARG GIVEN\nENV B=$GIVEN", ["B=given"]),
    "global from global": ("ARG A=1\nARG B=$A$TARGETARCH\nFROM scratch\nARG B\nENV C=$B", ["C=1amd64"]),
    "of another stage": ("FROM scratch AS x\nARG A=1\nFROM scratch\nENV B=[$A]", ["B=[]"]),
    "of the stage it is based on": ("FROM scratch AS x\nARG A=1\nENV C=2\nFROM x\nENV B=$A$C", ["C=2", "B=12"]),
    "base by variable": ("ARG S=x\nFROM scratch AS x\nENV A=1\nFROM scratch\nFROM ${S}", ["A=1"]),
}


@pytest.mark.parametrize("name", SCOPES)
def test_scopes(name: str, tmp_path: Path) -> None:
    text, expected = SCOPES[name]
    assert build(tmp_path, text).settings["Env"] == [PATH, *expected]


SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "entrypoint keeps this stage's command": ('CMD ["a"]\nENTRYPOINT ["b"]', {"Cmd": ["a"], "Entrypoint": ["b"]}),
    "entrypoint forgets another stage's command": (
        'CMD ["a"]\nFROM base\nENTRYPOINT ["b"]', {"Entrypoint": ["b"]}),
    "shell form": ("CMD a $B 'c'", {"Cmd": ["/bin/sh", "-c", "a $B 'c'"]}),
    "arrays are not expanded": ('CMD ["$PATH"]', {"Cmd": ["$PATH"]}),
    "ports": ("ARG P=1-2\nEXPOSE $P 3/UDP", {"ExposedPorts": {"1/tcp": {}, "2/tcp": {}, "3/udp": {}}}),
    "volumes": ('VOLUME /a /b\nVOLUME ["/c d"]', {"Volumes": {"/a": {}, "/b": {}, "/c d": {}}}),
    "user with a space": ("USER a b", {"User": "a b"}),
    "signal": ("STOPSIGNAL SIGTERM", {"StopSignal": "SIGTERM"}),
    "labels": ('LABEL a="b c" "d e"=f', {"Labels": {"a": "b c", "d e": "f"}}),
    "directories join": ("WORKDIR /a\nWORKDIR b/../c", {"WorkingDir": "/a/c"}),
    "inherited": ('LABEL a=1\nEXPOSE 1\nFROM base\nLABEL b=2', {"Labels": {"a": "1", "b": "2"},
                                                               "ExposedPorts": {"1/tcp": {}}}),
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_settings(name: str, tmp_path: Path) -> None:
    text, expected = SETTINGS[name]
    found = build(tmp_path, f"FROM scratch AS base\n{text}\n").settings
    del found["Env"]
    if "WorkingDir" not in expected:
        assert found.pop("WorkingDir") == "/"
    assert found == expected


TREE: Tree = {
    "f": Entry("file", 0o640, 7, 7, 5, b"text"),
    "big": Entry("file", 0o4755, mtime=200, content=b"new"),
    "d": Entry("dir", 0o750, mtime=6),
    "d/a.txt": Entry("file", content=b"a", mtime=7),
    "d/sub": Entry("dir", 0o700, mtime=8),
    "d/sub/b.txt": Entry("file", content=b"b", mtime=9),
    "d/link": Entry("symlink", 0o777, mtime=10, target="a.txt"),
    "d/sub/hard": Entry("hardlink", target="d/a.txt"),
    "l": Entry("symlink", 0o777, mtime=11, target="d"),
    "lf": Entry("symlink", 0o777, mtime=12, target="d/link"),
    "one": Entry("dir", 0o711, mtime=13),
    "one/a.txt": Entry("file", content=b"1", mtime=14),
    "links/there": Entry("symlink", 0o777, mtime=15, target="/real"),
    "over/there": Entry("file", content=b"over", mtime=16),
}
CONTENTS = ["a.txt @7 =a", "link @10 ->a.txt", "sub/ 700", "sub/b.txt @9 =b"]


def below(folder: str, *lines: str) -> list[str]:
    return [f"{folder}/{line}" for line in lines]


HARD = "sub/hard @7 =>{}/a.txt"
COPIES: dict[str, tuple[str, list[list[str]]]] = {
    "a file to a name": ("COPY f /x", [["x 640 @5 =text"]]),
    "a file into a directory": ("COPY f /x/", [["x/", "x/f 640 @5 =text"]]),
    "a file to a missing name below": ("COPY f /x/y/z", [["x/", "x/y/", "x/y/z 640 @5 =text"]]),
    "a file to where a directory is": ("WORKDIR /x\nCOPY f /x", [["x/"], ["x/", "x/f 640 @5 =text"]]),
    "a newer file": ("COPY big /x", [["x 4755 =new"]]),
    "mode keeps the special bits": ("COPY --chmod=4600 big /x", [["x 4600 =new"]]),
    "mode drops others": ("COPY --chmod=7600 f /x", [["x 600 @5 =text"]]),
    "owner": ("COPY --chown=1:2 f /x/", [["x/ 1:2", "x/f 640 1:2 @5 =text"]]),
    "owner alone is the group too": ("ARG U=3\nCOPY --chown=$U f /x", [["x 640 3:3 @5 =text"]]),
    "root is a number": ("COPY --chown=root:2 f /x", [["x 640 0:2 @5 =text"]]),
    "a directory gives its contents": ("COPY d /x", [["x/", *below("x", *CONTENTS), "x/" + HARD.format("x")]]),
    "a directory's slash says nothing": ("COPY d/ /x/", [["x/", *below("x", *CONTENTS), "x/" + HARD.format("x")]]),
    "to the root": ("COPY d/sub /", [["b.txt @9 =b", "hard @7 =a"]]),
    "into a directory that is there": ("WORKDIR /x\nCOPY d/sub /x",
                                       [["x/"], ["x/", "x/b.txt @9 =b", "x/hard @7 =a"]]),
    "inner directories take the source's mode": ("WORKDIR /x/sub\nCOPY --chmod=644 d /x", [
        ["x/", "x/sub/"],
        ["x/", *below("x", "a.txt @7 =a", "link @10 ->a.txt", "sub/ 644", "sub/b.txt @9 =b"),
         "x/" + HARD.format("x")]]),
    "a link is followed": ("COPY l /x", [["x/", *below("x", *CONTENTS), "x/" + HARD.format("x")]]),
    "a link to a link to a file": ("COPY lf /x/", [["x/", "x/lf @7 =a"]]),
    "a star": ("COPY d/*.txt /x/", [["x/", "x/a.txt @7 =a"]]),
    "a star for directories": ("COPY */a.txt /x/", [["x/", "x/a.txt @14 =1"]]),
    "a star finds directories and gives their contents": ("COPY d/s* /x/", [["x/", "x/b.txt @9 =b", "x/hard @7 =a"]]),
    "a star does not go through links": ("COPY l*/x.txt f /x/", [["x/", "x/f 640 @5 =text"]]),
    "a star finds links and follows them": ("COPY lf* /x/", [["x/", "x/lf* @7 =a".replace("*", "")]]),
    "a star that finds nothing": ("COPY nothing* /x/", []),
    "several": ("COPY f big /x/", [["x/", "x/big 4755 =new", "x/f 640 @5 =text"]]),
    "several in an array": ('COPY ["f", "big", "x y/"]', [["x y/", "x y/big 4755 =new", "x y/f 640 @5 =text"]]),
    "below the directory": ("WORKDIR /w\nCOPY f .\nCOPY f g",
                            [["w/"], ["w/", "w/f 640 @5 =text"], ["w/", "w/g 640 @5 =text"]]),
    "through a link in the target": ("COPY links /\nCOPY f /there/", [
        ["there @15 ->/real"], ["real/", "real/f 640 @5 =text"]]),
    "onto a link in the target": ("COPY links /\nCOPY f /there", [["there @15 ->/real"], ["real 640 @5 =text"]]),
    "in place of a link in a directory": ("COPY links /x/\nCOPY over /x", [
        ["x/", "x/there @15 ->/real"], ["x/", "x/there @16 =over"]]),
    "the same again": ("COPY f /x\nCOPY f /x", [["x 640 @5 =text"]]),
    "outside the context is inside": ("COPY ../../f /x", [["x 640 @5 =text"]]),
    "from a stage by name": ("COPY d/sub /s\nFROM scratch\nCOPY --from=base /s/b.txt /x", [["x @9 =b"]]),
    "from a stage by number": ("COPY --chown=1:2 f /s\nFROM scratch\nCOPY --from=0 s /x", [["x 640 1:2 @5 =text"]]),
    "from a stage, all of it": ("WORKDIR /s\nCOPY f /s/\nFROM scratch\nCOPY --from=base / /", [
        ["s/", "s/f 640 @5 =text"]]),
    "a stage on another": ("COPY f /x\nFROM base\nCOPY f /y", [["x 640 @5 =text"], ["y 640 @5 =text"]]),
    "names of owners": ("COPY users /etc/\nCOPY --chown=me:them f /x\nCOPY --chown=me f /y\nCOPY --chown=5:them f /z", [
        ["etc/", "etc/group @0 =them:x:6:", "etc/passwd @0 =me:x:3:4::/:"],
        ["x 640 3:6 @5 =text"], ["y 640 3:4 @5 =text"], ["z 640 5:6 @5 =text"]]),
    "a directory is made as its user": ("USER 5:6\nWORKDIR /x/y", [["x/ 5:6", "x/y/ 5:6"]]),
    "a directory that is there": ("ADD a-amd64.tar /\nUSER nobody\nWORKDIR /etc", [["etc/", "etc/x @5 =x"]]),
    "an archive elsewhere": ("ADD a-amd64.tar /opt", [["opt/", "opt/etc/", "opt/etc/x @5 =x"]]),
    "an archive is copied as it is": ("COPY f a-amd64.ta[r] /x/\nFROM scratch\nCOPY --from=base /x/f /", [
        ["f 640 @5 =text"]]),
}  # fmt: skip
USERS: Tree = {
    "users/passwd": Entry("file", content=b"me:x:3:4::/:"),
    "users/group": Entry("file", content=b"them:x:6:"),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies(name: str, tmp_path: Path) -> None:
    text, expected = COPIES[name]
    assert build(tmp_path, f"FROM scratch AS base\n{text}\n", {**TREE, **USERS}).listed() == expected


def packed(*members: tuple[str, dict[str, Any], bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, fields, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 9
            for key, value in fields.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


FILE = packed(("a/b", {"mode": 0o600, "uid": 3}, b"text"))
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip in members": lambda data: gzip.compress(data[:700]) + gzip.compress(data[700:]),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
}


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_archives_are_unpacked(name: str, tmp_path: Path) -> None:
    tree = {"x": Entry("file", content=COMPRESSIONS[name](FILE))}
    found = build(tmp_path, "FROM scratch\nADD --chown=1:1 x /to\n", tree).listed()
    assert found == [["to/ 1:1", "to/a/", "to/a/b 600 3:0 @9 =text"]]


def kind(letter: bytes, **fields: Any) -> dict[str, Any]:
    return {"type": letter, **fields}


ARCHIVES: dict[str, tuple[bytes, str, list[str]]] = {
    "a directory's own mode": (packed(("d", kind(b"5", mode=0o700), b"")), "", ["d/ 700 @9"]),
    "its time after it was filled": (
        packed(("d", kind(b"5", mode=0o755), b""), ("d/f", {}, b"")), "", ["d/ @9", "d/f @9"]),
    "a file for a directory": (packed(("w", {}, b"x")), "WORKDIR /w/y\n", ["w @9 =x"]),
    "a directory for a directory that went": (
        packed(("w", {}, b"x"), ("w", kind(b"5", mode=0o711, uid=4), b""), ("w/z", {}, b"")), "WORKDIR /w/y\n",
        ["w/ 711 4:0 @9", "w/.wh.y", "w/z @9"]),
    "a directory for a link": (
        packed(("l", kind(b"2", linkname="w"), b""), ("l", kind(b"5", mode=0o755), b"")), "", ["l/ @9"]),
    "a directory that is there": (
        packed(("w", kind(b"5", mode=0o711, uid=4), b"")), "WORKDIR /w/y\n", ["w/ 711 4:0 @9"]),
    "links": (packed(("l", kind(b"2", linkname="w"), b""), ("l/f", {}, b"x")), "WORKDIR /w\n",
              ["l @9 ->w", "w/", "w/f @9 =x"]),
    "hard links": (packed(("b", {}, b"x"), ("a", kind(b"1", linkname="b"), b"")), "", ["a @9 =x", "b @9 =>a"]),
    "the last of two": (packed(("a", {}, b"x"), ("a", {}, b"y")), "", ["a @9 =y"]),
    "whiteouts are files": (packed((".wh.a", {}, b"")), "", [".wh.a @9"]),
    "an empty tar is a file": (bytes(10240), "", []),
    "a text is a file": (b"text", "", ["x @0 =text"]),
    "what only looks compressed is a file": (b"BZhtext", "", ["x @0 =BZhtext"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives(name: str, tmp_path: Path) -> None:
    data, before, expected = ARCHIVES[name]
    found = build(tmp_path, f"FROM scratch\n{before}ADD x /\n", {"x": Entry("file", content=data)})
    lines = [line for line in found.listed()[-1] if "\0" not in line]
    assert lines == expected


def test_stages_that_nobody_needs_are_not_made(tmp_path: Path) -> None:
    text = "FROM scratch AS a\nCOPY missing /x\nFROM scratch AS b\nCOPY f /y\nFROM a\n"
    assert build(tmp_path, text, TREE, target="B").listed() == [["y 640 @5 =text"]]


def test_ignored_files_are_not_there(tmp_path: Path) -> None:
    tree = {**TREE, ".dockerignore": Entry("file", content=b"*\n!d/sub\n")}
    assert build(tmp_path, "FROM scratch\nCOPY . /\n", tree).listed() == [
        ["d/ 750", "d/sub/ 700", "d/sub/b.txt @9 =b", "d/sub/hard @7 =a"]
    ]


REFUSED = {
    "FROM an image": ("FROM debian", "'debian' is neither scratch nor"),
    "FROM a later stage": ("FROM x\nFROM scratch AS x", "'x' is neither scratch nor"),
    "ADD from the network": ("FROM scratch\nADD https://example.org/x /x", "downloads nothing"),
    "FROM with a name that is none": ("FROM scratch AS 1x", "is not known"),
    "FROM with too much": ("FROM scratch x", "is not known"),
    "COPY from an image": ("FROM scratch\nCOPY --from=debian a /", "no stage 'debian'"),
    "COPY from itself": ("FROM scratch AS a\nCOPY --from=a f /x", "does not come before"),
    "COPY from a later number": ("FROM scratch AS a\nCOPY --from=1 f /x\nFROM a", "does not come before"),
    "missing file": ("FROM scratch\nCOPY nothing /x", "'nothing' is not in"),
    "missing directory of a star": ("FROM scratch\nCOPY nothing/* /x/", "nothing/\\* is not in"),
    "no target": ("FROM scratch\nCOPY f", "has no target"),
    "several to a file": ("FROM scratch\nCOPY f big /x", "several sources"),
    "a file over a directory": ("FROM scratch\nWORKDIR /x/f\nCOPY f /x/", "/x/f is a directory"),
    "a directory over a file": ("FROM scratch\nCOPY f /x\nCOPY d /x", "/x is not a directory"),
    "below a file": ("FROM scratch\nCOPY f /x\nCOPY f /x/y/z", "/x is not a directory"),
    "mode in letters": ("FROM scratch\nCOPY --chmod=u+x f /x", "is not octal"),
    "unknown owner": ("FROM scratch\nCOPY --chown=me f /x", "'me' is not in the image's /etc/passwd"),
    "unknown group": ("FROM scratch\nCOPY --chown=1:them f /x", "'them' is not in the image's /etc/group"),
    "unknown user": ("FROM scratch\nUSER me\nWORKDIR /x", "line 3: WORKDIR: 'me' is not in"),
    "open quote": ('FROM scratch\nENV A="x', "line 2: ENV: a \" is not closed"),
    "port": ("FROM scratch\nEXPOSE 70000", "'70000' is no port"),
    "signal": ("FROM scratch\nSTOPSIGNAL SIGNONE", "'SIGNONE' is no signal"),
    "volume": ("FROM scratch\nVOLUME $NONE", "a volume has no path"),
    "circle": ("FROM scratch\nCOPY circle /x", "too many links"),
    "pipe": ("FROM scratch\nCOPY pipe /x", "named pipes"),
}  # fmt: skip
ODD: Tree = {"circle": Entry("symlink", 0o777, target="circle"), "pipe": Entry("fifo")}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_outside_the_subset_is_an_error_with_its_line(name: str, tmp_path: Path) -> None:
    text, problem = REFUSED[name]
    with pytest.raises(DockerfileError, match=problem):
        build(tmp_path, text, {**TREE, **ODD})


def test_a_directory_that_is_known_to_be_there(tmp_path: Path) -> None:
    text = "FROM scratch\nADD a-amd64.tar /\nUSER nobody\nWORKDIR /etc\n"
    built = build(tmp_path, text, directories=frozenset({"/etc"}))
    assert (built.settings["WorkingDir"], built.listed()) == ("/etc", [["etc/", "etc/x @5 =x"]])


def test_an_unknown_target(tmp_path: Path) -> None:
    with pytest.raises(DockerfileError, match="no stage 'x'"):
        build(tmp_path, "FROM scratch", target="x")


def test_a_damaged_archive(tmp_path: Path) -> None:
    data = gzip.compress(packed(("a", {}, bytes(range(256)) * 4000)))[:-400]
    with pytest.raises(DockerfileError, match="ADD: the archive is damaged"):
        build(tmp_path, "FROM scratch\nADD x /\n", {"x": Entry("file", content=data)})


def test_a_hard_link_to_nothing(tmp_path: Path) -> None:
    data = packed(("a", kind(b"1", linkname="b"), b""))
    with pytest.raises(DockerfileError, match="hard link a leads to b"):
        build(tmp_path, "FROM scratch\nADD x /\n", {"x": Entry("file", content=data)})
