"""Docker daemons that tests start for themselves, wait for, and end, with what they leave."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagemill.engine import docker
from imagemill.errors import EngineError

_PATIENCE = 30  # seconds for a daemon to come up, and to go


def new_home() -> Path:
    """A folder for a daemon. Not pytest's own: the path of a socket has at most 107 bytes."""
    return Path(tempfile.mkdtemp(prefix="imagemill-dockerd-"))


@contextmanager
def started(program: str | Path, home: Path, environ: Mapping[str, str], *options: str) -> Iterator[Mapping[str, str]]:
    """A daemon that keeps everything in `home`, which goes with it; and the environment in which `docker` finds it.

    It has neither bridge nor firewall rules: nothing of this machine's network is touched.
    """
    inside = {
        **environ,
        "PATH": f"{environ.get('PATH', '')}:/usr/sbin:/sbin",
        "DOCKER_HOST": f"unix://{home}/socket",
    }
    argv = [
        str(program),
        *("--host", inside["DOCKER_HOST"], "--data-root", f"{home}/data"),
        *("--exec-root", f"{home}/exec", "--pidfile", f"{home}/pid", "--group", str(os.getegid())),
        *("--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-masq=false"),
        *options,
    ]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=inside)
    try:
        wait_for(process, inside, home / "log")
        yield inside
    finally:
        end(process)
        remove(home)


def wait_for(daemon: subprocess.Popen[bytes], environ: Mapping[str, str], log: Path) -> None:
    """Wait until a daemon answers; the test fails with the end of its log when it does not."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            docker.client(environ).close()
        except EngineError as error:
            if daemon.poll() is not None or time.monotonic() > until:
                last = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
                pytest.fail(f"dockerd does not come up: {error}\n{last}")
            time.sleep(0.1)
        else:
            return


def end(daemon: subprocess.Popen[bytes]) -> None:
    """Have it end, by force if need be."""
    daemon.send_signal(signal.SIGTERM)
    try:
        daemon.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def remove(home: Path) -> None:
    """Remove what the daemon left: its network namespace and layers may still be mounted."""
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in reversed([point for point in mounted if point.startswith(f"{home}/")]):
        subprocess.run(["umount", point], check=False)
    shutil.rmtree(home)
