"""A layer as the difference between two trees."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemill.engine.difference import difference
from imagemill.filetree import Entry, Slice, Tree
from imagemill.merged import MergedTree

EPOCH = 9
FILE = Entry("file", mtime=5, content=b"x")
FOLDER = Entry("dir", 0o755, mtime=5)
BEFORE: Tree = {"d": FOLDER, "d/f": FILE, "d/g": FILE, "e": FOLDER, "l": Entry("symlink", 0o777, target="d")}

CASES: dict[str, tuple[Tree, list[str]]] = {
    "nothing": ({}, []),
    "the same again": ({"d/f": Entry("file", mtime=5, content=b"x")}, []),
    "other content": ({"d/f": Entry("file", mtime=5, content=b"y")}, ["d", "d/f"]),
    "another time": ({"d/f": Entry("file", mtime=6, content=b"x")}, ["d", "d/f"]),
    "another mode": ({"e": Entry("dir", 0o700, mtime=5)}, ["e"]),
    "a directory's time": ({"e": Entry("dir", 0o755, mtime=6)}, []),
    "something new": ({"e/n": FILE}, ["e", "e/n"]),
    "another link": ({"l": Entry("symlink", 0o777, target="e")}, ["l"]),
    "a file for a directory": ({"e": FILE}, ["e"]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_in_it(name: str) -> None:
    changes, expected = CASES[name]
    assert sorted(difference(BEFORE, {**BEFORE, **changes}, EPOCH)) == expected


def test_what_went_is_whited_out_where_its_directory_stays() -> None:
    after = {"d": FOLDER, "d/f": FILE}
    assert sorted(difference(BEFORE, after, EPOCH)) == [".wh.e", ".wh.l", "d", "d/.wh.g"]


def test_names_of_one_file_are_hard_links() -> None:
    one, other = Entry("file", content=b"1"), Entry("file", content=b"1")
    found = difference({}, {"b": one, "a": one, "c": other}, EPOCH)
    assert {path: entry.target for path, entry in found.items()} == {"a": "", "b": "a", "c": ""}


def test_paths_that_are_in_it_anyway() -> None:
    assert sorted(difference(BEFORE, BEFORE, EPOCH, ["d/f", "nowhere"])) == ["d", "d/f"]


def test_content_on_disk_is_compared(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"aab")
    first, second, third = (Entry("file", content=Slice(tmp_path / "x", at, 1)) for at in range(3))
    assert difference({"f": first}, {"f": second}, EPOCH) == {}
    assert list(difference({"f": first}, {"f": third}, EPOCH)) == ["f"]
    assert list(difference({"f": first}, {"f": Entry("file", content=b"b")}, EPOCH)) == ["f"]


ENTRIES = st.sampled_from([FILE, Entry("file", 0o600, content=b"y"), Entry("symlink", 0o777, target="a")])
TREES = st.dictionaries(st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a", "d/e/b"]), ENTRIES, max_size=5).map(
    lambda files: {
        **{path: FOLDER for path in ("d", "d/e") if any(name.startswith(f"{path}/") for name in files)},
        **files,
    }
)


@given(TREES, TREES)
def test_laid_over_the_one_it_gives_the_other(before: Tree, after: Tree) -> None:
    tree = MergedTree()
    tree.apply(list(before.items()))
    tree.apply(list(difference(tree.entries, after, EPOCH).items()))
    assert tree.entries == after
