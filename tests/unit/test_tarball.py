from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagemill.assemble import tarball
from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Slice, Tree

EPOCH = 1_700_000_000

NAMES = st.text(alphabet="abcXYZ019._-é ", min_size=1, max_size=30).filter(lambda n: n not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=6).map("/".join)
FILES = st.builds(
    Entry,
    kind=st.just("file"),
    mode=st.sampled_from([0o644, 0o755, 0o4755, 0o600]),
    uid=st.integers(0, 70_000),
    gid=st.integers(0, 3_000_000),
    mtime=st.integers(0, EPOCH + 1000),
    content=st.binary(max_size=1500),
)
LINKS = st.builds(
    Entry, kind=st.just("symlink"), mode=st.just(0o777), target=st.text("abc/.", min_size=1, max_size=150)
)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Trees of files and links in which no file has something below it."""
    entries = draw(st.dictionaries(PATHS, FILES | LINKS, max_size=12))
    return {p: e for p, e in entries.items() if not any(other.startswith(p + "/") for other in entries)}


def packed(tree: Tree, epoch: int = EPOCH) -> bytes:
    return b"".join(tarball.pack(tree, epoch))


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: member for member in tar}


@given(trees())
@settings(max_examples=60, deadline=None)
def test_tarfile_reads_what_was_written(tree: Tree) -> None:
    data = packed(tree)
    found = members(data)
    assert len(data) % tarfile.RECORDSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for path, entry in tree.items():
            member = found[path]
            assert (member.mode, member.uid, member.gid) == (entry.mode, entry.uid, entry.gid)
            assert member.mtime == min(entry.mtime, EPOCH)
            assert (member.uname, member.gname) == ("", "")
            if entry.kind == "file":
                content = tar.extractfile(member)
                assert content is not None
                assert content.read() == entry.read()
            else:
                assert member.linkname == entry.target


@given(trees(), st.randoms())
@settings(max_examples=40, deadline=None)
def test_the_order_of_insertion_does_not_matter(tree: Tree, random: object) -> None:
    paths = list(tree)
    random.shuffle(paths)  # type: ignore[attr-defined]
    assert packed({path: tree[path] for path in paths}) == packed(tree)


@given(trees())
@settings(max_examples=40, deadline=None)
def test_parents_come_before_what_is_in_them(tree: Tree) -> None:
    seen: set[str] = set()
    for name in members(packed(tree)):
        parent = name.rpartition("/")[0]
        assert not parent or parent in seen
        seen.add(name)


def test_the_bytes_are_these(tmp_path: Path) -> None:
    """A golden: a change in it changes every digest of every image."""
    tree = {
        "usr/bin/tool": Entry("file", 0o755, mtime=1_600_000_000, content=b"#!/bin/sh\n"),
        "usr/bin/link": Entry("symlink", 0o777, mtime=1_600_000_000, target="tool"),
        "usr/bin/same": Entry("hardlink", 0o755, mtime=1_600_000_000, target="usr/bin/tool"),
        "etc/é" + "x" * 120: Entry("file", 0o600, 993, 990, EPOCH + 5, b"long", xattrs={"user.a": b"\xff1"}),
        "tmp": Entry("dir", 0o1777, mtime=1_600_000_000),
    }
    blob = tarball.write(tree, tmp_path / "layer.tar.gz", epoch=EPOCH)
    assert blob.diff_id == "sha256:14d3290891b10a6ede0e24ee5cce1425fc763ecd45e9450d2ab2c430f4f932df"
    assert blob.digest == "sha256:faa456c98b77b1c08392cf0fb0b1795fb3c41741f2764dbad7f3750806256065"


def test_the_blob_says_what_is_in_the_file(tmp_path: Path) -> None:
    tree = {"a": Entry("file", content=bytes(3_000_000)), "b": Entry("file", content=b"x" * 1000)}
    first = tarball.write(tree, tmp_path / "one" / "layer", epoch=EPOCH)
    second = tarball.write(tree, tmp_path / "two", epoch=EPOCH)
    data = first.path.read_bytes()
    assert data == second.path.read_bytes()
    assert first.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert first.size == len(data)
    assert first.diff_id == f"sha256:{hashlib.sha256(gzip.decompress(data)).hexdigest()}"
    assert data[4:8] == bytes(4), "a time in the gzip header"
    assert not data[3] & 0x08, "a name in the gzip header"


def test_entries_are_sorted_by_directory() -> None:
    tree = {path: Entry("file") for path in ("b", "a.b/x", "a/x", "a-b", "a/b/c")}
    assert list(members(packed(tree))) == ["a", "a/b", "a/b/c", "a/x", "a-b", "a.b", "a.b/x", "b"]


def test_missing_parents_are_roots() -> None:
    member = members(packed({"a/b/c": Entry("file", 0o600, 5, 5)}))["a/b"]
    assert (member.isdir(), member.mode, member.uid, member.gid, member.mtime) == (True, 0o755, 0, 0, EPOCH)


def test_only_what_has_no_room_in_ustar_gets_pax_headers() -> None:
    plain = packed({"a" * 90: Entry("file", content=b"1")})
    long = packed({"a" * 101: Entry("file", content=b"1")})
    assert plain[156:157] == b"0"
    assert long[156:157] == b"x"
    assert b"atime" not in long
    assert b"ctime" not in long


@pytest.mark.parametrize(
    ("names", "holder"),
    [(("a", "b", "c"), "a"), (("a", "b", "c"), "b"), (("a", "b", "c"), "c"), (("a/x", "a.b/x"), "a.b/x")],
    ids=["content first", "content in the middle", "content last", "sorted by directory"],
)
def test_the_first_of_hard_links_holds_the_content(names: tuple[str, ...], holder: str) -> None:
    file = Entry("file", 0o755, mtime=5, content=b"one")
    link = Entry("hardlink", 0o755, mtime=5, target=holder)
    data = packed({name: file if name == holder else link for name in names})
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        read = {m.name: (m.type, tar.extractfile(m).read()) for m in tar if not m.isdir()}  # type: ignore[union-attr]
    first, *others = names
    assert read[first] == (tarfile.REGTYPE, b"one")
    assert all(read[name] == (tarfile.LNKTYPE, b"one") for name in others)
    # whoever held it: the same bytes
    assert data == packed(
        {name: file if name == first else Entry("hardlink", target=first, mtime=5, mode=0o755) for name in names}
    )


def test_a_hard_link_to_nothing_is_an_error() -> None:
    with pytest.raises(AssembleError, match="hard link /b leads to /gone"):
        packed({"b": Entry("hardlink", target="gone")})


def test_contents_may_lie_in_more_files_than_may_be_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarball, "_MAX_OPEN", 3)
    tree: Tree = {}
    for n in range(20):
        spool = tmp_path / f"{n % 7}"
        spool.write_bytes(bytes(100) + b"content of seven")
        tree[f"f{n}"] = Entry("file", content=Slice(spool, 100, 16))
    with tarfile.open(fileobj=io.BytesIO(packed(tree))) as tar:
        assert all(tar.extractfile(m).read() == b"content of seven" for m in tar)  # type: ignore[union-attr]


def test_a_spool_that_ends_early_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"short")
    with pytest.raises(AssembleError, match="ends early"):
        packed({"a": Entry("file", content=Slice(tmp_path / "spool", 0, 100))})
    with pytest.raises(AssembleError, match="ends early"):
        tarball.write({"a": Entry("file", content=Slice(tmp_path / "spool", 0, 100))}, tmp_path / "out", epoch=1)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 1 << 20, (1 << 20) + 1, 5_000_000])
def test_content_in_memory_and_in_a_file_give_the_same_layer(size: int, tmp_path: Path) -> None:
    """The compressor's bytes depend on the pieces that it is handed."""
    content = bytes(range(251)) * (size // 251) + bytes(size % 251)
    spool = tmp_path / "spool"
    spool.write_bytes(b"before" + content)
    small = {"a": Entry("file", content=b"x" * 700), "z": Entry("file", content=b"last")}
    memory = tarball.write({**small, "b": Entry("file", content=content)}, tmp_path / "1", epoch=1)
    file = tarball.write({**small, "b": Entry("file", content=Slice(spool, 6, size))}, tmp_path / "2", epoch=1)
    assert (memory.digest, memory.diff_id) == (file.digest, file.diff_id)
