"""Who runs an image: Docker where its daemon answers, else podman; both through their command lines.

Images are named `imagemill/lambda:<tag>`. Nothing here ever asks a registry (`--pull never`).
"""

from __future__ import annotations

import json
import platform as _host
import resource
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from imagemill import oci
from imagemill.engine import emulation
from imagemill.engine.commandline import CommandLine
from imagemill.engine.runner import Completed, Container, ContainerTimeout, Mount, Options, Runner
from imagemill.errors import EngineError
from imagemill.platforms import Platform
from imagemill.platforms import find as find_platform

__all__ = [
    "Completed",
    "Container",
    "ContainerTimeout",
    "Docker",
    "Mount",
    "Options",
    "Podman",
    "Runner",
    "find",
    "identities",
]

_REMEDY = "install podman, or start Docker (tests/engines.sh in the sources does it)"
_CAP_SYS_RESOURCE = 24  # linux/capability.h


def identities(layout: Path) -> frozenset[str]:
    """The digests by which a store may know the image of a layout.

    Docker's classic store and podman go by the configuration, a containerd store by the manifest.
    """
    found = oci.Layout(layout)
    [image] = found.images()
    return frozenset({image.digest, found.read_json(image.digest)["config"]["digest"]})


def find(environ: Mapping[str, str]) -> Runner | None:
    """Docker when its daemon answers, else podman, else None.

    `IMAGEMILL_RUNNER` in `environ` says which one it must be; EngineError when that one is not there.
    """
    forced = environ.get("IMAGEMILL_RUNNER", "")
    if forced not in ("", "docker", "podman"):
        raise EngineError(f"IMAGEMILL_RUNNER is {forced!r}", "set it to docker or podman, or unset it")
    if forced != "podman":
        docker = _find_docker(environ)
        if docker is not None:
            return docker
    if forced != "docker":
        podman = shutil.which("podman", path=environ.get("PATH"))
        if podman is not None:
            return Podman(podman, environ)
    if forced:
        raise EngineError(f"IMAGEMILL_RUNNER asks for {forced}, which does not answer here", _REMEDY)
    return None


def _find_docker(environ: Mapping[str, str]) -> Docker | None:
    path = shutil.which("docker", path=environ.get("PATH"))
    if path is None:
        return None
    asked = subprocess.run(
        [path, "version", "--format", "{{json .Server}}"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    server = json.loads(asked.stdout or "null") if asked.returncode == 0 else None
    # Packages of podman bring a `docker` that is podman; it has no kernel version to tell.
    if not server or "KernelVersion" not in server:
        return None
    return Docker(path, environ, server["Arch"], server["KernelVersion"])


@dataclass(frozen=True)
class Docker(CommandLine):
    """Docker; `arch` and `kernel` are what its daemon says it runs on."""

    arch: str = ""
    kernel: str = ""

    @property
    def name(self) -> str:
        return "docker"

    def obstacle(self, platform: Platform) -> str:
        if find_platform(self.arch) == platform:
            return ""
        # A daemon in a virtual machine or far away: Docker Desktop emulates, of others nothing is known here.
        if self.kernel != _host.release():
            return ""
        return emulation.obstacle(platform)


@dataclass(frozen=True)
class Podman(CommandLine):
    """podman; `status` is where the kernel says what this process may do."""

    status: Path = Path("/proc/self/status")

    @property
    def name(self) -> str:
        return "podman"

    @property
    def _shows_as(self) -> str:
        return "localhost/"

    @property
    def _reads_index(self) -> bool:
        # podman reads an index of one image, and gives it docker.io/ for a home instead of localhost/
        return False

    @property
    def _read_only_options(self) -> Sequence[str]:
        return ("--read-only", "--read-only-tmpfs=false")  # as docker: no writable /tmp unless asked for

    def load(self, images: Mapping[Path, Sequence[str]]) -> None:
        # podman goes through every byte of every image of an archive; of a layout it takes the layers that it lacks
        rest = dict(images)
        for layout, names in images.items():
            if not self._pull(layout, names):
                break  # podman in a virtual machine, or media types that it reads in archives alone
            del rest[layout]
        super().load(rest)

    def _pull(self, layout: Path, names: Sequence[str]) -> bool:
        """Have the image of a layout under these names; False when podman does not take it so.

        Up to podman 4 the path becomes a name of the image. So it is one that nobody else has, is of letters that may
        be in one whatever those of `layout` are, and goes afterwards.
        """
        import tempfile  # takes a while, and who runs what is there goes without

        passing = f"imagemill-{uuid.uuid4().hex}"
        by_path = f"localhost/{passing}:latest"
        with tempfile.TemporaryDirectory() as folder:
            inside = Path(folder, passing)
            inside.mkdir()
            for part in ("oci-layout", "index.json", "blobs"):
                (inside / part).symlink_to(layout.absolute() / part)
            try:
                pulled = self.call(["pull", "--quiet", f"oci:{passing}"], check=False, cwd=Path(folder))
                if pulled.returncode != 0:
                    return False
                self.call(["tag", pulled.stdout.decode().split()[-1], *names])
            finally:
                self.call(["untag", by_path, by_path], check=False)
        return True

    def remove(self, name: str) -> None:
        # docker's `rm` kills at once; podman's waits 10 s first for what ignores SIGTERM
        self.call(["kill", name], check=False)
        super().remove(name)

    @cached_property
    def _limits(self) -> Sequence[str]:
        """The limits of this process where root lacks CAP_SYS_RESOURCE: podman's own are higher, and nobody here may
        raise one.
        """
        if not self.status.exists() or _capable(self.status.read_text(), _CAP_SYS_RESOURCE):
            return ()
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        processes = min(resource.getrlimit(resource.RLIMIT_NPROC)[1], 32768)  # above 48000 it was refused
        return ("--ulimit", f"nofile={files}:{files}", "--ulimit", f"nproc={processes}:{processes}")

    @property
    def _run_options(self) -> Sequence[str]:
        return self._limits


def _capable(status: str, capability: int) -> bool:
    """Whether /proc/self/status shows an effective capability; users other than root need none here."""
    fields = dict(line.partition(":\t")[::2] for line in status.splitlines())
    if fields.get("Uid", "").split()[:1] != ["0"]:
        return True
    return bool(int(fields["CapEff"], 16) >> capability & 1)
