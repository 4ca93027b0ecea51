"""Reading layers: every spelling of tar, whiteouts, links, damage; and against a plain model."""

from __future__ import annotations

import contextlib
import gzip
import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from conform_images import blob, pack
from hypothesis import given
from hypothesis import strategies as st

from imagemill import oci, spool
from imagemill.errors import LayoutError
from imagemill.filetree import Entry, Slice, Tree
from imagemill.merged import MergedTree, merge
from imagemill.spool import Layers
from imagemill.tarwalk import walk

NOWHERE = Path("layer.tar")


def tree_of(*layers: Tree) -> MergedTree:
    return merge([list(layer.items()) for layer in layers])


def file(text: str = "", mode: int = 0o644) -> Entry:
    return Entry("file", mode, content=text.encode())


def link(target: str) -> Entry:
    return Entry("symlink", 0o777, target=target)


DIR = Entry("dir", 0o755)

STACKS: dict[str, tuple[list[Tree], dict[str, str]]] = {
    "a later file replaces": ([{"a": file("1")}, {"a": file("2")}], {"a": "2"}),
    "a whiteout removes": ([{"a": file("1"), "b": file("1")}, {".wh.a": file()}], {"b": "1"}),
    "a whiteout removes all below": ([{"d": DIR, "d/x/y": file("1")}, {".wh.d": file()}], {}),
    "a whiteout spares its own layer": (
        [{"d": DIR, "d/old": file("1")}, {".wh.d": file(), "d": DIR, "d/new": file("2")}],
        {"d": "dir", "d/new": "2"},
    ),
    "a whiteout of nothing": ([{"a": file("1")}, {"q/.wh.b": file()}], {"a": "1"}),
    "a whiteout without a name": ([{"a": file("1")}, {".wh.": file()}], {"a": "1"}),
    "an opaque whiteout empties": (
        [{"d": DIR, "d/a": file("1"), "e": file("1")}, {"d/.wh..wh..opq": file(), "d/b": file("2")}],
        {"d": "dir", "d/b": "2", "e": "1"},
    ),
    "the order in the tar does not matter to opaque whiteouts": (
        [{"d": DIR, "d/a": file("1")}, {"d/b": file("2"), "d/.wh..wh..opq": file()}],
        {"d": "dir", "d/b": "2"},
    ),
    "AUFS's own files are no whiteouts": ([{"plnk": file("1")}, {".wh..wh.plnk": file()}], {"plnk": "1"}),
    "a file replaces a directory": ([{"d": DIR, "d/a": file("1")}, {"d": file("2")}], {"d": "2"}),
    "a directory replaces a file": (
        [{"d": file("1")}, {"d": DIR, "d/a": file("2")}],
        {"d": "dir", "d/a": "2"},
    ),
    "a directory keeps what it has": ([{"d": DIR, "d/a": file("1")}, {"d": DIR}], {"d": "dir", "d/a": "1"}),
    "a path through a link lands where it leads": (
        [{"usr/lib": DIR, "lib": link("usr/lib")}, {"lib/a": file("2")}],
        {"usr": "dir", "usr/lib": "dir", "lib": "-> usr/lib", "usr/lib/a": "2"},
    ),
    "a whiteout through a link too": (
        [{"usr/lib": DIR, "lib": link("/usr/lib"), "usr/lib/a": file("1")}, {"lib/.wh.a": file()}],
        {"usr": "dir", "usr/lib": "dir", "lib": "-> /usr/lib"},
    ),
    "parents that no layer has are made": ([{"a/b/c": file("1")}], {"a": "dir", "a/b": "dir", "a/b/c": "1"}),
    "a hard link is the file": (
        [{"a": file("1"), "b": Entry("hardlink", target="a")}, {"a": file("2")}],
        {"a": "2", "b": "1"},
    ),
    "a hard link to a lower layer": (
        [{"a": file("1")}, {"b": Entry("hardlink", target="a")}],
        {"a": "1", "b": "1"},
    ),
    "a hard link to nothing": ([{"b": Entry("hardlink", target="a")}], {"b": "hardlink"}),
}


def shown(tree: MergedTree) -> dict[str, str]:
    def one(entry: Entry) -> str:
        if entry.kind == "file":
            return tree.part(entry, 0, entry.size).decode()
        return f"-> {entry.target}" if entry.kind == "symlink" else entry.kind

    return {path: one(tree.entries[path]) for path in tree}


@pytest.mark.parametrize("case", STACKS)
def test_layers_over_each_other(case: str) -> None:
    layers, expected = STACKS[case]
    wanted = {k: v for k, v in expected.items() if v != "dir"}
    found = shown(tree_of(*layers))
    assert {k: v for k, v in found.items() if v != "dir"} == wanted
    assert {k for k, v in expected.items() if v == "dir"} <= {k for k, v in found.items() if v == "dir"}


def test_a_path_below_a_file_is_a_damaged_layer() -> None:
    with pytest.raises(LayoutError, match="below a file"):
        tree_of({"a": file()}, {"a/b": file()})


