"""A Docker with the containerd image store and buildx, and a registry, out of Debian's packages, for the tests alone.

Distributions of the last years have an older Docker, or one without buildx.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
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
    # Not pytest's own folder: the path of a socket has at most 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="imagemill-containerd-"))
    path = f"{programs}:{environ.get('PATH', '')}:/usr/sbin:/sbin"
    settings = {"features": {"containerd-snapshotter": containerd}, "builder": {"gc": {"enabled": False}}}
    (home / "daemon.json").write_text(json.dumps(settings), encoding="utf-8")
    (home / "config").mkdir()
    (home / "config" / "cli-plugins").symlink_to(programs / "cli-plugins")
    inside = {
        **environ,
        "PATH": path,
        "DOCKER_HOST": f"unix://{home}/socket",
        "DOCKER_CONFIG": f"{home}/config",
    }
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(programs / "dockerd"),
                *("--config-file", f"{home}/daemon.json", "--host", f"unix://{home}/socket"),
                *("--data-root", f"{home}/data", "--exec-root", f"{home}/exec", "--pidfile", f"{home}/pid"),
                *("--group", str(os.getegid()), "--bridge", "none"),
                *("--iptables=false", "--ip6tables=false", "--ip-masq=false"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=inside,
        )
    try:
        daemons.wait_for(process, inside, home / "log")
        yield inside
    finally:
        daemons.end(process)
        daemons.remove(home)


@contextmanager
def registry(programs: Path) -> Iterator[str]:
    """A registry on a free port of this machine, and its address. Docker takes one on 127.0.0.1 without TLS."""
    with tempfile.TemporaryDirectory(prefix="imagemill-registry-") as folder:
        home = Path(folder)
        settings = {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": f"{home}/data"}},
            "http": {"addr": "127.0.0.1:0"},
        }
        (home / "config.json").write_text(json.dumps(settings), encoding="utf-8")  # YAML takes JSON
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [str(programs / "docker-registry"), "serve", f"{home}/config.json"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"OTEL_TRACES_EXPORTER": "none"},
            )
        try:
            yield _listening(process, home / "log")
        finally:
            daemons.end(process)


def _listening(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + 30
    while True:
        found = re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text(errors="replace"))
        if found:
            return found[1]
        assert process.poll() is None and time.monotonic() < until, log.read_text(errors="replace")
        time.sleep(0.05)
