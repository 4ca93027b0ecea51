from __future__ import annotations

import json
import platform as host
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from assemble_inputs import deb, file

from imagemill.assemble import pyc, python
from imagemill.assemble.debian_python import PATCHES
from imagemill.assemble.pyc import NativePython
from imagemill.assemble.pyc import interpreter as chosen
from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Tree
from imagemill.lock import DebianPackage
from imagemill.platforms import native

TOP = "var/lang/lib/python3.13"
PROGRAM = "var/lang/bin/python3.13"

SETTINGS = """build_time_vars = {
 'BINDIR': '/usr/bin',
 'CONFINCLUDEDIR': '/usr/include',
 'INCLUDEDIR': '/usr/include',
 'INCLUDEPY': '/usr/include/python3.13',
 'LIBDIR': '/usr/lib/x86_64-linux-gnu',
 'LIBPC': '/usr/lib/x86_64-linux-gnu/pkgconfig',
 'LIBPL': '/usr/lib/python3.13/config-3.13-x86_64-linux-gnu',
 'MACHDESTLIB': '/usr/lib/x86_64-linux-gnu/python3.13',
 'SCRIPTDIR': '/usr/lib',
 'exec_prefix': '/usr',
 'prefix': '/usr',
}
"""


def debian_text(name: str) -> bytes:
    """A file that holds what Debian's patches put into it."""
    return "".join(f"# before\n{old}\n" for old, _ in PATCHES["3.13"][name]).encode()


def debian_python() -> Tree:
    return {
        PROGRAM: file(b"ELF", 0o755),
        f"{TOP}/site.py": file(debian_text("site.py")),
        f"{TOP}/sysconfig/__init__.py": file(debian_text("sysconfig/__init__.py")),
        f"{TOP}/_sysconfigdata__x86_64-linux-gnu.py": file(SETTINGS.encode()),
        f"{TOP}/EXTERNALLY-MANAGED": file(),
        f"{TOP}/_distutils_system_mod.py": file(),
        f"{TOP}/site-packages/boto3/__init__.py": file(b"import os\n"),
        "usr/lib/other.py": file(),
    }


class Fake(NativePython):
    """Stands for the interpreter: says what it was asked."""

    def compile(self, modules: Tree) -> Tree:
        return {f"{path}c": file() for path in modules}

    def refreeze(self, program: bytes, module: str, source: str) -> bytes:
        return program + module.encode() + str(len(source)).encode()


FAKE = Fake((), lambda package: Path(package.name), Path("unused"))


def test_debians_changes_are_turned_back() -> None:
    tree = python.finish(debian_python(), "3.13", FAKE)
    for name in ("site.py", "sysconfig/__init__.py"):
        text = tree[f"{TOP}/{name}"].read().decode()
        assert "dist-packages" not in text
        assert "posix_local" not in text
        assert "# before" in text
    assert "site-packages" in tree[f"{TOP}/site.py"].read().decode()
    assert f"{TOP}/EXTERNALLY-MANAGED" not in tree
    assert f"{TOP}/_distutils_system_mod.py" not in tree
    assert tree[PROGRAM].read().startswith(b"ELFsite")
    assert tree[PROGRAM].mode == 0o755
    assert tree[f"{TOP}/site-packages"].kind == "dir"


def test_what_debian_changes_in_another_version_is_not_guessed() -> None:
    tree = {path.replace("3.13", "3.99"): entry for path, entry in debian_python().items()}
    with pytest.raises(AssembleError, match=r"CPython 3\.99 is not known"):
        python.finish(tree, "3.99", FAKE)


