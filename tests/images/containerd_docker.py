"""A Docker with the containerd image store and buildx, and a registry, out of Debian's packages, for the tests alone.

Distributions of the last years have an older Docker, or one without buildx.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import daemons
from debian_programs import Wanted
from debian_programs import install as taken

DOCKER = Wanted(
    "trixie",
    {
        "docker.io": {"usr/sbin/dockerd": "dockerd"},
        "docker-cli": {"usr/bin/docker": "docker"},
        "docker-buildx": {"usr/libexec/docker/cli-plugins/docker-buildx": "cli-plugins/docker-buildx"},
        "containerd": {
            "usr/bin/containerd": "containerd",
            "usr/bin/containerd-shim-runc-v2": "containerd-shim-runc-v2",
        },
        "docker-registry": {"usr/bin/docker-registry": "docker-registry"},
        "tini": {"usr/bin/tini": "docker-init"},
    },
)


def install(state: Path, environ: Mapping[str, str]) -> Path:
    """A folder with these programs below `state`, and its `cli-plugins`."""
    return taken(DOCKER, "docker", state, environ)


@contextmanager
def daemon(programs: Path, environ: Mapping[str, str], *, containerd: bool = True) -> Iterator[Mapping[str, str]]:
    """A daemon of these programs, and the environment in which `docker` finds it. Nothing else is touched.

    Without `containerd` it keeps images in Docker's older store.
    """
    home = daemons.new_home()
    settings = {"features": {"containerd-snapshotter": containerd}, "builder": {"gc": {"enabled": False}}}
    (home / "daemon.json").write_text(json.dumps(settings), encoding="utf-8")
    (home / "config").mkdir()
    (home / "config" / "cli-plugins").symlink_to(programs / "cli-plugins")
    inside = {
        **environ,
        "PATH": f"{programs}:{environ.get('PATH', '')}",
        "DOCKER_CONFIG": f"{home}/config",
    }
    with daemons.started(programs / "dockerd", home, inside, "--config-file", f"{home}/daemon.json") as found:
        yield found
