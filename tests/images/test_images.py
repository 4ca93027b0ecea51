"""The images as their users meet them: run, stay open, serve, build."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest
from stage import DURATION, FOREIGN, IMAGES, ROOT, Loaded, lambda_client, listening

from imagemill import recorder
from imagemill.assemble import tarball
from imagemill.dist import Artifact, Dist
from imagemill.engine import Context, containers, embedded
from imagemill.factory import Paths
from imagemill.filetree import Entry
from imagemill.load import load
from imagemill.mirrors import Mirrors
from imagemill.plan import Image
from imagemill.platforms import Platform, native
from imagemill.progress import Silent
from imagemill.workshop import REPOSITORY, Workshop

RUN = [image for image in IMAGES if image.variant == "run"]
BUILD = [image for image in IMAGES if image.variant == "build"]
SERVE = [image for image in IMAGES if image.variant == "serve"]

pytestmark = pytest.mark.engine


def task(image: Image) -> containers.Mount:
    return containers.Mount(ROOT / "examples" / image.runtime.example.directory, "/var/task")


def label(image: Image) -> str:
    return image.tags[-1]


REPORT = re.compile(
    rb"REPORT RequestId: [0-9a-f-]{36}\t(Init Duration: [0-9.]+ ms\t)?Duration: [0-9.]+ ms\t"
    rb"Billed Duration: \d+ ms\tMemory Size: \d+ MB\tMax Memory Used: \d+ MB"
)


def run_example(
    runner: containers.Runner, name: str, image: Image, platform: Platform, timeout: int = DURATION
) -> None:
    example = image.runtime.example
    done = runner.run(
        name,
        args=[example.handler, example.event],
        mounts=[task(image)],
        platform=platform,
        network="none",
        timeout=timeout,
    )
    assert done.code == 0, done.stderr.decode()
    assert json.loads(done.stdout.splitlines()[-1]) == json.loads(example.result)
    for word in (b"START RequestId: ", b"END RequestId: "):
        assert word in done.stderr
    assert REPORT.search(done.stderr), done.stderr


@pytest.mark.parametrize("image", RUN, ids=label)
def test_single_shot(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    run_example(runner, loaded(image), image, native())


@pytest.mark.parametrize(
    ("image", "platform"),
    [pytest.param(i, p, id=label(i)) for i in RUN for p in FOREIGN if str(p) in i.platforms],
)
def test_single_shot_on_the_foreign_architecture(
    image: Image, platform: Platform, runner: containers.Runner, loaded: Loaded
) -> None:
    run_example(runner, loaded(image, platform), image, platform, 4 * DURATION)  # an emulated JVM takes its time


@pytest.mark.parametrize("image", RUN, ids=label)
def test_single_shot_with_a_read_only_root(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    example = image.runtime.example
    done = runner.run(
        loaded(image), args=[example.handler, example.event], mounts=[task(image)], read_only=True, user="4242:4242",
        network="none", timeout=DURATION,
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1]) == json.loads(example.result), done.stderr


@pytest.mark.parametrize("image", RUN, ids=label)
def test_stay_open_answers_the_aws_sdk(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    example = image.runtime.example
    options = {"args": [example.handler], "env": {"DOCKER_LAMBDA_STAY_OPEN": "1"}, "mounts": [task(image)]}
    with listening(runner, loaded(image), 9001, **options) as url, lambda_client(url) as client:
        for _ in range(3):
            answer = client.invoke(FunctionName="greeter", Payload=example.event, LogType="Tail")
            assert json.load(answer["Payload"]) == json.loads(example.result)
            assert answer["StatusCode"] == 200
            assert "FunctionError" not in answer


@pytest.mark.parametrize("image", SERVE, ids=label)
def test_serve_answers_as_the_emulator_does(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    example = image.runtime.example
    with listening(runner, loaded(image), 8080, args=[example.handler], mounts=[task(image)]) as url:
        request = urllib.request.Request(
            url + "/2015-03-31/functions/function/invocations", example.event.encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=DURATION) as answer:
            assert json.load(answer) == json.loads(example.result)


def test_serve_wants_a_handler(runner: containers.Runner, loaded: Loaded) -> None:
    done = runner.run(loaded(SERVE[0]), network="none", timeout=DURATION)
    assert (done.code, done.stdout) == (142, b"")
    assert b"entrypoint requires the handler name to be the first argument" in done.stderr


def test_a_function_ships_from_the_serve_image(
    runner: containers.Runner, loaded: Loaded, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    image = next(image for image in SERVE if image.runtime.family == "python")
    shutil.copy(ROOT / "examples" / "python" / "app.py", tmp_path)
    dockerfile = f'FROM {loaded(image)}\nCOPY app.py ${{LAMBDA_TASK_ROOT}}\nCMD ["app.handler"]\n'
    (tmp_path / "Dockerfile").write_text(dockerfile)
    name = f"{REPOSITORY}:test-shipped"

    def engine(*args: str) -> None:
        subprocess.run([runner.name, *args], env=runner.environ, check=True, capture_output=True)

    engine("build", "--quiet", "--tag", name, str(tmp_path))
    request.addfinalizer(lambda: engine("rmi", name))
    with listening(runner, name, 8080) as url:
        invocation = urllib.request.Request(
            url + "/2015-03-31/functions/function/invocations", b'{"name": "x"}', method="POST"
        )
        with urllib.request.urlopen(invocation, timeout=DURATION) as answer:
            assert json.load(answer) == {"greeting": "Hello, x!"}


FAILURES = {
    "an exception": ("def handler(e, c): raise ValueError('no')", "ValueError"),
    "an exit": ("import os\ndef handler(e, c): os._exit(42)", "Runtime.ExitError"),
    "an exit while loading": ("import os\nos._exit(3)", "Runtime.ExitError"),
    "a syntax error": ("def handler(", "Runtime.UserCodeSyntaxError"),
    "a timeout": ("import time\ndef handler(e, c): time.sleep(99)", "Sandbox.Timedout"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failing_function_fails_at_once(name: str, runner: containers.Runner, loaded: Loaded, tmp_path: Path) -> None:
    code, kind = FAILURES[name]
    (tmp_path / "app.py").write_text(code)
    tmp_path.chmod(0o755)
    image = next(image for image in RUN if image.runtime.family == "python")
    started = time.monotonic()
    done = runner.run(
        loaded(image),
        args=["app.handler", "{}"],
        env={"AWS_LAMBDA_FUNCTION_TIMEOUT": "2"},
        mounts=[containers.Mount(tmp_path, "/var/task")],
        network="none",
        timeout=DURATION,
    )
    assert done.code == 1
    assert json.loads(done.stdout.splitlines()[-1])["errorType"] == kind
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("image", BUILD, ids=label)
def test_build_images_compile(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    script = """set -eu
    cd /tmp
    printf '#include <stdio.h>\\nint main(void) { puts("made"); return 0; }\\n' > a.c
    gcc -o gcc.out a.c && ./gcc.out
    clang -o clang.out a.c && ./clang.out
    cc -o cc.out a.c && ./cc.out
    printf '#include <iostream>\\nint main() { std::cout << "made\\\\n"; }\\n' > b.cc
    c++ -o b.out b.cc && ./b.out
    sam --version >&2; aws --version >&2; cmake --version >&2; git --version >&2
    command -v lambda-builders >&2
    """
    if "docker" in image.base.build_tools:
        script += "docker --version >&2\n"
    done = runner.run(loaded(image), args=["bash", "-c", script], network="none", timeout=300)
    assert (done.code, done.stdout) == (0, b"made\n" * 4), done.stderr.decode()
    assert b"SAM CLI, version" in done.stderr
    assert (b"aws-cli/1" if image.base.suite == "bullseye" else b"aws-cli/2") in done.stderr


def test_a_node_addon_compiles_in_the_build_image(runner: containers.Runner, loaded: Loaded) -> None:
    image = next(image for image in BUILD if image.runtime.family == "nodejs")
    script = """set -eu
    cd /tmp
    cat > a.c <<'C'
