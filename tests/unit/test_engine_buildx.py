"""What the buildx plugin is told; the `docker` command is a shell script that remembers its arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagemill.engine import Context, buildx
from imagemill.engine.children import Children
from imagemill.errors import EngineError
from imagemill.filetree import Entry
from imagemill.oci import Blob, Layout
from imagemill.platforms import find

OCI = """
mkdir -p oci/blobs/sha256
put() { digest=$(printf %s "$1" | sha256sum); digest=${digest%% *}; printf %s "$1" > oci/blobs/sha256/$digest; }
put '{"architecture":"arm64","os":"linux","config":{"Cmd":["x"]},"rootfs":{"diff_ids":[]}}'
config='"config":{"mediaType":"c","digest":"sha256:'$digest'","size":1}'
put '{"schemaVersion":2,"mediaType":"m",'$config',"layers":[]}'
row='{"mediaType":"m","digest":"sha256:'$digest'","size":1}'
printf %s '{"schemaVersion":2,"manifests":['$row']}' > oci/index.json
echo '{"imageLayoutVersion":"1.0.0"}' > oci/oci-layout
"""


def docker(folder: Path, script: str) -> dict[str, str]:
    """The environment in which this is `docker`; what `buildx build` is told and sees is in `told` and `seen`."""
    folder.mkdir()
    path = folder / "docker"
    path.write_text(
        f"""#!/bin/sh
case "$1 $2" in
    'buildx version') exit ${{NO_PLUGIN:-0}} ;;
    'context show') echo far-away; exit ;;
esac
printf '%s\\n' "$@" > '{folder}/told'
find . -type f | sort > '{folder}/seen'
{script}
"""
    )
    path.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def build(tmp_path: Path, environ: dict[str, str], target: str = "") -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(b"layer")
    files = {"sub/file": Entry("file", content=b"text"), ".dockerignore": Entry("file", content=b"none\n")}
    context = Context("FROM scratch\n", {"a.tar": Blob("d", "d", 5, blob)}, files, {"FLAVOUR": "x"}, target)
    scratch = tmp_path / "a, b"
    found = buildx.build(
        context, find("arm64"), layout=tmp_path / "out", name="t", epoch=5, scratch=scratch, environ=environ,
        call=Children().call,
    )  # fmt: skip
    assert found.platform == "linux/arm64"
    assert list(scratch.iterdir()) == []


def test_build(tmp_path: Path) -> None:
    build(tmp_path, docker(tmp_path / "bin", OCI), "stage")
    told = (tmp_path / "bin" / "told").read_text().splitlines()
    assert told == [
        *("buildx", "build", "--quiet", "--builder", "far-away", "--provenance=false", "--sbom=false"),
        *("--platform", "linux/arm64", "--output", "type=oci,tar=false,compression=uncompressed,dest=oci"),
        *("--build-arg", "SOURCE_DATE_EPOCH=5", "--build-arg", "FLAVOUR=x", "--target", "stage", "--no-cache"),
        *("--file", "Dockerfile", "context"),
    ]
    assert (tmp_path / "bin" / "seen").read_text().split() == [
        *("./Dockerfile", "./Dockerfile.dockerignore"),
        *("./context/.dockerignore", "./context/Dockerfile", "./context/a.tar", "./context/sub/file"),
    ]
    [image] = Layout(tmp_path / "out").images()
    assert image.platform == "linux/arm64"


def test_what_it_refuses(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="does not build for linux/arm64: ERROR: unknown instruction: NOPE"):
        build(tmp_path, docker(tmp_path / "bin", "echo 'ERROR: unknown instruction: NOPE' >&2; exit 1"))
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "a, b").iterdir()) == []


def test_whether_it_is_there(tmp_path: Path) -> None:
    environ, call = docker(tmp_path / "bin", ""), Children().call
    assert buildx.there(environ, call)
    assert not buildx.there({**environ, "NO_PLUGIN": "1"}, call)
    assert not buildx.there({"PATH": str(tmp_path)}, call)