def test_settings_say_var_lang_where_it_is() -> None:
    text = python.finish(debian_python(), "3.13", FAKE)[f"{TOP}/_sysconfigdata__x86_64-linux-gnu.py"].read().decode()
    found: dict[str, Any] = {}
    exec(text, found)  # noqa: S102 - it is the file above
    assert found["build_time_vars"] == {
        "BINDIR": "/var/lang/bin",
        "CONFINCLUDEDIR": "/var/lang/include",
        "INCLUDEDIR": "/var/lang/include",
        "INCLUDEPY": "/var/lang/include/python3.13",
        "LIBDIR": "/usr/lib/x86_64-linux-gnu",
        "LIBPC": "/var/lang/lib/pkgconfig",
        "LIBPL": "/var/lang/lib/python3.13/config-3.13-x86_64-linux-gnu",
        "MACHDESTLIB": "/var/lang/lib/python3.13",
        "SCRIPTDIR": "/var/lang/lib",
        "exec_prefix": "/var/lang",
        "prefix": "/var/lang",
    }


def test_modules_are_compiled_and_no_others() -> None:
    compiled = {path for path in python.finish(debian_python(), "3.13", FAKE) if path.endswith(".pyc")}
    assert f"{TOP}/site-packages/boto3/__init__.pyc" in compiled
    assert not any(path.startswith("usr/") for path in compiled)


def test_a_layer_with_modules_only_is_compiled() -> None:
    tree = {f"{TOP}/site-packages/a.py": file()}
    assert set(python.finish(tree, "3.13", FAKE)) == {*tree, f"{TOP}/site-packages/a.pyc"}


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        (f"{TOP}/site.py", b"# upstream", r"/var/lang/lib/python3\.13/site\.py does not hold, once"),
        (f"{TOP}/site.py", debian_text("site.py") * 2, "does not hold, once"),
        (f"{TOP}/sysconfig/__init__.py", b"# other", r"sysconfig/__init__\.py does not hold"),
        (f"{TOP}/sysconfig/__init__.py", None, r"sysconfig/__init__\.py is missing"),
        (f"{TOP}/_sysconfigdata__x86_64-linux-gnu.py", b"build_time_vars = {}\n", "has 0 lines for 'BINDIR'"),
    ],
    ids=["no patch", "twice", "another patch", "no file", "no settings"],
)
def test_a_patch_that_does_not_fit_is_an_error(path: str, content: bytes | None, message: str) -> None:
    tree = debian_python()
    tree.pop(path)
    if content is not None:
        tree[path] = file(content)
    with pytest.raises(AssembleError, match=message) as caught:
        python.finish(tree, "3.13", FAKE)
    assert caught.value.remedy


def test_without_interpreter_or_modules_is_an_error() -> None:
    with pytest.raises(AssembleError, match="no native interpreter"):
        python.finish(debian_python(), "3.13", None)
    with pytest.raises(AssembleError, match="has no module"):
        python.finish({}, "3.13", FAKE)


@pytest.mark.parametrize("folder", ["usr/lib/aarch64-linux-gnu/pkgconfig", "var/lang/lib/pkgconfig"])
def test_pkg_config_follows_the_headers(folder: str) -> None:
    text = b"prefix=/usr\nCflags: -I${includedir}/python3.13 -I${includedir}/aarch64-linux-gnu/python3.13\n"
    headers = {"var/lang/include/python3.13/Python.h": file()}
    tree = python.finish_headers({f"{folder}/python-3.13.pc": file(text), **headers})
    assert set(tree) == {"var/lang/lib/pkgconfig/python-3.13.pc", *headers}
    assert tree["var/lang/lib/pkgconfig/python-3.13.pc"].read() == (
        b"prefix=/var/lang\nCflags: -I${includedir}/python3.13 -I/usr/include/aarch64-linux-gnu/python3.13\n"
    )
    alone = {f"{folder}/python-3.13.pc": file(text)}
    assert python.finish_headers(alone) == alone


@dataclass(frozen=True)
class Recorded(NativePython):
    """An interpreter whose answer is given."""

    answer: tuple[bytes, bytes] = (b"", b"")

    def _root(self) -> Path:
        return self.cache

    def _run(self, root: Path, script: str, question: object) -> bytes:
        return json.dumps([part.hex() for part in self.answer]).encode()


