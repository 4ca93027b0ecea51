"""Programs that run as services: started, waited for, killed, started again, and ended by their id."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PATIENCE = 30  # seconds to come up, and to go


@dataclass
class Service:
    """A program that listens on `port` of this machine.

    `user` is who runs it, where that is not who starts it; `asked` is a command that succeeds when it is ready, where
    listening is not enough.
    """

    name: str
    argv: Sequence[str]
    port: int
    log: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    ending: int = signal.SIGTERM
    asked: Sequence[str] = ()
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready. RuntimeError with the end of its log when it does not."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environ, user=self.user,
                cwd="/", start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + _PATIENCE
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > until:
                last = "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])
                self.kill()
                raise RuntimeError(f"{self.name} does not come up\n{last}")
            time.sleep(0.02)

    @property
    def pid(self) -> int | None:
        """The process that runs; None for none."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it as a machine that loses its power would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Have it end, by force if need be."""
        self._end(self.ending)

    def _ready(self) -> bool:
        return listens(self.port) and (not self.asked or subprocess.run(self.asked, check=False).returncode == 0)

    def _end(self, how: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    """Whether anything on this machine takes connections on a port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
