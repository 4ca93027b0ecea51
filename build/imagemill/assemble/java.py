"""Compiling Java programs of ours with the JDK of the locked packages, which is not installed.

Class files do not depend on the architecture: a jar is made once, by the compiler of this machine's architecture,
and kept by the hash of what it came from.
"""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
import re
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagemill.assemble import native
from imagemill.errors import AssembleError
from imagemill.filetree import Tree
from imagemill.lock import DebianPackage

RELEASE = "8"
"""The oldest Java that a jar runs on."""

_NEEDED = re.compile(rf"usr/lib/jvm/(?!.*/(?:jmods|legal|man)/).*|etc/java-\d+-openjdk/.*|{native.LIBRARIES}")
_PACKAGES = re.compile(r"openjdk-\d+-(jdk|jre)-headless|libc6|libgcc-s1|libstdc\+\+6|zlib1g")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip file can hold


def compiler(packages: Sequence[DebianPackage]) -> tuple[DebianPackage, ...]:
    """Those of the packages that the compiler is made of, and needs."""
    return tuple(sorted({package for package in packages if _PACKAGES.fullmatch(package.name)}))


@dataclass(frozen=True)
class NativeJava:
    """A JDK of this machine's architecture, from locked packages; `cache` keeps it and what it compiled."""

    packages: Sequence[DebianPackage]
    path_of: Callable[[DebianPackage], Path]
    cache: Path

    def jar(self, sources: Mapping[str, bytes], against: Sequence[bytes]) -> bytes:
        """The jar of these sources (path -> text), compiled against the classes of other jars.

        Raises AssembleError with what the compiler says, or when it does not run here.
        """
        kept = self.cache / f"{self._name(sources, against)}.jar"
        self.cache.mkdir(parents=True, exist_ok=True)
        with native.locked(self.cache / "lock"):  # what another process compiles for another architecture is shared
            if not kept.exists():
                with tempfile.TemporaryDirectory(dir=self.cache) as folder:
                    staging = Path(folder, "jar")
                    staging.write_bytes(_zipped(self._compiled(sources, against, Path(folder).absolute())))
                    staging.replace(kept)
        return kept.read_bytes()

    def _name(self, sources: Mapping[str, bytes], against: Sequence[bytes]) -> str:
        digest = hashlib.sha256(Path(__file__).read_bytes())  # how it is compiled
        digest.update(native.hashed(package.sha256 for package in self.packages).encode())
        for content in [*(part for pair in sorted(sources.items()) for part in (pair[0].encode(), pair[1])), *against]:
            digest.update(hashlib.sha256(content).digest())
        return digest.hexdigest()

    def _compiled(self, sources: Mapping[str, bytes], against: Sequence[bytes], folder: Path) -> dict[str, bytes]:
        names = []
        for path, text in sources.items():
            place = folder / "sources" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text)
            if path.endswith(".java"):
                names.append(str(place))
        jars = [folder / f"{number}.jar" for number in range(len(against))]
        for jar, content in zip(jars, against, strict=True):
            jar.write_bytes(content)
        classes = folder / "classes"
        classes.mkdir()
        self._run(
            ["--release", RELEASE, "-Xlint:all,-options,-path", "-Werror", "-encoding", "UTF-8", "-proc:none", "-g",
             "-cp", ":".join(map(str, jars)) or str(classes), "-d", str(classes), *sorted(names)]
        )  # fmt: skip
        files = [path for path in classes.rglob("*") if path.is_file()]
        return {path.relative_to(classes).as_posix(): path.read_bytes() for path in files}

    def _run(self, arguments: Sequence[str]) -> None:
        root = native.unpacked(self.packages, self.path_of, self.cache, _NEEDED).absolute()
        homes = [path for path in sorted((root / "usr" / "lib" / "jvm").glob("*")) if not path.is_symlink()]
        home = next((path for path in homes if (path / "bin" / "javac").exists()), None)
        if home is None:
            raise AssembleError("the locked packages hold no javac", "have the compiler's build packages name a JDK")
        command = native.command(root, home / "bin" / "javac", home / "lib")
        try:
            done = subprocess.run(
                [*command, "-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC", *arguments],
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"}, capture_output=True, check=False,
            )  # fmt: skip
        except OSError as error:
            raise AssembleError(f"{command[0]} does not start: {error}", native.REMEDY) from None
        if done.returncode:
            problem = (done.stderr + done.stdout).decode(errors="replace").strip()[-4000:]
            raise AssembleError(f"a Java program of ours does not compile:\n{problem}")


def content(tree: Tree, path: str) -> bytes:
    """A file of a layer by its absolute path, or what the link there leads to. Raises AssembleError where none is."""
    place = path.lstrip("/")
    for _ in range(8):  # so that links in a circle end
        entry = tree.get(place)
        if entry is None or entry.kind != "symlink":
            break
        place = posixpath.normpath(posixpath.join("/", posixpath.dirname(place), entry.target)).lstrip("/")
    if entry is None or entry.kind != "file":
        raise AssembleError(f"{path} is not a file of the layer", "correct 'against' of the manifest's jars")
    return entry.read()


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """A jar, without times and not compressed: layers are, and the JVM reads it sooner."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as jar:
        for path, text in [("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n\r\n"), *sorted(files.items())]:
            info = zipfile.ZipInfo(path, _EPOCH)
            info.external_attr = 0o644 << 16
            jar.writestr(info, text)
    return out.getvalue()