#include <node_api.h>
static napi_value init(napi_env env, napi_value exports) {
  napi_value v; napi_create_int32(env, 42, &v); napi_set_named_property(env, exports, "answer", v); return exports;
}
NAPI_MODULE(a, init)
C
    gcc -shared -fPIC -I /var/lang/include/node -o a.node a.c
    node -p 'require("./a.node").answer'
    """
    done = runner.run(loaded(image), args=["bash", "-c", script], network="none", timeout=DURATION)
    assert (done.code, done.stdout) == (0, b"42\n"), done.stderr.decode()


def test_apt_goes_on_from_what_is_there(runner: containers.Runner, loaded: Loaded) -> None:
    """The package database is consistent: apt installs a package, with a mirror from this machine."""
    image = BUILD[0]
    mirror = Mirrors.discover(os.environ).debian
    script = f"""set -eu
    dpkg --audit
    dpkg-query -W -f '${{db:Status-Abbrev}}\\n' | sort -u
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror} {image.base.suite} main\\n' \
        > /etc/apt/sources.list.d/debian.sources.list
    rm -f /etc/apt/sources.list.d/debian.sources
    apt-get update -qq >&2
    apt-get check -qq >&2
    apt-get install -y -qq --no-install-recommends bsdextrautils >&2
    column --version
    """
    done = runner.run(loaded(image), args=["bash", "-c", script], network="host", timeout=300)
    assert done.code == 0, done.stderr.decode()
    assert done.stdout.startswith(b"ii \ncolumn from"), done.stdout


# --- the command line -------------------------------------------------------------------------------------


def imagemill(*args: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "imagemill", *args],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("image", RUN, ids=label)
def test_imagemill_run_as_the_readme_says(image: Image, loaded: Loaded) -> None:
    loaded(image)
    example = image.runtime.example
    done = imagemill(
        "run", image.tags[-1], "--task-dir", f"examples/{example.directory}", example.handler, example.event
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == json.loads(example.result)
    assert "START RequestId" in done.stderr
    assert "REPORT RequestId" in done.stderr


def test_make_images_again_touches_nothing(artifacts: dict[str, Artifact]) -> None:
    files = sorted(p for p in (ROOT / "dist").rglob("*") if p.is_file())
    before = [(p, p.stat().st_mtime_ns, p.stat().st_ino) for p in files]
    done = imagemill("build", "--no-load")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("unchanged") == len(IMAGES)
    assert done.stdout.splitlines() == [f"{i.tags[-1]}@{artifacts[i.name].digest}" for i in IMAGES]
    assert [(p, p.stat().st_mtime_ns, p.stat().st_ino) for p in files] == before


# --- three engines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["docker", "buildah"])
def test_another_engine_gives_the_same_image(
    engine: str, artifacts: dict[str, Artifact], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The rendered Dockerfile of a real image: the same digest from BuildKit and buildah as from our own engine."""
    fixture = request.getfixturevalue("dockerd" if engine == "docker" else "buildah")
    environ = fixture if engine == "docker" else os.environ
    image = next(image for image in RUN if image.runtime.family == "provided")
    elsewhere = Workshop(
        Paths(ROOT, ROOT / ".imagemill"), Dist(tmp_path), Mirrors.discover(os.environ), Silent(), environ
    )
    [result] = elsewhere.build(load(ROOT), [image], engine=engine)
    assert result.artifact.engine == engine
    assert result.artifact.platforms == artifacts[image.name].platforms
    assert result.artifact.digest == artifacts[image.name].digest


