"""What is special to go1.x: programs that speak the Runtime API by themselves."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from stage import DURATION, IMAGES, ROOT, Loaded

from imagemill.engine import containers
from imagemill.plan import Image

pytestmark = pytest.mark.engine

RUN, BUILD = (
    [image for image in IMAGES if (image.variant, image.runtime.family) == (variant, "go")]
    for variant in ("run", "build")
)


@pytest.mark.parametrize(("run", "build"), list(zip(RUN, BUILD, strict=False)))
def test_a_program_may_speak_the_runtime_api(
    run: Image, build: Image, runner: containers.Runner, loaded: Loaded, tmp_path: Path
) -> None:
    task = tmp_path / "task"
    shutil.copytree(ROOT / "examples" / "go", task, ignore=shutil.ignore_patterns("out"))
    task.parent.chmod(0o755)
    command = ["go", "build", "-o", "out/handler", "."]
    mounts = [containers.Mount(task, "/var/task", read_only=False)]
    env = {"CGO_ENABLED": "0", "GOCACHE": "/tmp/cache"}
    built = runner.run(loaded(build), args=command, mounts=mounts, env=env, network="none", timeout=DURATION)
    assert built.code == 0, built.stderr
    mounts = [containers.Mount(task / "out", "/var/task")]
    done = runner.run(loaded(run), args=["handler", '{"name": "x"}'], mounts=mounts, timeout=DURATION)
    assert done.stdout.splitlines()[-1] == b'{"greeting":"Hello, x!"}', done.stderr
    assert b"\nrequest " in done.stderr
