"""Images in containers, for checks that want to see them at work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagemill.conform.view import Completed
from imagemill.dist import Artifact, Dist
from imagemill.engine import containers
from imagemill.loading import load, local_name
from imagemill.platforms import Platform
from imagemill.progress import Progress

_NOBODY = "54321:54321"  # a user and a group that no image knows
_TEMPORARY = "/tmp"  # noqa: S108 - the container's


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
        done = self.runner.run(self.name, timeout=timeout, **options)
        return Completed(done.stdout, done.stderr, done.code)


def built(
    dist: Dist, runner: containers.Runner, artifact: Artifact, platform: Platform, progress: Progress
) -> Contained:
    """Have a built image in the engine, for checks that run it."""
    load(dist, runner, [artifact], progress, platform)
    return Contained(runner, local_name(artifact.tags[-1], platform), platform)
