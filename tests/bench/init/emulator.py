"""An emulator of Lambda under measurement, in a PID namespace of its own with its own /proc, as in a container."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

Kind = Literal["init", "init as rie", "rie"]
Runtime = Literal["go", "python"]

PATIENCE = 10.0
"""Seconds within which an emulator must listen, and be gone after it is stopped."""


class EmulatorError(Exception):
    """The emulator does not do what it is started for."""


@dataclass(frozen=True)
class Bootstrap:
    """How a runtime is started."""

    command: tuple[str, ...]
    environ: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ports:
    """Where an emulator listens."""

    api: int
    rie: int

    @classmethod
    def free(cls) -> Ports:
        """Two ports that nobody uses now."""
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            second.bind(("127.0.0.1", 0))
            return cls(first.getsockname()[1], second.getsockname()[1])


@dataclass(frozen=True)
class Launch:
    """A command line that starts an emulator, its environment, and where it takes events."""

    command: tuple[str, ...]
    environ: dict[str, str]
    url: str
    port: int


def launch(kind: Kind, binary: Path, bootstrap: Bootstrap, handler: str, environ: dict[str, str]) -> Launch:
    """How to start `binary` as an emulator of one kind.

    Our init is started as the contracts have it: as docker-lambda's, or under AWS's name with AWS's flags.
    """
    ports = Ports.free()
    environ = {"PATH": os.defpath, "HOME": "/tmp", **bootstrap.environ, **environ}
    if kind == "init":
        environ |= {
            "DOCKER_LAMBDA_STAY_OPEN": "1",
            "DOCKER_LAMBDA_API_PORT": str(ports.api),
            "DOCKER_LAMBDA_RUNTIME_PORT": str(ports.api),
            "DOCKER_LAMBDA_RIE_PORT": str(ports.rie),
        }
        # awslambdaric reads the handler from its arguments, to which only RIE adds it.
        program, *arguments = (*bootstrap.command, handler)
        command = [str(binary), "--bootstrap", program, "--bootstrap-args", json.dumps(arguments), handler]
        port, function = ports.api, "bench"
    else:
        command = [str(binary), "--runtime-api-address", f"127.0.0.1:{ports.api}"]
        command += ["--runtime-interface-emulator-address", f"127.0.0.1:{ports.rie}"]
        command += [*bootstrap.command, handler]
        port, function = ports.rie, "function"
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/{function}/invocations"
    return Launch((*_namespace(), *command), environ, url, port)


def _namespace() -> tuple[str, ...]:
    """The prefix that gives a command a PID namespace and a /proc; whoever is not root needs a user namespace too."""
    as_root = () if os.geteuid() == 0 else ("--map-root-user",)
    return ("unshare", *as_root, "--pid", "--fork", "--kill-child", "--mount-proc")


class Emulator:
    """A started emulator."""

    def __init__(self, launched: Launch, folder: Path, stderr: int | IO[bytes]) -> None:
        self.url = launched.url
        self._port = launched.port
        # A session of its own: Ctrl-C is for us, who then stop it.
        self._unshare = subprocess.Popen(
            launched.command,
            env=launched.environ,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
        self.pid = 0

    def wait_listening(self) -> None:
        """Wait until it takes connections, and find out its process id."""
        until = time.monotonic() + PATIENCE
        while True:
            self._expect_alive()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                break
            if time.monotonic() > until:
                raise EmulatorError(f"{self._unshare.args!r} does not listen on port {self._port}")
            time.sleep(0.002)
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children").read_text()
        self.pid = int(children.split()[0])

    def _expect_alive(self) -> None:
        if self._unshare.poll() is not None:
            raise EmulatorError(f"{self._unshare.args!r} ended with {self._unshare.returncode} before it was stopped")

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._unshare.poll() is None

    def resident(self) -> float:
        """The memory of the emulator itself, without its runtimes, in MB (VmRSS)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise EmulatorError(f"/proc/{self.pid}/status has no VmRSS")

    def descriptors(self) -> int:
        """How many file descriptors are open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def threads(self) -> int:
        """How many threads there are."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def quit(self) -> None:
        """Have a Go program write its goroutines to stderr, and end."""
        os.kill(self.pid, signal.SIGQUIT)
        self._unshare.wait(PATIENCE)

    def stop(self) -> None:
        """End it, and all that it started: they are in its PID namespace, which goes with it."""
        self._unshare.kill()
        self._unshare.wait(PATIENCE)
        until = time.monotonic() + PATIENCE
        while self.pid and Path(f"/proc/{self.pid}").exists() and time.monotonic() < until:
            time.sleep(0.002)


@contextlib.contextmanager
def running(launched: Launch, folder: Path, stderr: int | IO[bytes] = subprocess.DEVNULL) -> Iterator[Emulator]:
    """An emulator that listens; it is stopped at the end, however that comes."""
    emulator = Emulator(launched, folder, stderr)
    try:
        emulator.wait_listening()
        yield emulator
    finally:
        emulator.stop()


def measure(load: Path, *arguments: str) -> dict[str, Any]:
    """What a sub-command of the load generator measures."""
    done = subprocess.run([load, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise EmulatorError(f"load {' '.join(arguments)} failed: {done.stderr.strip()}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def stop_on_sigterm() -> None:
    """Let SIGTERM end the program as Ctrl-C does, so that what it started is stopped."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
