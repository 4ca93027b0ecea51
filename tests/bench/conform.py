"""What judging images takes: our checks against container-structure-test's and pytest-testinfra's of the same facts.

    python tests/bench/conform.py [--dist DIR] [--image python3.13] [--rounds 5] [--without-tar]

Images must be built. The docker driver asks a Docker daemon, or podman's service, which is started for it; its tar
driver takes minutes. Without pytest-testinfra (of PyPI, in this Python) its row is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import measure
import yaml
from measure import MILL, PYTHON, ROOT, at_most, busy, in_turn, left_out, median, ratio, say, started, timed

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "unit")]
import test_hostile  # noqa: E402

import structure  # noqa: E402
from imagemill import export  # noqa: E402
from imagemill.conform import DYNAMIC, STATIC, facts  # noqa: E402
from imagemill.dist import Dist  # noqa: E402
from imagemill.engine import containers  # noqa: E402
from imagemill.load import load  # noqa: E402
from imagemill.loading import local_name  # noqa: E402
from imagemill.plan import Image, plan, select  # noqa: E402
from imagemill.platforms import native  # noqa: E402

_ASKS = """import pytest
PATHS = {paths!r}
ENVIRONMENT = {environment!r}
COMMANDS = {commands!r}

@pytest.mark.parametrize("path, kind, mode", PATHS)
def test_path(host, path, kind, mode):
    file = host.file(path)
    assert file.exists == (kind != "absent")
    assert kind != "dir" or file.is_directory
    assert not mode or file.mode == int(mode, 8)

@pytest.mark.parametrize("name", ENVIRONMENT)
def test_variable(host, name):
    assert host.environment()[name] == ENVIRONMENT[name]

@pytest.mark.parametrize("command, words", COMMANDS)
def test_command(host, command, words):
    assert words in host.check_output("( %s ) 2>&1", command) or words in host.run("( " + command + " ) 2>&1").stdout
"""


def ours(dist: Path, image: Image, *words: str) -> list[str]:
    """The command that judges one image on this machine's platform."""
    return [*MILL, "conform", "--dist", str(dist), "--platform", str(native()), "--jobs", "1", *words, image.name]


