"""What is special to Java: the shapes that a handler may have, the trust store, and what build images compile."""

from __future__ import annotations

import json

import pytest
from stage import DURATION, IMAGES, ROOT, Loaded

from imagemill.engine import containers
from imagemill.plan import Image

JAVA = [image for image in IMAGES if image.runtime.family == "java"]
RUN = [image for image in JAVA if image.variant == "run"]
BUILD = [image for image in JAVA if image.variant == "build"]
OUT = ROOT / "tests" / "images" / "functions" / "java" / "out"
ORDER = {"items": [{"Name": "a", "count": 2, "more": 1}, {"name": "b", "count": "3"}], "size": "LARGE"}

pytestmark = pytest.mark.engine


def label(image: Image) -> str:
    return image.tags[-1]


SHAPES: dict[str, tuple[str, object, object]] = {  # handler, event, result
    "objects by the interface's types": ("shapes.Pojo", ORDER, {"total": 5, "names": "a,b", "size": "LARGE"}),
    "streams": ("shapes.Stream", {"a": "b"}, {"A": "B"}),
    "a static method of streams": ("shapes.Stream::raw", "x", {"first": ord('"')}),
    "a method of a list": ("shapes.Stream::sum", [1, 2, 3], {"sum": 6}),
    "the longest of several methods": ("shapes.Stream::pick", "x", "two"),
    "a primitive result": ("shapes.Stream::length", "four", 4),
}


@pytest.mark.parametrize("image", RUN, ids=label)
@pytest.mark.parametrize("name", SHAPES)
def test_the_shape_of_a_handler(image: Image, name: str, runner: containers.Runner, loaded: Loaded) -> None:
    handler, event, result = SHAPES[name]
    mounts = [containers.Mount(OUT / "task", "/var/task")]
    args = [handler, json.dumps(event)]
    done = runner.run(loaded(image), args=args, mounts=mounts, network="none", timeout=DURATION)
    assert json.loads(done.stdout.splitlines()[-1]) == result, done.stderr


@pytest.mark.parametrize("image", BUILD, ids=label)
def test_java_trusts_what_the_system_trusts(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    script = (
        "keytool -list -keystore /etc/pki/java/cacerts -storepass changeit 2>/dev/null | grep -c trustedCertEntry; "
        "grep -c BEGIN /etc/ssl/certs/ca-certificates.crt"
    )
    done = runner.run(loaded(image), args=["sh", "-c", script], network="none", timeout=DURATION)
    trusted, known = done.stdout.split()
    assert trusted == known != b"0", done.stderr


@pytest.mark.parametrize("image", BUILD, ids=label)
def test_gradle_and_maven_start_and_javac_compiles(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    script = (
        "mkdir /tmp/out && javac -cp /var/runtime/lib/lambda-core.jar -d /tmp/out example/Handler.java && "
        "test -s /tmp/out/example/Handler.class && "
        "mvn -v && gradle --offline -v"
    )
    mounts = [containers.Mount(ROOT / "examples" / "java", "/var/task")]
    done = runner.run(loaded(image), args=["sh", "-c", script], mounts=mounts, network="none", timeout=DURATION)
    assert done.code == 0, done.stderr
    assert b"Apache Maven 3" in done.stdout, done.stderr
    assert b"Gradle " in done.stdout, done.stderr
