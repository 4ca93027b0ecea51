"""Images in containers, for checks that want to see them at work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from imagemill.conform.view import Completed
from imagemill.dist import Artifact, Dist
from imagemill.engine import containers
from imagemill.errors import EngineError
from imagemill.loading import load, local_name
from imagemill.oci import Layout
from imagemill.platforms import Platform
from imagemill.progress import Silent

_NOBODY = "54321:54321"  # a user and a group that no image knows
_TEMPORARY = "/tmp"  # noqa: S108 - the container's
_LOADING = Lock()


@dataclass(frozen=True)
class Contained:
    """Runs commands in the image that an engine has under a name; see conform.Runner."""

    runner: containers.Runner
    name: str
    platform: Platform

    def __call__(
        self,
        argv: Sequence[str],
        *,
        entrypoint: Sequence[str] | None,
        env: Mapping[str, str],
        task_dir: Path | None,
        timeout: float,
        hardened: bool,
    ) -> Completed:
        replaced, before = (entrypoint[0], list(entrypoint[1:])) if entrypoint else ("", [])
        options: containers.Options = {
            "args": [*before, *argv],
            "entrypoint": replaced,
            "env": env,
            "mounts": [containers.Mount(task_dir, "/var/task")] if task_dir else [],
            "platform": self.platform,
            "network": "none",
        }
        if hardened:
            options |= {"read_only": True, "tmpfs": [_TEMPORARY], "capabilities": "none", "user": _NOBODY}
        done = self._run(timeout, options)
        return Completed(done.stdout, done.stderr, done.code)

    def _run(self, timeout: float, options: containers.Options) -> containers.Completed:
        return self.runner.run(self.name, timeout=timeout, **options)


@dataclass(frozen=True)
class Built(Contained):
    """The same for an image in dist, by its digest: asking first what has its name takes as long as a check.

    Where the engine cannot run it so, it is loaded, which does nothing where it is there, and run by its name.
    """

    dist: Dist
    artifact: Artifact

    def _run(self, timeout: float, options: containers.Options) -> containers.Completed:
        try:
            return self.runner.run(self._digest, timeout=timeout, **options)
        except containers.ContainerTimeout:
            raise
        except EngineError:
            with _LOADING:  # once, whoever else wants to run it now
                load(self.dist, self.runner, [self.artifact], Silent(), self.platform)
            return super()._run(timeout, options)

    @property
    def _digest(self) -> str:
        """What podman and Docker's classic store know it by: the digest of its configuration."""
        layout = Layout(self.dist.layout(self.artifact.name, self.platform.arch))
        [image] = layout.images()
        return str(layout.read_json(image.digest)["config"]["digest"])


def built(dist: Dist, runner: containers.Runner, artifact: Artifact, platform: Platform) -> Built:
    """What runs a built image; the engine need not have it yet."""
    return Built(runner, local_name(artifact.tags[-1], platform), platform, dist, artifact)
