"""The C# functions of the tests and the example, compiled with the SDK of the lock: no engine, once a session."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from imagemill import lock as locks
from imagemill.assemble import csharp, wheel
from imagemill.cache import Cache
from imagemill.fetch import Fetcher
from imagemill.load import load
from imagemill.mirrors import Mirrors
from imagemill.platforms import find

RUNTIME = "dotnetcore2.1"
"""The oldest .NET here: what is compiled against it runs on the later ones too."""

FUNCTIONS = Path("tests", "images", "functions", "dotnet")


def toolbox(root: Path, state: Path) -> tuple[csharp.NativeCsharp, dict[str, bytes]]:
    """The compiler, and the assemblies of .NET to compile against."""
    spec = load(root).runtimes[RUNTIME].bases["debian"].language
    lock = locks.read(locks.path_of(root, "debian-bullseye"))
    arch = find("linux/amd64").arch
    inputs = lock.inputs(RUNTIME, arch)
    libraries = csharp.libraries(lock.inputs("debian-bullseye", arch).debian)
    cache = Cache(state / "cache")
    Fetcher(cache, Mirrors(dict(os.environ)), lambda _: None).fetch([*inputs.items, *libraries], lock.date)
    compiler = csharp.NativeCsharp(csharp.sdk(spec, inputs), libraries, cache.item, state / "dotnet")
    wheels = wheel.unpack_set([(cache.item(one), one.file) for one in inputs.pypi[0]], spec.pypi[0])
    below = f"{spec.pypi[0].into.strip('/')}/dotnetcore2/bin"
    return compiler, csharp.framework({path.replace(below, "var/lang/bin"): one for path, one in wheels.items()})


def compile_all(root: Path, state: Path) -> None:
    """Compile what the .NET runtimes are tried with into the folders `out` beside the sources."""
    compiler, net = toolbox(root, state)
    folder = root / FUNCTIONS
    core = compiler.assembly("Amazon.Lambda.Core", csharp.sources(folder / "core"), net)
    layered = compiler.assembly("layered", csharp.sources(folder / "layer"), net)
    known = {**net, "Amazon.Lambda.Core.dll": core, "layered.dll": layered}
    task = folder / "out" / "task"
    _put(task / "Amazon.Lambda.Core.dll", core)
    _put(folder / "out" / "opt" / "lib" / "layered.dll", layered)
    for name in ("cases", "broken"):
        _put(task / f"{name}.dll", compiler.assembly(name, csharp.sources(folder / name), known))
    example = root / "examples" / "dotnet"
    _put(example / "out" / "example.dll", compiler.assembly("example", csharp.sources(example), net))


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)
