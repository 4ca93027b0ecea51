from __future__ import annotations

import pytest
from assemble_inputs import file, folder, link

from imagemill.assemble import deb, layout
from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Tree


def package(tree: Tree, name: str = "tool") -> deb.Package:
    return deb.Package(tree, {"control": f"Package: {name}\n".encode()})


def union(trees: list[Tree], move: dict[str, str] | None = None, drop: tuple[str, ...] = ()) -> Tree:
    packages = [package(tree, f"tool{n}") for n, tree in enumerate(trees)]
    globs = layout.Globs(drop)
    kept = [layout.place(one.tree, move or {}, globs) for one in packages]
    return layout.union(packages, kept, move or {})


@pytest.mark.parametrize(
    ("glob", "path", "dropped"),
    [
        ("/usr/share/man/*", "usr/share/man/man1/a.1.gz", True),
        ("/usr/share/man/*", "usr/share/man", False),
        ("/usr/lib/locale/en", "usr/lib/locale/en/LC_TIME", True),
        ("/usr/lib/locale/en", "usr/lib/locale/en_US", False),
        ("/usr/lib/locale/[!Ce]*", "usr/lib/locale/C.utf8/LC_TIME", False),
        ("/usr/lib/locale/[!Ce]*", "usr/lib/locale/de_DE/LC_TIME", True),
        ("/usr/share/doc/*", "usr/share/doc/tool/README", True),
        ("/usr/share/doc/*", "usr/share/doc/tool/copyright", False),
        ("/usr/share/doc/*", "usr/share/doc/tool/examples/copyright", True),
        ("/etc/*.conf", "etc/a/b.conf", True),
    ],
)
def test_what_globs_drop(glob: str, path: str, dropped: bool) -> None:
    assert layout.Globs((glob,)).match(path, file()) is dropped


def test_no_globs_drop_nothing() -> None:
    assert not layout.Globs(()).match("a", file())


def test_links_to_copyright_directories_stay() -> None:
    globs = layout.Globs(("/usr/share/doc/*",))
    assert not globs.match("usr/share/doc/libtool", link("tool"))
    assert globs.match("usr/share/doc/libtool/README", link("tool"))


def test_directories_of_copyright_files_stay() -> None:
    tree = {"usr/share/doc/a": folder(), "usr/share/doc/a/copyright": file(), "usr/share/doc/b": folder()}
    assert set(union([tree], drop=("/usr/share/doc/*",))) == {"usr/share/doc/a", "usr/share/doc/a/copyright"}


def test_directories_of_which_nothing_is_left_go() -> None:
    tree = {
        "usr": folder(),
        "usr/bin": folder(),
        "usr/bin/tool": file(),
        "usr/share": folder(),
        "usr/share/man": folder(),
        "usr/share/man/man1": folder(),
        "usr/share/man/man1/tool.1": file(),
        "usr/share/tool": folder(),
        "var": folder(),
        "var/empty": folder(),
    }
    found = union([tree], move={"/usr/bin/tool": "/opt/tool"}, drop=("/usr/share/man/*",))
    assert set(found) == {"opt/tool", "usr", "usr/share", "usr/share/tool", "var", "var/empty"}
    assert set(union([tree, {"usr/bin": folder()}], drop=("/usr/share/man/*",))) >= {"usr/bin", "usr/bin/tool"}


def test_the_longest_prefix_moves() -> None:
    tree = {
        "usr/lib/python3": file(),
        "usr/lib/python3.13": folder(),
        "usr/lib/python3.13/a.py": file(),
        "usr/lib/python3.13/config/x": file(),
        "usr/bin/python": file(),
    }
    move = {
        "/usr/lib/python3.13": "/var/lang/lib/python3.13",
        "/usr/lib/python3.13/config": "/opt/config",
        "/usr/bin/python": "/var/lang/bin/python",
    }
    assert set(union([tree], move)) == {
        "usr/lib/python3",
        "var/lang/lib/python3.13",
        "var/lang/lib/python3.13/a.py",
        "opt/config/x",
        "var/lang/bin/python",
    }


