"""CPython at /var/lang: Debian's changes to where modules go are turned back, and modules come compiled.

Debian's interpreter finds its prefix by itself wherever it lies, but its patched `site` and `sysconfig` then
want <prefix>/local/lib/pythonX.Y/dist-packages; the real runtime has <prefix>/lib/pythonX.Y/site-packages.
"""

from __future__ import annotations

import re
from dataclasses import replace

from imagemill.assemble.pyc import NativePython
from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Tree

PREFIX = "var/lang"

# file below lib/pythonX.Y -> (Debian's text, upstream's text); source: Debian's patches distutils-install-layout,
# sysconfig-debian-schemes and locale-module, and the same files of CPython 3.13
_PATCHES: dict[str, tuple[tuple[str, str], ...]] = {
    "site.py": (
        (
            """
            if is_virtual_environment:
                sitepackages.append(os.path.join(prefix, "lib",
                                                 "python%d.%d" % sys.version_info[:2],
                                                 "site-packages"))
            sitepackages.append(os.path.join(prefix, "local/lib",
                                             "python%d.%d" % sys.version_info[:2],
                                             "dist-packages"))
            sitepackages.append(os.path.join(prefix, "lib",
                                             "python3",
                                             "dist-packages"))
            # this one is deprecated for Debian
""",
            "\n",
        ),
        (
            """
                                    f"{implementation}{ver[0]}.{ver[1]}{abi_thread}",
                                    "dist-packages")
""",
            """
                                    f"{implementation}{ver[0]}.{ver[1]}{abi_thread}",
                                    "site-packages")
""",
        ),
    ),
    "sysconfig/__init__.py": (
        (
            """
    'deb_system': {
        'stdlib': '{installed_base}/lib/python{py_version_short}',
        'platstdlib': '{platbase}/lib/python{py_version_short}',
        'purelib': '{base}/lib/python3/dist-packages',
        'platlib': '{platbase}/lib/python3/dist-packages',
        'include':
            '{installed_base}/include/python{py_version_short}{abiflags}',
        'platinclude':
            '{installed_platbase}/include/python{py_version_short}{abiflags}',
        'scripts': '{base}/bin',
        'data': '{base}',
        },
    'posix_local': {
        'stdlib': '{installed_base}/lib/python{py_version_short}',
        'platstdlib': '{platbase}/lib/python{py_version_short}',
        'purelib': '{base}/local/lib/python{py_version_short}/dist-packages',
        'platlib': '{platbase}/local/lib/python{py_version_short}/dist-packages',
        'include':
            '{installed_base}/include/python{py_version_short}{abiflags}',
        'platinclude':
            '{installed_platbase}/include/python{py_version_short}{abiflags}',
        'scripts': '{base}/local/bin',
        'data': '{base}/local',
        },
""",
            "\n",
        ),
        ("('posix_prefix', 'posix_home', 'posix_local', 'deb_system')", "('posix_prefix', 'posix_home')"),
        (
            """
        # default to /usr for package builds, /usr/local otherwise
        deb_build = os.environ.get('DEB_PYTHON_INSTALL_LAYOUT', 'posix_local')
        if deb_build in ('deb', 'deb_system'):
            prefix_scheme = 'deb_system'
        else:
            prefix_scheme = 'posix_local'
""",
            """
        prefix_scheme = 'posix_prefix'
""",
        ),
    ),
}

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


_PKGCONFIG = re.compile(r"(?:usr/lib/[^/]+|var/lang/lib)/pkgconfig/(python-(\d+\.\d+)(?:-embed)?\.pc)")


def finish(tree: Tree, version: str, native: NativePython | None) -> Tree:
    """The tree of a layer with files of CPython `version` (`3.13`) at /var/lang, compiled.

    Where the interpreter itself is in it, it is laid out as upstream would. `native` compiles. Raises
    AssembleError naming the file where Debian's patches are not those that are turned back here.
    """
    top = f"{PREFIX}/lib/python{version}"
    if native is None:
        raise AssembleError(f"no native interpreter to compile /{top} with", "lock the base for this machine too")
    if f"{PREFIX}/bin/python{version}" in tree:
        tree = _upstream(tree, version, native)
    modules = {path: entry for path, entry in tree.items() if path.startswith(f"{top}/") and path.endswith(".py")}
    if not modules:
        raise AssembleError(f"a layer with python: {version} has no module in /{top}", "move the library there")
    return tree | native.compile(modules)


def _upstream(tree: Tree, version: str, native: NativePython) -> Tree:
    """The tree with its modules and settings as upstream has them, on disk and inside the interpreter."""
    top, program = f"{PREFIX}/lib/python{version}", f"{PREFIX}/bin/python{version}"
    finished = dict(tree)
    for gone in ("EXTERNALLY-MANAGED", "_distutils_system_mod.py", "sitecustomize.py"):
        finished.pop(f"{top}/{gone}", None)
    for file, patches in _PATCHES.items():
        finished[f"{top}/{file}"] = _patched(f"{top}/{file}", tree, patches)
    for path, entry in tree.items():
        if path.startswith(f"{top}/_sysconfigdata_") and entry.kind == "file":
            finished[path] = _with_settings(path, entry, version)
    # the interpreter runs the `site` that is frozen into it and never looks at the file
    site = finished[f"{top}/site.py"].read().decode()
    finished[program] = replace(tree[program], content=native.refreeze(tree[program].read(), "site", site))
    finished.setdefault(f"{top}/site-packages", Entry("dir", 0o755, mtime=tree[program].mtime))
    return finished


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


def _patched(path: str, tree: Tree, patches: tuple[tuple[str, str], ...]) -> Entry:
    entry = tree.get(path)
    if entry is None:
        raise AssembleError(f"/{path} is missing", "correct 'move': the whole library goes to /var/lang")
    text = entry.read().decode()
    for old, new in patches:
        if text.count(old) != 1:
            raise AssembleError(
                f"/{path} does not hold, once, what Debian's patch puts there:\n{old}",
                "compare it with upstream's file and bring the patches of assemble/python.py up to date",
            )
        text = text.replace(old, new)
    return replace(entry, content=text.encode())


def _with_settings(path: str, entry: Entry, version: str) -> Entry:
    """Paths of the interpreter in /var/lang; libraries stay in Debian's directories, where they are."""
    text = entry.read().decode()
    for name, place in _SETTINGS.items():
        text, count = re.subn(rf"(?m)^( *'{name}': )'[^']*'", rf"\1'{place}'", text)
        if count != 1:
            raise AssembleError(
                f"/{path} has {count} lines for '{name}', not one", "bring assemble/python.py up to date"
            )
    own = re.escape(f"python{version}")
    text = re.sub(rf"/usr/lib/[^/' ]+-linux-gnu[^/' ]*/{own}", f"/var/lang/lib/python{version}", text)
    text = re.sub(rf"/usr/(bin|include|lib)/{own}", rf"/var/lang/\1/python{version}", text)
    return replace(entry, content=text.encode())