LINKS: Tree = {
    "usr/bin/dash": file("dash", 0o755),
    "usr/bin/sh": link("dash"),
    "bin": link("usr/bin"),
    "abs": link("/bin/sh"),
    "up": link("../../../usr/bin/dash"),
    "usr/dots": link("./bin/../bin//dash"),
    "loop": link("pool"),
    "pool": link("loop"),
    "gone": link("usr/bin/ash"),
    "through": link("usr/bin/dash/x"),
}
RESOLUTIONS = {
    "/bin/sh": "usr/bin/dash",
    "bin/sh": "usr/bin/dash",
    "/abs": "usr/bin/dash",
    "/up": "usr/bin/dash",
    "/usr/dots": "usr/bin/dash",
    "/loop": None,
    "/gone": None,
    "/through": None,
    "/usr/bin/dash/x": None,
    "/": "",
    "/usr/../bin/./sh": "usr/bin/dash",
}


@pytest.mark.parametrize("path", RESOLUTIONS)
def test_resolve_follows_links_inside_the_image(path: str) -> None:
    assert tree_of(LINKS).resolve(path) == RESOLUTIONS[path]


def test_stat_is_of_the_link_and_follows_its_parents() -> None:
    tree = tree_of(LINKS)
    entry = tree.stat("/bin/sh")
    assert entry is not None and entry.target == "dash"
    assert tree.stat("/loop/x") is None
    assert tree.read("/bin/sh") == b"dash"
    assert tree.children("usr") == ["usr/bin", "usr/dots"]
    assert tree.link_end("up") == ("usr/bin/dash", True)
    assert tree.link_end("usr/dots") == ("usr/bin/dash", False)
    with pytest.raises(LayoutError, match="no file /usr"):
        tree.read("/usr")


LONG = "d" * 90 + "/" + "e" * 90 + "/" + "f" * 120


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_of_tar_reads_as_tarfile_reads_it(format: int) -> None:
    tree: Tree = {
        "d": Entry("dir", 0o1777, 993, 990, 1_700_000_000),
        "d/file": Entry("file", 0o4755, 1, 2, 3, b"x" * 700),
        "d/empty": Entry("file", 0o600),
        "d/link": Entry("symlink", 0o777, target="file"),
        "d/same": Entry("hardlink", 0o4755, 1, 2, 3, target="d/file"),
        "dev": Entry("char", 0o600),
        "d" * 80 + "/" + "e" * 80: Entry("file", content=b"y"),
    }
    if format != tarfile.USTAR_FORMAT:
        tree[LONG] = Entry("file", content="kéks".encode(), uid=3_000_000, mtime=1 << 34)
        tree["é"] = Entry("symlink", 0o777, target=LONG)
    if format == tarfile.PAX_FORMAT:
        tree["d/cap"] = Entry("file", 0o755, xattrs={"security.capability": b"\1\0=\n\x7f"})
    tar = pack(tree, format)
    found = {
        path: Entry(
            e.kind, e.mode, e.uid, e.gid, e.mtime,
            tar[e.content.offset : e.content.offset + e.size] if isinstance(e.content, Slice) else e.content,
            e.target, e.xattrs,
        )
        for path, e in walk(tar, NOWHERE)
    }  # fmt: skip
    assert found == tree


def test_what_gnu_tar_writes_reads_too(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / ("n" * 150)).write_bytes(b"long")
    (tmp_path / "d" / "link").symlink_to("t" * 150)
    for format in ("gnu", "posix", "ustar", "v7"):
        names = ["d"] if format in ("gnu", "posix") else ["--exclude=d/*", "d"]
        done = subprocess.run(
            ["tar", "-C", tmp_path, f"--format={format}", "-cf", "-", *names], capture_output=True, check=True
        )
        found = dict(walk(done.stdout, NOWHERE))
        assert found["d"].kind == "dir"
        if format in ("gnu", "posix"):
            assert found["d/" + "n" * 150].size == 4
            assert found["d/link"].target == "t" * 150


def test_names_are_spelled_in_one_way_and_stay_inside() -> None:
    def tar(name: str) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as out:
            out.addfile(tarfile.TarInfo(name))
        return buffer.getvalue()

    for name in ("./a/b", "/a/b", "a//b", "a/./b"):
        assert [path for path, _ in walk(tar(name), NOWHERE)] == ["a/b"]
    for name in ("../a", "a/../../b", "a/.."):
        with pytest.raises(LayoutError, match="leaves the image"):
            list(walk(tar(name), NOWHERE))


