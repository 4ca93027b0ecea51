"""Docker daemons that tests start for themselves: waiting for them, ending them, and what they leave."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from imagemill.engine import docker
from imagemill.errors import EngineError

_PATIENCE = 30  # seconds for a daemon to come up, and to go


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
