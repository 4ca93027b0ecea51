"""Debian's alternatives: which program a common name such as `cc` stands for.

Maintainer scripts register them when they run; ours do not run, so what they would register is in a table, and
written down as update-alternatives(1) does, which then goes on from it. Only commands are in the table: manual
pages are not in the images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imagemill.filetree import Entry, Tree


@dataclass(frozen=True)
class Alternative:
    """One choice for `link`; `slaves` (link -> path) go with it."""

    link: str
    path: str
    priority: int
    slaves: Mapping[str, str]


def _one(link: str, path: str, priority: int, slaves: Mapping[str, str] | None = None) -> Alternative:
    return Alternative(link, path, priority, slaves or {})


_XZ = {f"/usr/bin/lz{tool}": f"/usr/bin/xz{tool}" for tool in ("cat", "more", "less", "diff", "cmp", "grep")}
_XZ |= {
    "/usr/bin/unlzma": "/usr/bin/unxz",
    "/usr/bin/lzegrep": "/usr/bin/xzegrep",
    "/usr/bin/lzfgrep": "/usr/bin/xzfgrep",
}

_MAVEN = {"/usr/bin/mvnDebug": "/usr/share/maven/bin/mvnDebug"}

# source: the postinst of each package, Debian trixie and bullseye
TABLE: Mapping[str, tuple[Alternative, ...]] = {
    "automake": (
        _one("/usr/bin/automake", "/usr/bin/automake-1.19", 37, {"/usr/bin/aclocal": "/usr/bin/aclocal-1.19"}),
        _one("/usr/bin/automake", "/usr/bin/automake-1.17", 35, {"/usr/bin/aclocal": "/usr/bin/aclocal-1.17"}),
        _one("/usr/bin/automake", "/usr/bin/automake-1.16", 34, {"/usr/bin/aclocal": "/usr/bin/aclocal-1.16"}),
    ),
    "clang": (
        _one("/usr/bin/c++", "/usr/bin/clang++", 10),
        _one("/usr/bin/c89", "/usr/bin/clang", 10),
        _one("/usr/bin/c99", "/usr/bin/clang", 10),
        _one("/usr/bin/cc", "/usr/bin/clang", 10),
    ),
    "cpp": (_one("/usr/lib/cpp", "/usr/bin/cpp", 10),),
    "debianutils": (_one("/usr/bin/which", "/usr/bin/which.debianutils", 0),),
    "g++": (_one("/usr/bin/c++", "/usr/bin/g++", 20),),
    "gawk": (_one("/usr/bin/awk", "/usr/bin/gawk", 10, {"/usr/bin/nawk": "/usr/bin/gawk"}),),
    "gcc": (
        _one("/usr/bin/c89", "/usr/bin/c89-gcc", 20),
        _one("/usr/bin/c99", "/usr/bin/c99-gcc", 20),
        _one("/usr/bin/cc", "/usr/bin/gcc", 20),
    ),
    "less": (_one("/usr/bin/pager", "/usr/bin/less", 77),),
    "mawk": (_one("/usr/bin/awk", "/usr/bin/mawk", 5, {"/usr/bin/nawk": "/usr/bin/mawk"}),),
    "maven": (_one("/usr/bin/mvn", "/usr/share/maven/bin/mvn", 300, _MAVEN),),
    "tar": (_one("/usr/sbin/rmt", "/usr/sbin/rmt-tar", 50),),
    "util-linux": (_one("/usr/bin/pager", "/usr/bin/more", 50),),
    "vim-tiny": tuple(
        _one(f"/usr/bin/{name}", "/usr/bin/vim.tiny", 15) for name in ("editor", "ex", "rview", "vi", "view")
    ),
    "xz-utils": (_one("/usr/bin/lzma", "/usr/bin/xz", 20, _XZ),),
}


def links(tree: Tree, packages: set[str], mtime: int) -> Tree:
    """Links and records for the alternatives that `packages`, whose files are in `tree`, bring.

    Alternatives of one name must come from one layer: each layer's record replaces those below it.
    """
    groups: dict[str, list[Alternative]] = {}
    for package in sorted(packages & TABLE.keys()):
        for choice in TABLE[package]:
            if choice.path.lstrip("/") in tree:
                groups.setdefault(choice.link, []).append(choice)
    made: Tree = {}
    for link, choices in groups.items():
        best = max(choices, key=lambda choice: choice.priority)
        for place, path in {link: best.path, **best.slaves}.items():
            name = place.rpartition("/")[2]
            made[place.lstrip("/")] = Entry("symlink", 0o777, mtime=mtime, target=f"/etc/alternatives/{name}")
            made[f"etc/alternatives/{name}"] = Entry("symlink", 0o777, mtime=mtime, target=path)
        name = link.rpartition("/")[2]
        made[f"var/lib/dpkg/alternatives/{name}"] = Entry("file", mtime=mtime, content=_record(link, choices))
    return made


def _record(link: str, choices: list[Alternative]) -> bytes:
    """The administrative file of one name, as update-alternatives.c writes it: links, then choices by path."""
    slaves = sorted({slave for choice in choices for slave in choice.slaves}, key=lambda s: s.rpartition("/")[2])
    lines = ["auto", link]
    for slave in slaves:
        lines += [slave.rpartition("/")[2], slave]
    lines.append("")
    for choice in sorted(choices, key=lambda choice: choice.path):
        lines += [choice.path, str(choice.priority), *(choice.slaves.get(slave, "") for slave in slaves)]
    return "\n".join([*lines, "", ""]).encode()