WHOLE = pack({"a": file("x" * 2000), "b" * 200: file("y")})
DAMAGE = {
    "empty": b"",
    "no tar": b"no tar at all " * 100,
    "cut in a header": WHOLE[:300],
    "cut in content": WHOLE[:1500],
    "a size that is no number": WHOLE[:124] + b"x" * 12 + WHOLE[136:],
    "a negative size": WHOLE[:124] + b"\xff" * 12 + WHOLE[136:],
    "a sparse file": WHOLE[:156] + b"S" + WHOLE[157:],
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_an_error_with_its_place(case: str) -> None:
    with pytest.raises(LayoutError, match=r"layer\.tar") as error:
        list(walk(DAMAGE[case], NOWHERE))
    assert error.value.remedy


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_flipped_byte_never_ends_in_a_traceback(place: int, change: int) -> None:
    flipped = bytearray(WHOLE)
    flipped[place] ^= change
    with contextlib.suppress(LayoutError):
        list(walk(bytes(flipped), NOWHERE))


def test_layers_are_read_once_and_found_again(tmp_path: Path) -> None:
    lower, upper = (
        blob(pack({"a": file("1"), "b": file("2")}), tmp_path),
        blob(pack({".wh.a": file()}), tmp_path),
    )
    stack = [(b.digest, b.path) for b in (lower, upper)]
    with Layers(tmp_path / "scratch") as layers:
        tree = layers.tree(stack)
        assert shown(tree) == {"b": "2"}
        assert layers.tree(stack) is tree
        assert shown(layers.tree(stack[:1])) == {"a": "1", "b": "2"}
    lower.path.unlink()
    with Layers(tmp_path / "scratch") as layers:
        assert shown(layers.tree(stack)) == {"b": "2"}
    assert sorted(path.suffix for path in (tmp_path / "scratch").iterdir()) == [".tar", ".tar"]


def test_plain_and_many_membered_layers_read_too(tmp_path: Path) -> None:
    tar = pack({"a": file("1" * 5000)})
    for number, data in enumerate((tar, gzip.compress(tar[:1000]) + gzip.compress(tar[1000:]))):
        path = tmp_path / str(number)
        path.write_bytes(data)
        with Layers(tmp_path / "scratch") as layers:
            assert set(layers.tree([(oci.sha256(data), path)])) == {"a"}


BAD_BLOBS = {
    "another digest": (gzip.compress(WHOLE), "holds sha256:"),
    "cut short": (gzip.compress(WHOLE)[:-20], "ends early"),
    "damaged": (gzip.compress(WHOLE)[:40] + b"\xff" * 60, "damaged gzip"),
    "zstd": (b"\x28\xb5\x2f\xfd" + b"0" * 40, "zstd"),
    "not there": (None, "is missing"),
}


@pytest.mark.parametrize("case", BAD_BLOBS)
def test_a_bad_blob_is_refused_and_leaves_nothing(case: str, tmp_path: Path) -> None:
    data, message = BAD_BLOBS[case]
    path = tmp_path / "blob"
    if data is not None:
        path.write_bytes(data)
    with Layers(tmp_path / "scratch") as layers, pytest.raises(LayoutError, match=message):
        layers.tree([("sha256:" + "0" * 64, path)])
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_bomb_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MAX_LAYER", 1 << 20)
    data = gzip.compress(bytes(64 << 20))
    path = tmp_path / "bomb"
    path.write_bytes(data)
    with pytest.raises(LayoutError, match="larger than"), Layers(tmp_path / "scratch") as layers:
        layers.tree([(oci.sha256(data), path)])
    assert list((tmp_path / "scratch").iterdir()) == []


# A plain model: what a person would do with a directory and `rm -rf`, on paths of at most three parts.

_NAMES = st.sampled_from(["a", "b", "c"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join)
_STEPS = st.one_of(
    st.tuples(st.just("file"), _PATHS, st.integers(0, 99)),
    st.tuples(st.just("dir"), _PATHS, st.just(0)),
    st.tuples(st.just("whiteout"), _PATHS, st.just(0)),
    st.tuples(st.just("opaque"), _PATHS, st.just(0)),
)


def remove(model: dict[str, str], path: str) -> None:
    for key in [key for key in model if key == path or key.startswith(path + "/")]:
        del model[key]


@given(st.lists(st.lists(_STEPS, max_size=6), max_size=4))
def test_random_stacks_come_out_as_the_model_says(stack: list[list[tuple[str, str, int]]]) -> None:
    model: dict[str, str] = {}
    layers = []
    for steps in stack:
        for kind, path, _ in steps:
            if kind == "whiteout":
                remove(model, path)
            if kind == "opaque":
                for key in [key for key in model if key.startswith(path + "/")]:
                    remove(model, key)
        layer: list[tuple[str, Entry]] = []
        for kind, path, number in steps:
            folder, _, name = path.rpartition("/")
            if kind == "whiteout":
                layer.append((f"{folder}/.wh.{name}".lstrip("/"), file()))
            elif kind == "opaque":
                layer.append((f"{path}/.wh..wh..opq", file()))
            else:
                parents = [path[:i] for i, char in enumerate(path) if char == "/"]
                if any(model.get(parent, "dir") != "dir" for parent in parents):
                    continue  # no tar has an entry below a file
                for parent in parents:
                    model[parent] = "dir"
                if kind == "file":
                    remove(model, path)
                model[path] = str(number) if kind == "file" else "dir"
                layer.append((path, file(str(number)) if kind == "file" else DIR))
        layers.append(layer)
    assert shown(merge(layers)) == model