def test_an_image_that_lost_its_name_is_removed(
    runner: containers.Runner, workshop: Workshop, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    name = f"{REPOSITORY}:test-replaced"
    text = "FROM scratch\nADD a.tar /\nLABEL io.imagemill.runtime=test\n"
    seen = []
    for content in (b"old", b"new"):
        blob = tarball.write({"x": Entry("file", content=content)}, tmp_path / "a.tar.gz", epoch=1)
        layout = tmp_path / content.decode()
        context = Context(text, {"a.tar": blob})
        embedded.build(context, native(), layout=layout, name="x", epoch=1, scratch=tmp_path / "scratch")
        runner.load({layout: [name]})
        runner.tidy()
        seen.append(containers.identities(layout))
    request.addfinalizer(lambda: subprocess.run([runner.name, "rmi", name], env=runner.environ, check=False))
    assert runner.has({name: seen[1]}) == {name}
    listed = subprocess.run(
        [runner.name, "images", "--all", "--quiet", "--no-trunc"],
        env=runner.environ,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert not any(digest in listed for digest in seen[0])
    assert any(digest in listed for digest in seen[1])


@pytest.mark.parametrize(
    ("image", "family"),
    [
        pytest.param(image, family, id=f"{family}-in-{label(image)}")
        for family in recorder.FUNCTIONS
        for image in RUN
        if image.runtime.family == family and image.runtime.name not in ("python2.7", "nodejs4.3", "nodejs6.10")
    ],
)
def test_the_recording_functions_record(
    image: Image, family: str, runner: containers.Runner, loaded: Loaded, tmp_path: Path
) -> None:
    with zipfile.ZipFile(io.BytesIO(recorder.function(family))) as archive:
        for info in archive.infolist():
            (tmp_path / info.filename).write_bytes(archive.read(info))
            (tmp_path / info.filename).chmod(info.external_attr >> 16)
    tmp_path.chmod(0o755)
    done = runner.run(
        loaded(image),
        args=[recorder.FUNCTIONS[family][1], "{}"],
        mounts=[containers.Mount(tmp_path, "/var/task")],
        network="none",
        timeout=DURATION,
    )
    assert done.code == 0, done.stderr.decode()
    record = recorder.parse(done.stdout.decode().splitlines()[-1], label(image))
    assert (record.uid, record.cwd, record.writable) == (993, "/var/task", ("/tmp",))
    assert record.environment["LAMBDA_TASK_ROOT"] == "/var/task"
    if family != "provided":
        assert image.runtime.name.removeprefix(family).startswith(record.language["version"].split(".")[0])
