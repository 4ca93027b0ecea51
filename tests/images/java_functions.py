"""The Java functions of the tests and the example, compiled with the JDK of the lock: no engine, once a session."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from imagemill import lock as locks
from imagemill.assemble.java import NativeJava, compiler
from imagemill.cache import Cache
from imagemill.fetch import Fetcher
from imagemill.mirrors import Mirrors
from imagemill.platforms import native

BASE, JDK = "debian-trixie", "java21"
FUNCTIONS = Path("tests", "images", "functions", "java")


def compile_all(root: Path, state: Path) -> None:
    """Compile what the Java runtimes are tried with into the folders `out` beside the sources."""
    jdk = _jdk(root, state)
    core = jdk.jar(_sources(root / "build" / "bootstraps" / "java" / "core"), [])
    functions = root / FUNCTIONS
    task = {**_sources(functions / "cases", "cases"), **_sources(functions / "broken", "broken"),
            **_sources(functions / "shapes", "shapes")}  # fmt: skip
    _put(functions / "out" / "task" / "lib" / "cases.jar", jdk.jar(task, [core]))
    _put(
        functions / "out" / "opt" / "java" / "lib" / "library.jar", jdk.jar(_sources(functions / "layer", "layer"), [])
    )
    example = jdk.jar(_sources(root / "examples" / "java" / "example", "example"), [core])
    out = root / "examples" / "java" / "out"
    shutil.rmtree(out, ignore_errors=True)
    with zipfile.ZipFile(io.BytesIO(example)) as jar:
        jar.extractall(out, [name for name in jar.namelist() if name.endswith(".class")])


def _jdk(root: Path, state: Path) -> NativeJava:
    lock = locks.read(locks.path_of(root, BASE))
    arch = native().arch
    packages = compiler([one for name in (BASE, JDK, f"{JDK}/build") for one in lock.inputs(name, arch).debian])
    cache = Cache(state / "cache")
    Fetcher(cache, Mirrors(dict(os.environ)), lambda _: None).fetch(packages, lock.date)
    return NativeJava(packages, cache.item, state / "java")


def _sources(folder: Path, prefix: str = "") -> Mapping[str, bytes]:
    files = sorted(folder.rglob("*.java"))
    return {str(Path(prefix, path.relative_to(folder))): path.read_bytes() for path in files}


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
