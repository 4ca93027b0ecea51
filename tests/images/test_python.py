"""What is special to Python: its place and search path, handlers in folders, the SDK."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stage import DURATION, IMAGES, ROOT, Loaded

from imagemill.engine import containers
from imagemill.plan import Image

RUN = [image for image in IMAGES if image.runtime.family == "python" and image.variant == "run"]
FUNCTIONS = ROOT / "tests" / "images" / "functions" / "python"
# as in the real runtimes: the SDK of older ones lies beside their client
SEARCH_PATH = """
import json, os, sys
import boto3
PATH = list(sys.path)
def handler(event, context):
    s3 = boto3.client("s3", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
    return [sys.prefix, PATH, os.environ["PYTHONPATH"], boto3.__file__, url]
"""

pytestmark = pytest.mark.engine


def label(image: Image) -> str:
    return image.tags[-1]


def version(image: Image) -> str:
    return image.runtime.name.removeprefix("python")


def call(runner: containers.Runner, name: str, handler: str, task: Path = FUNCTIONS, event: str = "{}") -> object:
    mounts = [containers.Mount(task, "/var/task")]
    done = runner.run(name, args=[handler, event], mounts=mounts, network="none", timeout=DURATION)
    assert done.code == 0, done.stderr.decode()
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("image", RUN, ids=label)
def test_python_lives_in_var_lang(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    script = (
        "import sys, site, sysconfig, ssl, sqlite3, ctypes, zlib, json;"
        "print(json.dumps([sys.prefix, site.getsitepackages(), sysconfig.get_path('purelib')]))"
    )
    # without a variable that would help it
    program = f"/var/lang/bin/python{version(image)}"
    done = runner.run(loaded(image), entrypoint="/usr/bin/env", args=["-i", program, "-c", script])
    assert done.code == 0, done.stderr
    site = f"/var/lang/lib/python{version(image)}/site-packages"
    assert json.loads(done.stdout) == ["/var/lang", [site], site]


@pytest.mark.parametrize("image", RUN, ids=label)
def test_the_search_path_and_the_sdk(image: Image, runner: containers.Runner, loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SEARCH_PATH)
    tmp_path.chmod(0o755)
    answer = call(runner, loaded(image), "app.handler", tmp_path)
    assert isinstance(answer, list)
    prefix, path, exported, sdk, url = answer
    lang = f"/var/lang/lib/python{version(image)}"
    assert prefix == "/var/lang"
    layers = [f"/opt/python/lib/python{version(image)}/site-packages", "/opt/python"]
    assert path[:4] == ["/var/task", *layers, "/var/runtime"]
    assert lang in path
    assert path[-1] == f"{lang}/site-packages"
    assert exported == "/var/runtime"
    old = tuple(map(int, version(image).split("."))) <= (3, 10)
    assert sdk.startswith("/var/runtime/boto3/" if old else f"{lang}/site-packages/boto3/")
    assert url.startswith("https://bucket.s3.amazonaws.com/key?")


@pytest.mark.parametrize("image", RUN, ids=label)
@pytest.mark.parametrize(("handler", "name"), [("places/deep.handler", "deep"), ("package/inner.handler", "inner")])
def test_handlers_may_be_in_folders(
    handler: str, name: str, image: Image, runner: containers.Runner, loaded: Loaded
) -> None:
    assert call(runner, loaded(image), handler) == name
