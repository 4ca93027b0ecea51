"""The Java functions of the tests and the example, compiled with the JDK of the lock: no engine, once a session."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from imagemill import lock as locks
from imagemill.assemble.java import NativeJava, compiler
from imagemill.cache import Cache
from imagemill.fetch import Fetcher
from imagemill.mirrors import Mirrors
from imagemill.platforms import native

BASE, JDK = "debian-trixie", "java21"


def compile_all(root: Path, state: Path) -> None:
    """Compile what the Java runtimes are tried with into the folders `out` beside the sources."""
    jdk = _jdk(root, state)
    functions, example = root / "tests" / "images" / "functions" / "java", root / "examples" / "java"
    core = jdk.jar(_sources(root / "build" / "bootstraps" / "java" / "core"), [])
    cases = jdk.jar(_sources(functions, "cases", "broken", "shapes"), [core])
    _put(functions / "out" / "task" / "lib" / "cases.jar", cases)
    _put(functions / "out" / "opt" / "java" / "lib" / "library.jar", jdk.jar(_sources(functions, "layer"), []))
    _put(example / "out" / "lib" / "example.jar", jdk.jar(_sources(example, "example"), [core]))


def _jdk(root: Path, state: Path) -> NativeJava:
    lock = locks.read(locks.path_of(root, BASE))
    packages = compiler(
        [one for name in (BASE, JDK, f"{JDK}/build") for one in lock.inputs(name, native().arch).debian]
    )
    cache = Cache(state / "cache")
    Fetcher(cache, Mirrors(dict(os.environ)), lambda _: None).fetch(packages, lock.date)
    return NativeJava(packages, cache.item, state / "java")


def _sources(root: Path, *packages: str) -> Mapping[str, bytes]:
    """The sources below `root`, or those of some packages there."""
    files = [file for package in packages or [""] for file in (root / package).rglob("*.java")]
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in files}


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
