"""Compiling C# programs of ours with the .NET SDK of a locked npm package, which is not installed.

What comes out is the same on every machine (the compiler's own `deterministic`), and is kept by the hash of what it
came from. The SDK of the registry is for amd64 alone, and so are the runtimes that need it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagemill.assemble import native, npm
from imagemill.errors import AssembleError
from imagemill.filetree import Tree
from imagemill.lock import DebianPackage, Inputs, NpmPackage
from imagemill.manifest import Layer, NpmSet

LANGUAGE = "7.3"
"""The newest C# that the oldest .NET here takes."""

_FRAMEWORK = re.compile(r"var/lang/bin/shared/Microsoft\.NETCore\.App/[^/]+/[^/]+\.dll")
_COMPILER = re.compile(r"dotnet|host/.*|shared/Microsoft\.NETCore\.App/.*|sdk/[^/]+/Roslyn/bincore/.*")
# the compiler stands on these packages of the base
_LIBRARIES = re.compile(r"libc6|libgcc-s1|libssl[\d.]+|libstdc\+\+6|zlib1g")


def libraries(packages: Sequence[DebianPackage]) -> tuple[DebianPackage, ...]:
    """Those of a base's packages that the compiler needs."""
    return tuple(sorted({package for package in packages if _LIBRARIES.fullmatch(package.name)}))


def sources(folder: Path) -> dict[str, bytes]:
    """The sources of a program by their names."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.cs"))}


def sdk(spec: Layer, inputs: Inputs) -> NpmPackage:
    """The package that compiles a layer's C# programs. Raises AssembleError where the manifest names none."""
    for group, packages in zip(spec.npm, inputs.npm, strict=True):
        if group.layout == "tool":
            return packages[0]
    raise AssembleError("no npm set has the layout 'tool'", "name the SDK's package in the manifest")


def framework(tree: Tree) -> dict[str, bytes]:
    """The assemblies of .NET itself in a layer, by file name. Raises AssembleError where there are none."""
    found = {path.rpartition("/")[2]: entry.read() for path, entry in tree.items() if _FRAMEWORK.fullmatch(path)}
    if not found:
        raise AssembleError("the layer has no .NET to compile against", "have .NET in /var/lang/bin of the same layer")
    return found


@dataclass(frozen=True)
class NativeCsharp:
    """The C# compiler of an SDK of this machine's architecture; `cache` keeps it and what it compiled."""

    sdk: NpmPackage
    packages: Sequence[DebianPackage]
    path_of: Callable[[NpmPackage | DebianPackage], Path]
    cache: Path

    def assembly(self, name: str, sources: Mapping[str, bytes], against: Mapping[str, bytes]) -> bytes:
        """The assembly `name` of these sources (path -> text), compiled against other assemblies (file name -> bytes).

        Raises AssembleError with what the compiler says, or when it does not run here.
        """
        kept = self.cache / f"{self._key(name, sources, against)}.dll"
        self.cache.mkdir(parents=True, exist_ok=True)
        with native.locked(self.cache / "lock"):
            if not kept.exists():
                with tempfile.TemporaryDirectory(dir=self.cache) as folder:
                    self._compile(name, sources, against, Path(folder).absolute()).replace(kept)
        return kept.read_bytes()

    def _key(self, name: str, sources: Mapping[str, bytes], against: Mapping[str, bytes]) -> str:
        digest = hashlib.sha256(Path(__file__).read_bytes())  # how it is compiled
        digest.update(f"{self.sdk.integrity} {name}".encode())
        for path, content in [*sorted(sources.items()), *sorted(against.items())]:
            digest.update(f"{path} {hashlib.sha256(content).hexdigest()}\n".encode())
        return digest.hexdigest()

    def _compile(self, name: str, sources: Mapping[str, bytes], against: Mapping[str, bytes], folder: Path) -> Path:
        result = folder / "out" / f"{name}.dll"
        for path, content in [
            (result, b""),
            *((folder / "src" / path, content) for path, content in sources.items()),
            *((folder / "ref" / path, content) for path, content in against.items()),
        ]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        kind = "exe" if any(b" Main(" in content for content in sources.values()) else "library"
        words = [
            *(
                "-nologo",
                "-nostdlib",
                f"-target:{kind}",
                "-deterministic",
                "-optimize",
                "-debug:embedded",
                "-warnaserror",
            ),
            *(f"-langversion:{LANGUAGE}", f"-pathmap:{folder / 'src'}=/src", f"-out:{result}"),
            *(f"-reference:{folder / 'ref' / path}" for path in sorted(against)),
            *(str(folder / "src" / path) for path in sorted(sources)),
        ]
        answers = folder / "words.rsp"
        answers.write_text("\n".join(f'"{word}"' for word in words), encoding="utf-8")
        self._run(answers)
        return result

    def host(self) -> list[str]:
        """The command that runs a program of .NET here, before `exec` and the program."""
        top = self._unpacked().absolute()
        root = native.unpacked(self.packages, self.path_of, self.cache, re.compile(native.LIBRARIES)).absolute()
        loader, *words = native.command(root, top / "muxer")
        # the program asks its own name and place: they are the loader's, which therefore is in its place
        shutil.copy(loader, top / "dotnet")
        return [str(top / "dotnet"), *words]

    def _run(self, answers: Path) -> None:
        host = self.host()
        compiler = next(Path(host[0]).parent.glob("sdk/*/Roslyn/bincore/csc.dll"))
        command = [*host, "exec", str(compiler), "-noconfig", f"@{answers}"]
        environment = {
            "PATH": os.defpath,
            "LC_ALL": "C.UTF-8",
            "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
            "DOTNET_CLI_TELEMETRY_OPTOUT": "1",
        }
        try:
            done = subprocess.run(command, env=environment, capture_output=True, check=False)
        except OSError as error:
            raise AssembleError(f"{command[0]} does not start: {error}", native.REMEDY) from None
        if done.returncode:
            problem = (done.stdout + done.stderr).decode(errors="replace").strip()[-4000:]
            raise AssembleError(f"a C# program of ours does not compile:\n{problem}")

    def _unpacked(self) -> Path:
        """The compiler, unpacked as far as it is needed; made once."""
        top = self.cache / f"sdk-{hashlib.sha256(self.sdk.integrity.encode()).hexdigest()[:16]}"
        if top.exists():
            return top
        with tempfile.TemporaryDirectory(dir=self.cache) as folder:
            spec = NpmSet("/sdk", (self.sdk.name,), layout="unpack")
            tree = npm.unpack(self.path_of(self.sdk), self.sdk, spec, Path(folder, "spool"))
            staging = Path(folder, "sdk")
            for path, entry in tree.items():
                inside = path.removeprefix("sdk/")
                if _COMPILER.fullmatch(inside):
                    place = staging / ("muxer" if inside == "dotnet" else inside)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(entry.read())
                    place.chmod(0o755)
            if not (staging / "muxer").exists() or not list(staging.glob("sdk/*/Roslyn/bincore/csc.dll")):
                raise AssembleError(f"{self.sdk.name} {self.sdk.version} holds no C# compiler", "name another SDK")
            staging.rename(top)
        return top
