"""CPython at /var/lang: Debian's changes to where modules go are turned back, and modules come compiled.

Debian's interpreter finds its prefix by itself wherever it lies, but its patched `site` and `sysconfig` then
want <prefix>/local/lib/pythonX.Y/dist-packages; the real runtime has <prefix>/lib/pythonX.Y/site-packages.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from imagemill.assemble.debian_python import PATCHES, Patch
from imagemill.assemble.frozen import unfreeze
from imagemill.assemble.pyc import NativePython
from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Tree

PREFIX = "var/lang"

# settings of _sysconfigdata whose value is a place of the interpreter's own, and that place
_SETTINGS = {
    "BINDIR": "/var/lang/bin",
    "CONFINCLUDEDIR": "/var/lang/include",
    "INCLUDEDIR": "/var/lang/include",
    "LIBPC": "/var/lang/lib/pkgconfig",
    "SCRIPTDIR": "/var/lang/lib",
    "exec_prefix": "/var/lang",
    "prefix": "/var/lang",
}


# where they are kept: Python 2.7 has them among what is special to a platform, 3.14 a second time as JSON
_SETTINGS_FILE = re.compile(r"_sysconfigdata__.*\.py|plat-[^/]*/_sysconfigdata_nd\.py|_sysconfig_vars_.*\.json")
_SITE_IS_FROZEN = (3, 11)

_PKGCONFIG = re.compile(r"(?:usr/lib/[^/]+|var/lang/lib)/pkgconfig/(python-(\d+\.\d+)(?:-embed)?\.pc)")


def finish(tree: Tree, version: str, native: NativePython | None) -> Tree:
    """The tree of a layer with files of CPython `version` (`3.13`) at /var/lang, compiled.

    Where the interpreter itself is in it, it is laid out as upstream would. `native` compiles. Raises
    AssembleError naming the file where Debian's patches are not those that are turned back here.
    """
    if native is not None and f"{PREFIX}/bin/python{version}" in tree:
        tree = _upstream(tree, version, native)
    return compiled(tree, version, native)


def compiled(tree: Tree, version: str, native: NativePython | None) -> Tree:
    """The tree with the modules of CPython `version` compiled beside them, its own and those of packages."""
    top = f"{PREFIX}/lib/python{version}"
    if native is None:
        raise AssembleError(f"no native interpreter to compile /{top} with", "lock the base for this machine too")
    places = (f"{top}/", "var/runtime/")
    modules = {path: entry for path, entry in tree.items() if path.startswith(places) and path.endswith(".py")}
    if not modules:
        raise AssembleError(f"a layer with python: {version} has no module in /{top}", "move the library there")
    return tree | native.compile(modules)


def _upstream(tree: Tree, version: str, native: NativePython) -> Tree:
    """The tree with its modules and settings as upstream has them, on disk and inside the interpreter."""
    top, program = f"{PREFIX}/lib/python{version}", f"{PREFIX}/bin/python{version}"
    if version not in PATCHES:
        raise AssembleError(
            f"what Debian changes in CPython {version} is not known; known are {', '.join(PATCHES)}",
            "compare its library with upstream's and add it to assemble/debian_python.py",
        )
    finished = dict(tree)
    for gone in ("EXTERNALLY-MANAGED", "_distutils_system_mod.py", "sitecustomize.py"):
        finished.pop(f"{top}/{gone}", None)
    for file, patches in PATCHES[version].items():
        finished[f"{top}/{file}"] = _patched(f"{top}/{file}", tree, patches)
    for path, entry in tree.items():
        if entry.kind == "file" and _SETTINGS_FILE.fullmatch(path.removeprefix(f"{top}/")):
            finished[path] = _with_settings(path, entry, version)
        elif path.startswith(f"{top}/build-details."):
            text = re.sub(rb'("base_prefix": )"[^"]*"', rb'\1"/var/lang"', entry.read())
            finished[path] = replace(entry, content=_own_paths(text.decode(), version).encode())
    finished[program] = replace(
        tree[program], content=_program(tree[program], finished[f"{top}/site.py"], version, native)
    )
    finished.setdefault(f"{top}/site-packages", Entry("dir", 0o755, mtime=tree[program].mtime))
    return finished


def _program(entry: Entry, site: Entry, version: str, native: NativePython) -> bytes:
    """The interpreter as it is to be: one that has `site` frozen into it never looks at the file."""
    match tuple(map(int, version.split("."))):
        case number if number < _SITE_IS_FROZEN:
            return entry.read()
        case (3, 11) | (3, 12):
            return unfreeze(entry.read(), "site")
        case _:
            return native.refreeze(entry.read(), "site", site.read().decode())


def finish_headers(tree: Tree) -> Tree:
    """The same tree, where pkg-config's files for CPython headers at /var/lang are there too and say so."""
    finished = dict(tree)
    for path, entry in tree.items():
        name = _PKGCONFIG.fullmatch(path)
        if name and f"{PREFIX}/include/python{name[2]}/Python.h" in tree:
            # the architecture's own pyconfig.h stays in /usr/include, where every compiler looks
            text = entry.read().replace(b"prefix=/usr\n", b"prefix=/var/lang\n", 1)
            text = re.sub(rb"-I\$\{includedir\}/([^/ ]+-linux-gnu/)", rb"-I/usr/include/\1", text)
            del finished[path]
            finished[f"{PREFIX}/lib/pkgconfig/{name[1]}"] = replace(entry, content=text)
    return finished


def _patched(path: str, tree: Tree, patches: tuple[Patch, ...]) -> Entry:
    entry = tree.get(path)
    if entry is None:
        raise AssembleError(f"/{path} is missing", "correct 'move': the whole library goes to /var/lang")
    text = entry.read().decode()
    for old, new in patches:
        if text.count(old) != 1:
            raise AssembleError(
                f"/{path} does not hold, once, what Debian's patch puts there:\n{old}",
                "compare it with upstream's file and bring assemble/debian_python.py up to date",
            )
        text = text.replace(old, new)
    return replace(entry, content=text.encode())


def _with_settings(path: str, entry: Entry, version: str) -> Entry:
    """Paths of the interpreter in /var/lang; libraries stay in Debian's directories, where they are."""
    text = entry.read().decode()
    for name, place in _SETTINGS.items():
        text, count = re.subn(rf"""(?m)^( *(['"]){name}\2: )\2[^'"]*\2""", rf"\1\g<2>{place}\2", text)
        if count != 1:
            raise AssembleError(
                f"/{path} has {count} lines for '{name}', not one", "bring assemble/python.py up to date"
            )
    return replace(entry, content=_own_paths(text, version).encode())


def _own_paths(text: str, version: str) -> str:
    """The text with what is CPython's own in /var/lang."""
    own = re.escape(f"python{version}")
    text = re.sub(rf"""/usr/lib/[^/' "]+-linux-gnu[^/' "]*/{own}""", f"/var/lang/lib/python{version}", text)
    return re.sub(rf"/usr/(bin|include|lib)/{own}", rf"/var/lang/\1/python{version}", text)