def test_moving_comes_before_dropping() -> None:
    tree = {"usr/share/doc/apt/examples/sources": file(b"deb")}
    moved = union([tree], {"/usr/share/doc/apt/examples/sources": "/etc/apt/sources"}, ("/usr/share/doc/*",))
    assert set(moved) == {"etc/apt/sources"}


def test_hard_links_follow_what_is_moved() -> None:
    tree = {"usr/bin/a": file(b"1"), "usr/bin/b": Entry("hardlink", target="usr/bin/a")}
    assert union([tree], {"/usr/bin/a": "/opt/a"})["usr/bin/b"].target == "opt/a"


def test_the_heir_of_a_dropped_hard_link_has_the_content() -> None:
    tree = {
        "usr/bin/a": file(b"1"),
        "usr/bin/b": Entry("hardlink", target="usr/bin/a"),
        "usr/bin/c": Entry("hardlink", target="usr/bin/a"),
    }
    left = union([tree], drop=("/usr/bin/a",))
    assert (left["usr/bin/b"].kind, left["usr/bin/b"].read()) == ("file", b"1")
    assert left["usr/bin/c"].target == "usr/bin/b"


def test_a_link_to_a_dropped_file_becomes_the_file() -> None:
    """Debian's locales share files by links: en_US.utf8/LC_CTYPE is a link into another locale."""
    tree = {
        "usr/lib/locale/aa/LC_CTYPE": file(b"types"),
        "usr/lib/locale/bb/LC_CTYPE": link("../aa/LC_CTYPE"),
        "usr/lib/locale/en/LC_CTYPE": link("../bb/LC_CTYPE"),
        "usr/lib/locale/en/LC_TIME": link("/nowhere"),
        "usr/lib/locale/en/LC_LOOP": link("LC_LOOP"),
    }
    left = union([tree], drop=("/usr/lib/locale/[!e]*",))
    assert (left["usr/lib/locale/en/LC_CTYPE"].kind, left["usr/lib/locale/en/LC_CTYPE"].read()) == ("file", b"types")
    assert left["usr/lib/locale/en/LC_TIME"].kind == left["usr/lib/locale/en/LC_LOOP"].kind == "symlink"


@pytest.mark.parametrize(
    ("one", "other"),
    [(file(b"1"), file(b"2")), (file(b"1"), file(b"1", 0o755)), (file(), link("x")), (folder(), file())],
    ids=["content", "mode", "kind", "directory and file"],
)
def test_one_path_from_two_packages_is_an_error(one: Entry, other: Entry) -> None:
    with pytest.raises(AssembleError, match="packages tool0 and tool1 both bring /etc/x"):
        union([{"etc/x": one}, {"etc/x": other}])


def test_the_same_from_two_packages_is_none() -> None:
    assert union([{"usr": folder(), "x": file()}, {"usr": folder(0o700), "x": file()}])["x"] == file()


LINKS = {
    "inside what moves": ("usr/lib/python3/a", "b", "b"),
    "from what moves to what stays": ("usr/lib/python3/c/x.so", "../../x86/x.so", "../../../../usr/lib/x86/x.so"),
    "from what stays to what moves": ("usr/lib/x86/x.a", "../python3/c/x.a", "../../../var/lang/python3/c/x.a"),
    "absolute": ("usr/bin/x", "/usr/lib/python3/x", "/var/lang/python3/x"),
    "untouched": ("usr/bin/x", "../lib/y", "../lib/y"),
    "untouched and odd": ("usr/bin/x", "..//lib/./y", "..//lib/./y"),
}


@pytest.mark.parametrize("name", LINKS)
def test_a_link_leads_where_it_led_before_the_move(name: str) -> None:
    path, target, expected = LINKS[name]
    moved = union([{path: Entry("symlink", target=target)}], {"/usr/lib/python3": "/var/lang/python3"})
    assert [entry.target for entry in moved.values() if entry.kind == "symlink"] == [expected]
