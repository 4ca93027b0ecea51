"""Pushes to a registry on loopback (TLS, tokens), held against crane and skopeo, as ratios inside one run.

    python tests/bench/push.py [--megabytes 300] [--rounds 5]

The first push of an index over two platforms to a repository that has nothing, as whole commands with their start;
and a push of what is there already, without the start of Python.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import measure

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / name) for name in ("tests", "tests/trust", "services")]
import judges  # noqa: E402
import pushing  # noqa: E402

from certificates import authority, issue  # noqa: E402
from debian_programs import Wanted, install  # noqa: E402
from registry import registry  # noqa: E402
from tokens import EVERYTHING, Tokens, serving  # noqa: E402

PASSWORD = secrets.token_hex(32)
SKOPEO = Wanted("bookworm", {"skopeo": {"usr/bin/skopeo": "skopeo"}})
PUSH = """
import os, sys, time
from pathlib import Path
from imagemill import dockerconfig
from imagemill.mirrors import Mirrors
from imagemill.oci import Layout
from imagemill.registry.push import push
from imagemill.registry.repository import Repository
from imagemill.web import Web
started = time.monotonic()
layout, name = Layout(Path(sys.argv[1])), sys.argv[2]
host, _, path = name.partition("/")
login = dockerconfig.login(os.environ, Path("/nonexistent"), host, path, dockerconfig.helper(os.environ))
entry = layout.entries()[0]
push(layout, entry, Repository(Web(Mirrors.discover(os.environ)), name, login))
print(time.monotonic() - started)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    measure.started(f"pushes of {chosen.megabytes} MB over two platforms")
    programs = judges.all_of(measure.STATE, os.environ)
    with tempfile.TemporaryDirectory(dir=measure.STATE, prefix="bench-push-") as folder:
        authority(Path(folder))
        pair = issue(Path(folder), "tokens", "127.0.0.1")
        layout, _ = pushing.index_in(Path(folder, "layout"), chosen.megabytes)
        with serving(pair, {"me": (PASSWORD, EVERYTHING)}) as tokens:
            registries = Registries(programs / "docker-registry", Path(folder), tokens)
            first_pushes(registries, layout.path, programs / "crane", chosen.rounds)
            repeated_pushes(registries, layout.path, programs / "crane", 2 * chosen.rounds + 1)


@dataclass(frozen=True)
class Registries:
    """Registries that have nothing, one after the other: clients remember what one had where."""

    program: Path
    folder: Path
    tokens: Tokens

    @contextmanager
    def fresh(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """A registry's host, and the environment in which one is logged in to it."""
        pair = issue(self.folder, "registry", "127.0.0.1")
        with (
            tempfile.TemporaryDirectory(dir=self.folder) as data,
            registry(self.program, Path(data), pair=pair, tokens=self.tokens) as service,
        ):
            host, auth = f"127.0.0.1:{service.port}", base64.b64encode(f"me:{PASSWORD}".encode()).decode()
            Path(data, "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
            yield (
                host,
                {
                    **os.environ,
                    "PYTHONPATH": str(ROOT / "build"),
                    "DOCKER_CONFIG": data,
                    "REGISTRY_AUTH_FILE": f"{data}/config.json",
                    "SSL_CERT_FILE": f"{self.folder}/ca.crt",
                },
            )


def first_pushes(registries: Registries, layout: Path, crane: Path, rounds: int) -> None:
    """Whole commands, their start included."""

    def first(*words: str | Path) -> Callable[[], float]:
        def call() -> float:
            with registries.fresh() as (host, environ):
                argv = [*words[:-1], str(words[-1]).format(f"{host}/team/lambda")]
                return measure.seconds(argv, environ)

        return call

    calls = {
        "imagemill": first(sys.executable, "-c", PUSH, layout, "{}"),
        "crane": first(crane, "push", layout, "{}:1"),
    }
    if skopeo := _skopeo():
        copy = (skopeo, "copy", "-q", "--insecure-policy", "--all", "--preserve-digests", f"oci:{layout}:latest")
        calls["skopeo"] = first(*copy, "docker://{}:1")
    found = measure.in_turn(calls, rounds)
    for name in calls:
        measure.say(f"first push, {name}", f"{measure.median(found, name):.2f} s")
    measure.at_most("first push, against crane", measure.ratio(found, "imagemill", "crane"), 1.3)
    if skopeo:
        measure.at_most("first push, against skopeo", measure.ratio(found, "imagemill", "skopeo"), 1.0)
    else:
        measure.left_out("first push, against skopeo", "it does not run here")


def repeated_pushes(registries: Registries, layout: Path, crane: Path, rounds: int) -> None:
    """What is there already."""
    with registries.fresh() as (host, environ):
        ours: list[str | Path] = [sys.executable, "-c", PUSH, layout, f"{host}/team/lambda"]
        theirs: list[str | Path] = [crane, "push", layout, f"{host}/team/lambda:1"]
        measure.run(theirs, environ)
        calls = {
            "work": lambda: float(measure.run(ours, environ)),
            "crane": lambda: measure.seconds(theirs, environ),
        }
        found = measure.in_turn(calls, rounds)
    measure.at_most("push of what is there, without Python's start", measure.median(found, "work"), 0.1, "s", 3)
    measure.say("push of what is there, crane", f"{measure.median(found, 'crane'):.3f} s")


def _skopeo() -> Path | None:
    """skopeo, where what it is linked with is here."""
    found = install(SKOPEO, "skopeo", measure.STATE, os.environ) / "skopeo"
    done = subprocess.run([found, "--version"], capture_output=True, check=False)
    return found if done.returncode == 0 else None


if __name__ == "__main__":
    main()