def recorded(tmp_path: Path, old: bytes, new: bytes) -> Recorded:
    package = DebianPackage("python3.13-minimal", "1", "amd64", "", "", "", "", 0, "00")
    return Recorded((package,), lambda item: tmp_path, tmp_path, (old, new))


def test_a_frozen_module_is_replaced_in_place(tmp_path: Path) -> None:
    new = recorded(tmp_path, b"old-module", b"new").refreeze(b"<<old-module>>", "site", "")
    assert new == b"<<new\0\0\0\0\0\0\0>>"


@pytest.mark.parametrize(
    ("program", "new"),
    [(b"nothing", b"new"), (b"old old", b"new"), (b"old", b"longer")],
    ids=["not there", "twice", "no room"],
)
def test_a_module_that_cannot_be_frozen_anew_is_an_error(tmp_path: Path, program: bytes, new: bytes) -> None:
    with pytest.raises(AssembleError, match="frozen 'site'"):
        recorded(tmp_path, b"old", new).refreeze(program, "site", "")


def interpreter(tmp_path: Path, loader: str) -> NativePython:
    """Packages whose loader is a script, so that what runs is the Python of these tests."""
    here = native()
    files = {
        f"usr/lib64/{Path(here.loader).name}": file(loader.encode(), 0o755),
        "usr/bin/python3.13": file(b"", 0o755),
        "usr/share/ignored": file(),
    }
    path = deb(tmp_path / "python.deb", "python3.13-minimal", files, arch=here.arch)
    package = DebianPackage("python3.13-minimal", "1", here.arch, "", "", "", "", 0, "ab" * 32)
    cache = tmp_path / "cache"
    cache.mkdir(exist_ok=True)
    return NativePython((package,), lambda item: path, cache)


LOADER = f'#!/bin/sh\nshift 3\nunset PYTHONHOME\nexec "{sys.executable}" "$@"\n'
MODULES: Tree = {
    f"{TOP}/a.py": Entry("file", mtime=77, content=b"def f():\n    raise ValueError\n"),
    f"{TOP}/pkg/b.py": file(b"B = {'x', 'y', 'z'}\n"),
    f"{TOP}/broken.py": file(b"def def"),
    f"{TOP}/nul.py": file(b"a\0b"),
    f"{TOP}/link.py": Entry("symlink", target="a.py"),
}


def test_modules_are_compiled_with_the_images_paths(tmp_path: Path) -> None:
    compiled = interpreter(tmp_path, LOADER).compile(MODULES)
    assert set(compiled) == {f"{TOP}/__pycache__/a.cpython-313.pyc", f"{TOP}/pkg/__pycache__/b.cpython-313.pyc"}
    entry = compiled[f"{TOP}/__pycache__/a.cpython-313.pyc"]
    assert entry.mtime == 77
    assert b"/var/lang/lib/python3.13/a.py" in entry.read()
    assert str(tmp_path).encode() not in entry.read()
    assert entry.read()[4:8] == b"\1\0\0\0", "flags: by hash, never checked"


