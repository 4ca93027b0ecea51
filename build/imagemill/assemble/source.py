"""Languages compiled from upstream's tarballs, natively or across, in a root made of locked packages.

The packages are unpacked, nothing of them is installed, and the build runs there in namespaces of its own: as root of
that place alone, without a network, with nothing of this machine to see but its kernel. What a build makes is kept by
the hash of all that went in.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from imagemill.assemble import deb, native, recipes
from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Slice, Tree
from imagemill.lock import DebianPackage, Inputs, Item
from imagemill.manifest import Layer, Source
from imagemill.platforms import Platform
from imagemill.platforms import native as native_platform

PREFIX = "var/lang"

# what maintainer scripts would link; the second are Debian's alternatives, and bullseye's `which` is none yet
_LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
_ALTERNATIVES = {"usr/bin/awk": "mawk", "usr/bin/which": "which.debianutils"}
_SKIPPED = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "etc")

# in namespaces of its own: the root's devices and processes, then nothing else
_ENTER = """
mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" /bin/sh -eu /build/recipe
"""


@dataclass(frozen=True)
class Builder:
    """Builds of one upstream source; `packages` are the compilers and libraries for each architecture.

    `packages` of this machine's architecture are unpacked whole; of another only what is linked against.
    """

    source: Source
    tarball: Path
    packages: Mapping[str, Sequence[DebianPackage]]
    path_of: Callable[[DebianPackage], Path]
    cache: Path

    @classmethod
    def of(
        cls,
        spec: Layer,
        inputs: Inputs,
        packages: Sequence[DebianPackage],
        path_of: Callable[[Item], Path],
        state: Path,
    ) -> Builder:
        """The builder of a layer's source; `packages` are of whatever architecture, `state` keeps what is built."""
        if spec.source is None:
            raise AssembleError("the layer names no source", "give 'source'")
        tarball = next((one for one in inputs.downloads if one.name == spec.source.download), None)
        if tarball is None:
            raise AssembleError(f"no download is called {spec.source.download!r}", "correct 'source.download'")
        here = native_platform().arch
        sets: dict[str, list[DebianPackage]] = {here: []}
        for package in packages:
            sets.setdefault(here if package.architecture == "all" else package.architecture, []).append(package)
        return cls(spec.source, path_of(tarball), sets, path_of, state / "source")

    def tree(self, platform: Platform) -> Tree:
        """What the source installs below /var/lang on a platform; built when it was not yet.

        Raises AssembleError with the end of the log where the build fails, or cannot be begun.
        """
        return _read(self.installed(platform))

    def installed(self, platform: Platform) -> Path:
        """The directory that is /var/lang on a platform, as `tree` has it. Nothing may be written there."""
        kept = self.cache / self._key(platform)
        if not kept.exists():
            self.cache.mkdir(parents=True, exist_ok=True)
            with native.locked(self.cache / "lock"):  # two builds at once would take twice as long, and twice the room
                self._built(platform)
        return kept

    def _built(self, platform: Platform) -> Path:
        kept = self.cache / self._key(platform)
        if not kept.exists():
            here = native_platform()
            interpreter = self._built(here) if platform != here else None
            with tempfile.TemporaryDirectory(dir=self.cache, ignore_cleanup_errors=True) as folder:
                root = Path(folder).absolute() / "root"
                self._prepare(root, platform, interpreter)
                self._run(root, kept.with_suffix(".log"))
                _stamp(root / "build/out" / PREFIX, self._epoch())
                (root / "build/out" / PREFIX).rename(kept)
        return kept

    def _key(self, platform: Platform) -> str:
        digest = hashlib.sha256(self._recipe(platform).encode())
        with self.tarball.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
        for arch in sorted({platform.arch, native_platform().arch}):
            digest.update(native.hashed(package.sha256 for package in self.packages[arch]).encode())
        return f"{self.source.recipe}-{platform.arch}-{digest.hexdigest()[:24]}"

    def _recipe(self, platform: Platform) -> str:
        return recipes.script(self.source, platform, native_platform(), self._epoch())

    def _epoch(self) -> int:
        """When upstream made the tarball."""
        with tarfile.open(self.tarball) as tar:
            first = tar.next()
            return int(first.mtime) if first else 0

    def _prepare(self, root: Path, platform: Platform, interpreter: Path | None) -> None:
        here = native_platform()
        for folder in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "proc", "dev", "tmp", "etc", "build/out"):
            (root / folder).mkdir(parents=True)
        for path, target in _LINKS.items():
            (root / path).symlink_to(target)
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n", encoding="utf-8")
        for arch in dict.fromkeys((here.arch, platform.arch)):
            self._unpack(self.packages[arch], root, whole=arch == here.arch)
        for path, target in _ALTERNATIVES.items():
            if not os.path.lexists(root / path):
                (root / path).symlink_to(target)
        with tarfile.open(self.tarball) as tar:
            tar.extractall(root / "build", filter="data")
        tops = [path for path in (root / "build").iterdir() if path.name != "out"]
        if len(tops) != 1 or not (tops[0] / "configure").exists():
            raise AssembleError(f"{self.tarball.name} holds no source with a configure script", "name another tarball")
        tops[0].rename(root / "build/src")
        if interpreter is not None:
            shutil.copytree(interpreter, root / PREFIX, symlinks=True)
        (root / "build/recipe").write_text(self._recipe(platform), encoding="utf-8")

    def _unpack(self, packages: Sequence[DebianPackage], root: Path, *, whole: bool) -> None:
        with tempfile.TemporaryDirectory(dir=self.cache) as spool:
            opened = deb.unpack_all([self.path_of(package) for package in packages], Path(spool))
            for path, entry in (pair for package in opened for pair in sorted(package.tree.items())):
                place = root / path
                foreign = not whole and not path.startswith(("usr/lib/", "usr/include/"))
                if foreign or path in _LINKS or path.startswith(_SKIPPED) or os.path.lexists(place):
                    continue
                if entry.kind in ("file", "hardlink"):
                    place.parent.mkdir(parents=True, exist_ok=True)
                    one = entry if entry.kind == "file" else _holder(opened, entry)
                    place.write_bytes(one.read())
                    place.chmod(0o755 if one.mode & 0o111 else 0o644)
                elif entry.kind == "symlink":
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.symlink_to(entry.target)

    def _run(self, root: Path, log: Path) -> None:
        command = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--ipc", "--net", "--uts"]
        environment = {
            "PATH": f"/{PREFIX}/bin:/usr/bin:/usr/sbin",
            "HOME": "/tmp",  # noqa: S108 - of the root
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "SOURCE_DATE_EPOCH": str(self._epoch()),
            "PYTHONHASHSEED": "0",
            "MAKEFLAGS": f"-j{os.cpu_count() or 1}",
        }
        given = [f"{name}={value}" for name, value in environment.items()]
        # by its whole PATH here, by the root's in there
        enter = [
            "env",
            "-i",
            "PATH=" + os.defpath + ":/usr/sbin:/sbin",
            "sh",
            "-c",
            _ENTER.replace("exec chroot", "exec env -i " + " ".join(given) + " $(command -v chroot)"),
            str(root),
        ]
        try:
            with log.open("wb") as file:
                done = subprocess.run(
                    [*command, *enter], stdout=file, stderr=file, stdin=subprocess.DEVNULL, check=False
                )
        except OSError as error:
            raise AssembleError(f"unshare does not start: {error}", "install util-linux") from None
        if done.returncode:
            said = log.read_bytes()[-3000:].decode(errors="replace").strip()
            remedy = f"the whole log is {log}"
            if "unshare" in said:
                remedy = "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1), or build as root"
            raise AssembleError(f"the {self.source.recipe} source does not build:\n{said}", remedy)


def _holder(packages: Iterable[deb.Package], entry: Entry) -> Entry:
    return next(package.tree[entry.target] for package in packages if entry.target in package.tree)


def _stamp(top: Path, epoch: int) -> None:
    """Give everything one time: an installation has that of its minute."""
    for path in (top, *top.rglob("*")):
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def _read(top: Path) -> Tree:
    tree: Tree = {}
    for path in sorted(top.rglob("*")):
        found = path.lstat()
        place = f"{PREFIX}/{path.relative_to(top).as_posix()}"
        made = Entry("file", mtime=int(found.st_mtime))
        if stat.S_ISLNK(found.st_mode):
            tree[place] = replace(made, kind="symlink", mode=0o777, target=str(path.readlink()))
        elif stat.S_ISDIR(found.st_mode):
            tree[place] = replace(made, kind="dir", mode=0o755)
        else:
            mode = 0o755 if found.st_mode & 0o111 else 0o644
            tree[place] = replace(made, mode=mode, content=Slice(path, 0, found.st_size))
    return tree
