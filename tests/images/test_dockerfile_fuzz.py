"""The embedded engine against BuildKit: Dockerfiles made up by hypothesis give the same image.

`IMAGEMILL_FUZZ=5000` tries so many, each time others; without it there are a few, always the same.
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
from dockerfiles import contexts
from hypothesis import HealthCheck, given, note, settings

from imagemill.engine import Context, docker, embedded
from imagemill.errors import DockerfileError, EngineError, LayoutError
from imagemill.oci import Layout
from imagemill.platforms import find
from imagemill.tarwalk import walk

pytestmark = pytest.mark.engine

EPOCH = 1_757_664_000
CASES = int(os.environ.get("IMAGEMILL_FUZZ", "0"))


def told(layout: Path) -> list[str]:
    """An image in lines: configuration, history, and each layer's entries."""
    found = Layout(layout)
    [image] = found.images()
    manifest = found.read_json(image.digest)
    config = found.read_json(manifest["config"]["digest"])
    lines = [json.dumps(config["config"], sort_keys=True, ensure_ascii=False), *map(json.dumps, config["history"])]
    for number, row in enumerate(manifest["layers"]):
        plain = layout.with_name(f"{layout.name}-{number}")
        plain.write_bytes(gzip.decompress(found.read_blob(row["digest"])))
        for path, e in walk(plain.read_bytes(), plain):
            owner = f"{e.kind} {e.mode:o} {e.uid}:{e.gid} @{e.mtime}"
            lines.append(f"layer {number}: /{path} {owner} {e.target} {e.read()[:60]!r} {dict(e.xattrs)}")
    return [*lines, image.digest]


def difference(context: Context, environ: Mapping[str, str]) -> str:
    """How what BuildKit makes of a context differs from what the embedded engine makes; empty when both agree."""
    connect = partial(docker.client, environ)
    with tempfile.TemporaryDirectory(prefix="imagemill-fuzz-") as folder:
        made = []
        for name, build in (("embedded", embedded.build), ("docker", partial(docker.build, connect=connect))):
            layout = Path(folder, name)
            try:
                build(context, find("amd64"), layout=layout, name="t", epoch=EPOCH, scratch=Path(folder, "scratch"))
                made.append(told(layout))
            except (DockerfileError, EngineError, LayoutError) as error:
                made.append([f"refused: {error}"])
    one, other = made
    if one == other or (one[0].startswith("refused") and other[0].startswith("refused")):
        return ""
    lines = [f"  {'=' if line in one else '+'} {line}" for line in other]
    return "\n".join([*(f"  - {line}" for line in one if line not in other), *lines])


@settings(
    max_examples=CASES or 60,
    derandomize=not CASES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(context=contexts())
def test_buildkit_agrees(dockerd: Mapping[str, str], context: Context) -> None:
    found = difference(context, dockerd)
    note(f"{context.dockerfile}{context.files}")
    assert not found, f"\n{found}"
