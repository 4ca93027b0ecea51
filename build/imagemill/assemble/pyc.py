"""Compiling Python modules with an interpreter that is not installed: the one of the locked packages.

A .pyc depends on the source, the path in it and the version of CPython, not on the architecture: modules are
compiled once, by the interpreter of this machine's architecture, and kept by the hash of what they came from.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from imagemill.assemble import native
from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Tree
from imagemill.lock import DebianPackage

_NEEDED = re.compile(rf"usr/bin/python[23]\.\d+|usr/lib/python[23]\.\d+/.*|{native.LIBRARIES}")

# it stands on libraries alone: shells, tools and locales, which have most of a base's bytes, are not unpacked for it
_PACKAGES = re.compile(r"lib.*|python[23]\..*|zlib1g")

# reads a JSON list of [source, path in the image, result, its time]; unchecked-hash: no time stamp in it, and no
# look at the source when it is imported. Files that are no Python of this version (templates, tests) are left out.
_COMPILE = """
import json, py_compile, sys
for source, path, result, _ in json.load(sys.stdin):
    try:
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(source, cfile=result, dfile=path, doraise=True, invalidation_mode=mode)
    except (py_compile.PyCompileError, ValueError):
        pass
"""

# the same for Python 2, which knows nothing but time stamps: that of the source in the image
_COMPILE_2 = """
import imp, io, json, marshal, struct, sys
for source, path, result, time in json.load(sys.stdin):
    try:
        with io.open(source, "rb") as file:
            code = compile(file.read(), path.encode(), "exec", dont_inherit=True)
        with io.open(result, "wb") as file:
            file.write(imp.get_magic() + struct.pack("<l", time) + marshal.dumps(code))
    except (SyntaxError, TypeError, ValueError):
        pass
