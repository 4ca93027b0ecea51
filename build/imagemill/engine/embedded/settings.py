"""The configuration of an image as the instructions of a Dockerfile set it."""

from __future__ import annotations

import posixpath
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from imagemill.dockerfile import Instruction
from imagemill.engine.embedded.expansion import expand_words
from imagemill.engine.embedded.stages import expand_in

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What PATH is where a Dockerfile sets none: BuildKit gives it to every image."""

_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)
_REAL_TIME = re.compile(r"(SIG)?RTM(IN(\+\d+)?|AX(-\d+)?)")


@dataclass
class Settings:
    """What a stage has set so far. `variables` is what `$NAME` stands for: ARG and ENV, the later one wins."""

    variables: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    env: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    labels: dict[str, str] = field(default_factory=dict)
    ports: set[str] = field(default_factory=set)
    volumes: set[str] = field(default_factory=set)
    user: str = ""
    workdir: str = "/"
    stop_signal: str = ""
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    command_is_own: bool = False
    """Whether this stage has said CMD: only another stage's is forgotten at ENTRYPOINT."""

    def branch(self) -> Settings:
        """What a stage begins with that is based on this one."""
        return replace(
            self,
            variables=dict(self.variables),
            env=dict(self.env),
            labels=dict(self.labels),
            ports=set(self.ports),
            volumes=set(self.volumes),
            command_is_own=False,
        )

    def expand(self, step: Instruction, text: str) -> str:
        """A word of an instruction, its quotes removed and variables replaced."""
        return expand_in(step, text, self.variables)

    def join(self, target: str) -> str:
        """Where COPY and ADD copy to: below WORKDIR, and with a slash at its end for a directory."""
        path = "/" + posixpath.normpath(posixpath.join("/", self.workdir, target)).lstrip("/")
        return path if path == "/" or not (target in ("", ".") or target.endswith("/")) else f"{path}/"

    def argue(self, step: Instruction, given: Mapping[str, str], outer: Mapping[str, str | None]) -> None:
        """ARG: what the build was given wins, then its own default, then the ARG before the first FROM."""
        found: dict[str, str | None] = {}
        for name, text in step.pairs():
            key = self.expand(step, name)
            own = None if text is None else self.expand(step, text)
            found[key] = given.get(key, outer.get(key) if own is None else own)
        self.variables |= {key: value for key, value in found.items() if value is not None}

    def apply(self, step: Instruction) -> None:
        """Any other instruction that makes no layer, and WORKDIR's part in the configuration."""
        match step.keyword:
            case "ENV":
                pairs = self._pairs(step)
                self.env |= pairs
                self.variables |= pairs
            case "LABEL":
                self.labels |= self._pairs(step)
            case "USER":
                self.user = self.expand(step, step.rest)
            case "WORKDIR":
                self.workdir = posixpath.normpath(posixpath.join(self.workdir, self.expand(step, step.rest)))
                self.workdir = "/" + self.workdir.lstrip("/")
            case "STOPSIGNAL":
                self.stop_signal = _signal(step, self.expand(step, step.rest))
            case "EXPOSE":
                for word in step.words():
                    try:
                        ports = expand_words(word, self.variables, step.escape)
                    except ValueError as error:
                        raise step.fail(str(error), "write 8080 or 8080/tcp") from None
                    for port in ports:
                        self.ports |= _ports(step, port)
            case "VOLUME":
                self.volumes |= {self.expand(step, word) for word in step.words()}
                if "" in self.volumes:
                    raise step.fail("a volume has no path", "name a directory")
            case "ENTRYPOINT":
                self.entrypoint = _program(step)
                if not self.command_is_own:
                    self.command = []
            case "CMD":
                self.command = _program(step)
                self.command_is_own = True

    def config(self) -> dict[str, Any]:
        """The `config` of an image configuration; what is not set is left out."""
        whole = {
            "Env": [f"{key}={value}" for key, value in self.env.items()],
            "Labels": self.labels,
            "ExposedPorts": {port: {} for port in self.ports},
            "Volumes": {path: {} for path in self.volumes},
            "User": self.user,
            "WorkingDir": self.workdir,
            "StopSignal": self.stop_signal,
            "Entrypoint": self.entrypoint,
            "Cmd": self.command,
        }
        return {key: value for key, value in whole.items() if value}

    def _pairs(self, step: Instruction) -> dict[str, str]:
        return {self.expand(step, key): self.expand(step, value or "") for key, value in step.pairs()}


def _program(step: Instruction) -> list[str]:
    array = step.array()
    return ["/bin/sh", "-c", step.rest] if array is None else array


def _ports(step: Instruction, text: str) -> set[str]:
    match = _PORT.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if match is None or not first <= last <= 65535:
        raise step.fail(f"{text!r} is no port", "write 8080, 8080/udp or 8000-8010")
    return {f"{port}/{(match[3] or 'tcp').lower()}" for port in range(first, last + 1)}


def _signal(step: Instruction, text: str) -> str:
    name = "SIG" + text.upper().removeprefix("SIG")
    if (text.isdecimal() and int(text)) or name in signal.Signals.__members__ or _REAL_TIME.fullmatch(name):
        return text
    raise step.fail(f"{text!r} is no signal", "write SIGTERM or its number")
