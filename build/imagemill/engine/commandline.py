"""What the command lines of Docker and podman have in common."""

from __future__ import annotations

import json
import subprocess
import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self, Unpack, cast

from imagemill.engine import emulation
from imagemill.engine.runner import Completed, ContainerTimeout, Options
from imagemill.errors import EngineError
from imagemill.platforms import Platform, native

_FEW = 8  # names; podman looks at all images, and weighs each, to list them
_ENGINE_FAILED = 125  # docker-run(1), podman-run(1): the engine itself failed, nothing was started
_TRIES = 5  # at listing images, which podman gives up when another process removes one meanwhile


@dataclass(frozen=True)
class CommandLine(ABC):
    """What the two command lines have in common."""

    path: str
    environ: Mapping[str, str]

    @property
    @abstractmethod
    def name(self) -> str:
        """`docker` or `podman`."""

    @property
    def _shows_as(self) -> str:
        """What `images` puts before a name without a registry."""
        return ""

    @property
    def _reads_index(self) -> bool:
        """Whether archives for it hold an OCI index too."""
        return True

    @property
    def _run_options(self) -> Sequence[str]:
        """Options that every run needs on this machine."""
        return ()

    @property
    def _read_only_options(self) -> Sequence[str]:
        return ("--read-only",)

    def obstacle(self, platform: Platform) -> str:
        return "" if platform == native() else emulation.obstacle(platform)

    def load(self, images: Mapping[Path, Sequence[str]]) -> None:
        if not images:
            return
        from imagemill.engine import archive  # it makes layers too: importing it takes as long as a check

        with subprocess.Popen(
            [self.path, "load"],
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            try:
                with cast(IO[bytes], process.stdin) as pipe:
                    archive.layouts_to_archive(images, pipe, index=self._reads_index)
            except BrokenPipeError:
                pass  # it gave up, and says why
            said = cast(IO[bytes], process.stdout).read().decode(errors="replace").strip()
        if process.returncode != 0:
            raise EngineError(f"{self.name} does not load {', '.join(map(str, images))}: {said}")

    def tidy(self) -> None:
        # only images of ours, and only those that lost their last name to a newer one
        self.call(["image", "prune", "--force", "--filter", "label=io.imagemill.runtime"], check=False)

    def save(self, name: str, out: Path) -> bool:
        if self.call(["image", "inspect", name], check=False).returncode != 0:
            return False
        self.call(["save", "--output", str(out), name])
        return True

    def forget(self, name: str) -> None:
        self.call(["image", "rm", name], check=False)

    def has(self, wanted: Mapping[str, Collection[str]]) -> set[str]:
        if len(wanted) <= _FEW:
            return {name for name, digest in self._inspected(list(wanted)) if digest in wanted.get(name, ())}
        args = ["images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]
        for left in reversed(range(_TRIES)):
            listed = self.call(args, check=left == 0)
            if listed.returncode == 0:
                break
        found = set()
        for line in _text(listed.stdout).splitlines():
            name, _, digest = line.partition(" ")
            name = name.removeprefix(self._shows_as)
            if digest in wanted.get(name, ()):
                found.add(name)
        return found

    def _inspected(self, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Every name of the images that have one of these, and what the store knows them by."""
        said = self.call(["image", "inspect", *names], check=False).stdout  # fails where one is not there
        for row in json.loads(said or b"[]"):
            digest = row["Id"] if ":" in row["Id"] else f"sha256:{row['Id']}"  # podman leaves it out
            for name in row.get("RepoTags") or ():
                yield name.removeprefix(self._shows_as), digest

    def run_command(
        self, image: str, *, interactive: bool = False, terminal: bool = False, **options: Unpack[Options]
    ) -> list[str]:
        flags = ["--rm", *(["--interactive"] if interactive else []), *(["--tty"] if terminal else [])]
        return self._command(image, flags, options)

    def run(
        self,
        image: str,
        *,
        stdin: bytes | None = None,
        timeout: float | None = None,
        **options: Unpack[Options],
    ) -> Completed:
        name = _fresh_name()
        flags = ["--rm", "--name", name, *(["--interactive"] if stdin is not None else [])]
        finished = False
        try:
            done = subprocess.run(
                self._command(image, flags, options),
                env=self.environ,
                input=stdin or b"",
                capture_output=True,
                timeout=timeout,
                check=False,
            )
            finished = True
        except subprocess.TimeoutExpired as error:
            said = Completed(error.stdout or b"", error.stderr or b"", -1)
            raise ContainerTimeout(f"{image}: not done after {timeout:g} s", said) from None
        finally:
            if not finished:
                self.remove(name)
        if done.returncode == _ENGINE_FAILED:
            self.remove(name)
            raise EngineError(f"{self.name} does not run {image}: {_text(done.stderr).strip()}")
        return Completed(done.stdout, done.stderr, done.returncode)

    def start(self, image: str, **options: Unpack[Options]) -> _Background:
        name = _fresh_name()
        done = self.call(self._command(image, ["--detach", "--name", name], options)[1:], check=False)
        if done.returncode != 0:
            self.remove(name)
            raise EngineError(f"{self.name} does not start {image}: {_text(done.stderr).strip()}")
        return _Background(self, name, options.get("network", ""))

    def _command(self, image: str, flags: Sequence[str], options: Options) -> list[str]:
        argv = [self.path, "run", "--pull", "never", *self._run_options, *flags]
        if "platform" in options:
            argv += ["--platform", str(options["platform"])]
        for key in ("network", "user", "entrypoint"):
            if options.get(key):
                argv += [f"--{key}", str(options[key])]
        if options.get("read_only"):
            argv += self._read_only_options
        if options.get("capabilities") == "none":
            argv += ["--cap-drop", "ALL"]
        for folder in options.get("tmpfs", ()):
            argv += ["--tmpfs", f"{folder}:rw,mode=1777"]
        for port in options.get("publish", ()):
            argv += ["--publish", port]
        for host, address in options.get("hosts", {}).items():
            argv += ["--add-host", f"{host}:{address}"]
        for variable, value in options.get("env", {}).items():
            argv += ["--env", f"{variable}={value}"]
        for mount in options.get("mounts", ()):
            argv += ["--mount", mount.option()]
        if options.get("mounts"):
            # With SELinux a container cannot read a user's files otherwise, short of relabelling them.
            argv += ["--security-opt", "label=disable"]
        return [*argv, image, *options.get("args", ())]

    def call(
        self, args: Sequence[str], *, check: bool = True, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Another subcommand, to its end, in directory `cwd`. EngineError when it fails, unless `check` is off."""
        done = subprocess.run(
            [self.path, *args],
            env=self.environ,
            cwd=cwd,
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode != 0:
            raise EngineError(f"{self.name} {args[0]} failed: {_text(done.stderr).strip()}")
        return done

    def remove(self, name: str) -> None:
        """Remove a container, running or not, that may be gone already."""
        self.call(["rm", "--force", "--volumes", name], check=False)


@dataclass(frozen=True)
class _Background:
    """A container in the background, removed at the end of its `with` block."""

    runner: CommandLine
    name: str
    network: str = ""

    def address(self, port: int) -> tuple[str, int]:
        if self.network == "host":
            return "127.0.0.1", port
        said = self.runner.call(["port", self.name, f"{port}/tcp"])
        host, _, number = _text(said.stdout).strip().splitlines()[0].rpartition(":")
        return host, int(number)

    def logs(self) -> Completed:
        done = self.runner.call(["logs", self.name])
        return Completed(done.stdout, done.stderr, done.returncode)

    def wait(self) -> int:
        return int(self.runner.call(["wait", self.name]).stdout)

    def stop(self, seconds: int = 10) -> None:
        self.runner.call(["stop", "--time", str(seconds), self.name])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.runner.remove(self.name)


def _text(said: bytes) -> str:
    return said.decode(errors="replace")


def _fresh_name() -> str:
    return f"imagemill-{uuid.uuid4().hex}"