def seconds(argv: list[str], environ: Mapping[str, str] | None = None) -> float:
    """The wall time of a command; one that finds faults in what it judges has done its work too."""

    def call() -> None:
        done = subprocess.run(argv, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            raise measure.CommandFailed(f"{argv[:6]} ended with {done.returncode}:\n{done.stderr[-2000:]}")

    return timed(call)


@contextmanager
def daemon(folder: Path) -> Iterator[Mapping[str, str] | None]:
    """The environment in which a Docker daemon answers: the one that is there, or podman's; None for neither."""
    runner = containers.find(os.environ)
    if runner is None or runner.name == "docker":
        yield os.environ if runner else None
        return
    socket, settings = f"unix://{folder}/podman.sock", folder / "containers.conf"
    # smaller limits than podman's own, which not every root may set
    settings.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n')
    service = subprocess.Popen(
        ["podman", "system", "service", "--time", "0", socket],
        env={**os.environ, "CONTAINERS_CONF": str(settings)},
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (folder / "podman.sock").exists() and service.poll() is None:
            time.sleep(0.1)
        yield {**os.environ, "DOCKER_HOST": socket}
    finally:
        service.terminate()
        service.wait()


def structure_test(folder: Path, environ: Mapping[str, str] | None, driver: str, name: str) -> float:
    """What container-structure-test takes to say of an image what is in config.yaml."""
    words = ["test", "--driver", driver, "--image", name, "--config", str(folder / "config.yaml"), "--output", "json"]
    return seconds([str(folder / "tool"), *words], environ)


def testinfra(folder: Path, runner: containers.Runner, name: str, image: Image) -> float:
    """What pytest-testinfra takes for the same facts, in one container, with starting that and pytest."""
    paths = [(fact.path, fact.kind, fact.mode or "") for fact in facts.about(image, facts.filesystem().paths)]
    commands = [(check.run, check.contains) for check in image.runtime.checks]
    (folder / "test_facts.py").write_text(_ASKS.format(paths=paths, environment=dict(image.env), commands=commands))

    def call() -> None:
        with runner.start(name, entrypoint="sleep", args=["600"], network="none") as container:
            host = f"--hosts={runner.name}://{container.name}"
            command = [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                host,
                str(folder / "test_facts.py"),
            ]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode not in (0, 1):
                raise measure.CommandFailed(done.stdout[-2000:])

    return timed(call)


def static(given: argparse.Namespace, image: Image) -> None:
    """The whole command for one image, whose layers are known."""
    seconds(ours(given.dist, image, "--no-run"))
    calls = {
        "python": lambda: busy(PYTHON),
        "judged": lambda: busy(ours(given.dist, image, "--no-run", "--no-cache")),
        "kept": lambda: busy(ours(given.dist, image, "--no-run")),
    }
    rounds = in_turn(calls, given.rounds)
    for what, words in (
        ("judged", f"{len(STATIC)} static checks of {image.name}"),
        ("kept", "the same, as found before"),
    ):
        beyond = median([{"s": row[what] - row["python"]} for row in rounds], "s")
        at_most(f"{words}, processor beyond Python's start", beyond, 0.1, "s", 3)


def against(given: argparse.Namespace, image: Image, folder: Path) -> None:
    """Our commands and the others' in turn."""
    name = local_name(image.tags[-1], native())
    layout = Dist(given.dist).layout(image.name, native().arch)
    runner = containers.find(os.environ)
    try:
        structure.prepare(folder, layout, structure.same_facts(image))
    except ImportError:
        left_out("container-structure-test", "it is not installed")
        return
    with daemon(folder) as environ:
        if runner is None or environ is None:
            left_out("container-structure-test's docker driver", "nothing here runs images")
        else:
            seconds(ours(given.dist, image))  # loads the image
            calls = {
                "static": lambda: seconds(ours(given.dist, image, "--no-run", "--no-cache")),
                "theirs": lambda: structure_test(folder, environ, "docker", name),
            }
            rounds = in_turn(calls, given.rounds)
            at_most(
                "static checks: ours in container-structure-test's docker driver",
                ratio(rounds, "static", "theirs"),
                0.05,
                digits=4,
            )
            (folder / "config.yaml").write_text(yaml.safe_dump(structure.same_facts(image, commands=True)))
            calls = {
                "all": lambda: seconds(ours(given.dist, image, "--no-cache")),
                "theirs": lambda: structure_test(folder, environ, "docker", name),
            }
            if importlib.util.find_spec("testinfra"):
                calls["testinfra"] = lambda: testinfra(folder, runner, name, image)
            rounds = in_turn(calls, max(1, given.rounds // 2))
            say(
                f"{len(STATIC) + len(DYNAMIC)} checks, static and dynamic, the whole command",
                f"{median(rounds, 'all'):.2f} s",
            )
            at_most(
                "static and dynamic: ours in container-structure-test's", ratio(rounds, "all", "theirs"), 0.1, digits=3
            )
            if "testinfra" in calls:
                at_most(
                    "static and dynamic: ours in pytest-testinfra's", ratio(rounds, "all", "testinfra"), 0.2, digits=3
                )
            else:
                left_out("pytest-testinfra", "it is not installed")
    if given.without_tar:
        left_out("container-structure-test's tar driver", "it takes minutes")
        return
    (folder / "config.yaml").write_text(yaml.safe_dump(structure.same_facts(image)))
    archive = folder / "image.tar"
    export.docker(layout, archive, [f"bench/{image.variant}:1"])
    theirs = structure_test(folder, None, "tar", str(archive))
    mine = seconds(ours(given.dist, image, "--no-run", "--no-cache"))
    say("container-structure-test's tar driver, once", f"{theirs:.1f} s")
    at_most("static checks: ours in container-structure-test's tar driver", mine / theirs, 0.001, digits=5)


def whole(given: argparse.Namespace) -> None:
    """The default set, both architectures, static: with no layer known, and with all."""
    with measure.fresh() as fresh:
        command = [*MILL, "conform", "--no-run", "--no-cache", "--dist", str(given.dist)]
        for what in ("no layer known", "all layers known"):
            at_most(f"the default set, all platforms, {what}", seconds(command, fresh.environ), 60, "s", 1)
    tar = b"".join(test_hostile.header(f"d{n % 100}/f{n}") for n in range(200_000)) + test_hostile.END
    with tempfile.TemporaryDirectory() as scratch:
        say("a layer of 200,000 files", f"{timed(lambda: test_hostile.opened(tar, Path(scratch))):.2f} s")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--dist", type=Path, default=ROOT / "dist")
    arguments.add_argument("--image", default="python3.13")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--without-tar", action="store_true")
    arguments.add_argument("--only", choices=["static", "against", "whole"], default="")
    given = arguments.parse_args()
    [image] = select(plan(load(ROOT)), [given.image])
    started("judging images")
    with tempfile.TemporaryDirectory() as folder:
        if given.only in ("", "static"):
            static(given, image)
        if given.only in ("", "against"):
            against(given, image, Path(folder))
        if given.only in ("", "whole"):
            whole(given)


if __name__ == "__main__":
    main()