"""

# what an interpreter has imported shows in how marshal marks what is shared, so all of them import from sources alone:
# nothing is written beside these, and nothing read that another run may have written there
_OPTIONS = ("-B", "-S", "-s")
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYTHONPYCACHEPREFIX": "/nonexistent", "LC_ALL": "C.UTF-8"}

# reads [module, source]; writes the module as it is frozen into the interpreter, and as it would be from source
_FREEZE = """
import _imp, json, marshal, sys
module, source = json.load(sys.stdin)
frozen = _imp.find_frozen(module, withdata=True)[0]
code = compile(source, f"<frozen {module}>", "exec", dont_inherit=True, optimize=0)
json.dump([bytes(frozen).hex(), marshal.dumps(code).hex()], sys.stdout)
"""


def interpreter(packages: Iterable[DebianPackage]) -> tuple[DebianPackage, ...]:
    """Those of the packages that the interpreter is made of, and needs."""
    return tuple(dict.fromkeys(package for package in packages if _PACKAGES.fullmatch(package.name)))


@dataclass(frozen=True)
class NativePython:
    """CPython of this machine's architecture, from locked packages; `cache` keeps it and what it compiled.

    Where it was built from source, `built` is its /var/lang, and the packages are what it stands on.
    """

    packages: Sequence[DebianPackage]
    path_of: Callable[[DebianPackage], Path]
    cache: Path
    built: Path | None = field(default=None, kw_only=True)

    def compile(self, modules: Tree) -> Tree:
        """The compiled modules of `modules` (path in the image -> source), where this Python looks for them.

        Raises AssembleError when the interpreter does not run here.
        """
        script = _COMPILE_2 if self._version.startswith("2.") else _COMPILE
        contents = self.convert(modules, script, self._name, "pyc")
        return {
            self._place(path): Entry("file", mtime=modules[path].mtime, content=content)
            for path, content in contents.items()
            if content
        }

    def convert(self, files: Tree, script: str, name: Callable[[str, Entry], str], store: str) -> dict[str, bytes]:
        """What `script` makes of each of `files`, path -> content; empty where it makes nothing.

        The script reads a JSON list of [source, path in the image, result, time of the source]. What it makes of a
        file is kept below the cache's `store` by the script and the file's `name`, so the name says all else that
        decides on it. Raises AssembleError when the interpreter does not run here.
        """
        names = {path: name(path, entry) for path, entry in files.items() if entry.kind == "file"}
        folder = self.cache / store / native.hashed((script, *_OPTIONS, *map("=".join, _ENVIRONMENT.items())))
        folder.mkdir(parents=True, exist_ok=True)
        with native.locked(self.cache / "lock"):  # what another process makes for another architecture is shared
            # files of one name are alike: one of them is enough, and its result can be moved but once
            missing = {file: path for path, file in names.items() if not (folder / file).exists()}
            if missing:
                self._convert([(files[path], path, file) for file, path in missing.items()], script, folder)
        return {path: (folder / file).read_bytes() for path, file in names.items()}

    def refreeze(self, program: bytes, module: str, source: str) -> bytes:
        """The interpreter `program`, of any architecture, with `module` frozen into it anew from `source`.

        CPython carries the modules it starts with inside itself and never looks at their files. What is frozen
        is the same for every architecture, so this machine's interpreter can tell what to look for. Raises
        AssembleError when `program` does not hold it once, or has no room for the new one.
        """
        with native.locked(self.cache / "lock"):
            answer = json.loads(self._run(self._root(), _FREEZE, [module, source]))
        old, new = map(bytes.fromhex, answer)
        if program.count(old) != 1 or len(new) > len(old):
            raise AssembleError(
                f"python{self._version} holds its frozen {module!r} {program.count(old)} times, of {len(old)} bytes;"
                f" the new one has {len(new)}",
                "bring assemble/python.py up to date with this build of CPython",
            )
        return program.replace(old, new.ljust(len(old), b"\0"))  # the reader stops at the end of the object

    @cached_property
    def identity(self) -> str:
        """What decides on the bytes that it makes, the libraries that it stands on included."""
        return native.hashed((*self._origin, *(package.sha256 for package in self.packages)))

    @cached_property
    def _compiler(self) -> str:
        """What decides on the bytes of a .pyc: CPython itself, without the libraries that it stands on."""
        return native.hashed(self._origin or [package.sha256 for package in self.packages if "python" in package.name])

    @cached_property
    def _origin(self) -> tuple[str, ...]:
        """The name of what was built from source: it holds the hash of all that it was made of."""
        return (self.built.name,) if self.built else ()

    @cached_property
    def _version(self) -> str:
        for program in sorted(self.built.glob("bin/python[0-9].*[0-9]")) if self.built else ():
            return program.name.removeprefix("python")
        for package in self.packages:
            if match := re.fullmatch(r"python([23]\.\d+)-minimal", package.name):
                return match[1]
        raise AssembleError("the locked packages hold no pythonX.Y-minimal", "name it in the layer's packages")

    def _place(self, path: str) -> str:
        """Where the compiled module of the source at `path` belongs."""
        if self._version.startswith("2."):
            return f"{path}c"
        folder, _, file = path.rpartition("/")
        return f"{folder}/__pycache__/{file.removesuffix('.py')}.cpython-{self._version.replace('.', '')}.pyc"

    def _name(self, path: str, entry: Entry) -> str:
        time = f"{entry.mtime}\0" if self._version.startswith("2.") else ""
        digest = hashlib.sha256(f"{self._compiler}\0{path}\0{time}".encode())
        digest.update(entry.read())
        return digest.hexdigest()

    def _convert(self, jobs: list[tuple[Entry, str, str]], script: str, store: Path) -> None:
        """Write what the script makes of each file into `store`; an empty file where it makes nothing."""
        root = self._root()
        with tempfile.TemporaryDirectory(dir=self.cache) as folder:
            rows = []
            for entry, path, name in jobs:
                source = Path(folder, f"{name}.py")
                source.write_bytes(entry.read())
                rows.append([str(source), f"/{path}", str(Path(folder, name)), entry.mtime])
            workers = min(os.cpu_count() or 1, 1 + len(rows) // 200)  # starting one costs as much as 10 modules
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(lambda n: self._run(root, script, rows[n::workers]), range(workers)))
            for _, _, name in jobs:
                result = Path(folder, name)
                result.touch()
                result.replace(store / name)

    def _run(self, root: Path, script: str, question: object) -> bytes:
        home = self.built or root / "usr"
        command = [*native.command(root, home / "bin" / f"python{self._version}"), *_OPTIONS]
        try:
            done = subprocess.run(
                [*command, "-c", script],
                input=json.dumps(question).encode(),
                env={"PYTHONHOME": str(home), **_ENVIRONMENT},
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise AssembleError(f"{command[0]} does not start: {error}", native.REMEDY) from None
        if done.returncode:
            problem = done.stderr.decode(errors="replace").strip()[-2000:]
            raise AssembleError(f"the interpreter in {root} fails:\n{problem}", native.REMEDY)
        return done.stdout

    def _root(self) -> Path:
        """The interpreter, unpacked as far as it is needed; made once."""
        return native.unpacked(self.packages, self.path_of, self.cache, _NEEDED)