def test_what_was_compiled_is_kept(tmp_path: Path) -> None:
    first = interpreter(tmp_path, LOADER).compile(MODULES)
    again = interpreter(tmp_path, "#!/bin/sh\nexit 1\n")
    assert again.compile(MODULES) == first
    other = tmp_path / "other"
    other.mkdir()
    assert interpreter(other, LOADER).compile(dict(reversed(MODULES.items()))) == first
    assert not [
        path for path in (tmp_path / "cache").iterdir() if path.name not in ("lock", "pyc") and "root" not in path.name
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("_COMPILE", pyc._COMPILE.replace("UNCHECKED", "CHECKED")), ("_OPTIONS", (*pyc._OPTIONS, "-OO"))],
    ids=["script", "options"],
)
def test_what_was_compiled_in_another_way_is_not_taken(
    name: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier version of ours may have done so, with other bytes for the same source."""
    source: Tree = {f"{TOP}/a.py": file(b"def f():\n    'Words.'\n")}
    first = interpreter(tmp_path, LOADER).compile(source)
    monkeypatch.setattr(pyc, name, value)
    assert interpreter(tmp_path, LOADER).compile(source) != first
    monkeypatch.undo()
    assert interpreter(tmp_path, "#!/bin/sh\nexit 1\n").compile(source) == first


def test_what_stands_beside_the_sources_of_an_interpreter_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "import json, sys\nopen(json.load(sys.stdin)[0][2], 'w').write(sys.pycache_prefix)"
    monkeypatch.setattr(pyc, "_COMPILE", script)
    compiled = interpreter(tmp_path, LOADER).compile({f"{TOP}/a.py": MODULES[f"{TOP}/a.py"]})
    assert compiled[f"{TOP}/__pycache__/a.cpython-313.pyc"].read() == b"/nonexistent"


def test_an_interpreter_that_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssembleError, match="too old a kernel"):
        interpreter(tmp_path, "#!/bin/sh\necho too old a kernel >&2\nexit 127\n").compile(MODULES)


def test_an_interpreter_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssembleError, match="does not start"):
        interpreter(tmp_path, "#!/no/such/program\n").compile(MODULES)


def test_an_interpreter_from_source_compiles_by_its_own_name(tmp_path: Path) -> None:
    """Its packages hold no Python; what another build of it compiled is not taken."""
    asked = 'test "$3" = "$PYTHONHOME/bin/python3.12" || exit 9\nshift 3'
    packaged = interpreter(tmp_path, LOADER.replace("shift 3", asked))
    for name in ("cpython-amd64-1", "cpython-amd64-2"):
        (tmp_path / name / "bin").mkdir(parents=True)
        for program in ("python3.12", "python3.12-config", "python3"):
            (tmp_path / name / "bin" / program).touch()
    first, second = (replace(packaged, built=tmp_path / f"cpython-amd64-{n}") for n in (1, 2))
    assert set(first.compile({f"{TOP}/a.py": MODULES[f"{TOP}/a.py"]})) == {f"{TOP}/__pycache__/a.cpython-312.pyc"}
    assert first.identity != second.identity
    assert first._name(f"{TOP}/a.py", file()) != second._name(f"{TOP}/a.py", file())


def test_packages_without_python_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssembleError, match="no pythonX"):
        NativePython((), lambda item: tmp_path, tmp_path).compile(MODULES)


def test_the_loader_script_above_runs() -> None:
    """If it did not, the tests above would test nothing."""
    assert host.system() == "Linux"
    command = ["/bin/sh", "-c", LOADER.partition("\n")[2], "sh", "1", "2", "3", "-c", "print(1)"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"1\n"


def test_alike_files_are_converted_once_and_both_there(tmp_path: Path) -> None:
    script = "import json, pathlib, sys\nfor a, _, b, _ in json.load(sys.stdin): pathlib.Path(b).write_bytes(b'made')"
    files = {"one": file(b"x"), "other": file(b"x")}
    made = interpreter(tmp_path, LOADER).convert(files, script, lambda path, entry: "same", "store")
    assert made == {"one": b"made", "other": b"made"}


def test_the_interpreter_is_unpacked_without_what_it_does_not_stand_on() -> None:
    names = ("locales-all", "bash", "libc6", "zlib1g", "python3.13-minimal", "libpython3.13-stdlib", "libc6")
    packages = [DebianPackage(name, "1", "amd64", name, "1", "debian", f"pool/{name}.deb", 1, "00") for name in names]
    kept = [package.name for package in chosen(packages)]
    assert kept == ["libc6", "zlib1g", "python3.13-minimal", "libpython3.13-stdlib"]
