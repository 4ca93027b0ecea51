"""The embedded engine and the factory around it, with tiny layers in place of real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imagemill.aging import Effective
from imagemill.assemble import Assembled, tarball
from imagemill.assemble.compression import GZIP, Compression, parse
from imagemill.crew import Crew
from imagemill.dist import Dist
from imagemill.engine import Context, embedded
from imagemill.errors import DockerfileError
from imagemill.factory import Factory, Paths
from imagemill.filetree import Entry
from imagemill.layers import Job, LayerStore, craft
from imagemill.load import load
from imagemill.lock import read
from imagemill.oci import Layout
from imagemill.plan import plan, select
from imagemill.platforms import find
from imagemill.progress import Silent

ROOT = Path(__file__).parents[2]
IMAGES = plan(load(ROOT))
AMD64 = find("amd64")


def build(tmp_path: Path, dockerfile: str, **files: bytes) -> tuple[dict[str, Any], Layout, str]:
    """Execute a Dockerfile whose archive a.tar holds one file. Returns the configuration and the layout."""
    blob = tarball.write({"etc/x": Entry("file", content=b"x", mtime=5)}, tmp_path / "a.tar.gz", epoch=9)
    there = {name: Entry("file", content=content) for name, content in files.items()}
    context = Context(
        dockerfile, {"a-amd64.tar": blob}, there, {"GIVEN": "given"}, directories=frozenset({"/var/task"})
    )
    descriptor = embedded.build(
        context, AMD64, layout=tmp_path / "out", name="x", epoch=9, scratch=tmp_path / "scratch"
    )
    layout = Layout(tmp_path / "out")
    manifest = layout.read_json(descriptor.digest)
    return layout.read_json(manifest["config"]["digest"]), layout, descriptor.digest


DOCKERFILE = """FROM scratch
ARG TARGETARCH
ADD a-${TARGETARCH}.tar /
ARG GIVEN=default
ARG OTHER=default
ENV A=1 B="$GIVEN $OTHER"
ENV A=2
LABEL l="${A}"
USER me
WORKDIR /var/task
EXPOSE 80 90/udp
ENTRYPOINT ["/init", "-x"]
CMD ["a b"]
"""


def test_the_configuration_is_what_the_dockerfile_says(tmp_path: Path) -> None:
    config, _, _ = build(tmp_path, DOCKERFILE)
    assert config["config"] == {
        "Cmd": ["a b"],
        "Entrypoint": ["/init", "-x"],
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=2", "B=given default"],
        "ExposedPorts": {"80/tcp": {}, "90/udp": {}},
        "Labels": {"l": "2"},
        "User": "me",
        "WorkingDir": "/var/task",
    }
    assert (config["architecture"], config["os"], config["created"]) == ("amd64", "linux", "1970-01-01T00:00:09Z")


def test_each_archive_is_a_layer_and_each_instruction_has_its_history(tmp_path: Path) -> None:
    config, _, _ = build(tmp_path, DOCKERFILE)
    assert len(config["rootfs"]["diff_ids"]) == 1
    assert [row.get("empty_layer", False) for row in config["history"]].count(False) == 1
    assert len(config["history"]) == len(DOCKERFILE.splitlines()) - 1


def test_copy_makes_a_layer(tmp_path: Path) -> None:
    text = "FROM scratch\nCOPY --chmod=0755 --chown=993:990 run /var/runtime/\n"
    config, layout, digest = build(tmp_path, text, run=b"#!/bin/sh\n")
    [layer] = layout.read_json(digest)["layers"]
    import tarfile

    with tarfile.open(layout.blob_path(layer["digest"])) as archive:
        member = archive.getmember("var/runtime/run")
        assert (member.mode, member.uid, member.gid, member.mtime) == (0o755, 993, 990, 0)
    assert len(config["rootfs"]["diff_ids"]) == 1


REFUSED = {
    "FROM an image": ("FROM debian", "only FROM scratch"),
    "missing file": ("FROM scratch\nCOPY nothing /x", "'nothing' is not there"),
    "archive elsewhere": ("FROM scratch\nADD a-amd64.tar /opt/", "layer archives go to /"),
    "an unknown owner": ("FROM scratch\nCOPY --chown=me run /x", "/etc/passwd of the image so far has no 'me'"),
    "two users": ("FROM scratch\nUSER a b", "takes one argument"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_outside_the_subset_is_an_error_with_its_line(name: str, tmp_path: Path) -> None:
    text, problem = REFUSED[name]
    with pytest.raises(DockerfileError, match=problem):
        build(tmp_path, text, run=b"x")


# --- the factory ------------------------------------------------------------------------------------------


class Here(Crew):
    """A crew that works in this process."""

    def __init__(self) -> None:
        super().__init__(0, craft)

    def do(self, job: object) -> object:
        return self._work(job)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands in for the making of layers: each holds its job's name. Returns what was made, in order."""
    names: list[str] = []

    def assemble(self: LayerStore, job: Job, root: Path, cache: object, scratch: Path) -> Assembled:
        names.append(job.words)
        return Assembled({"name": Entry("file", content=job.words.encode())}, [], 7)

    monkeypatch.setattr(LayerStore, "_assemble", assemble)
    monkeypatch.setattr(Factory, "_crew", lambda self, size: Here())
    return names


def make(
    tmp_path: Path, *words: str, platforms: tuple[str, ...] = (), compression: Compression = GZIP
) -> tuple[Dist, dict[str, bool]]:
    """Build images. Returns the dist and, for each image, whether it was there already."""
    dist = Dist(tmp_path / "dist")
    factory = Factory(Paths(ROOT, tmp_path / "state"), dist, Silent(), compression=compression)
    lock_of = {"debian-trixie": Effective(read(ROOT / "runtimes/lock/debian-trixie.json"))}
    stale, there = factory.pending(select(IMAGES, words), lock_of, platforms)
    results = there + factory.make(stale, lock_of, platforms=platforms)
    return dist, {result.artifact.name: result.reused for result in results}


def test_shared_layers_are_made_once(made: list[str], tmp_path: Path) -> None:
    make(tmp_path, "@python3.13")
    assert len([words for words in made if words.startswith("debian-trixie for amd64")]) == 1
    assert len(made) == 2 * 7  # six kinds of layer, two databases, and that on two platforms


def test_nothing_is_made_twice(made: list[str], tmp_path: Path) -> None:
    assert set(make(tmp_path, "@python3.13")[1].values()) == {False}
    count = len(made)
    assert set(make(tmp_path, "@python3.13")[1].values()) == {True}
    assert len(made) == count


def test_an_index_has_every_platform_sorted(made: list[str], tmp_path: Path) -> None:
    dist, _ = make(tmp_path, "python3.13")
    artifact = dist.read()["python3.13-debian"]
    assert [image.platform for image in Layout(dist.index(artifact.name)).images()] == ["linux/amd64", "linux/arm64"]
    assert sorted(artifact.platforms) == ["linux/amd64", "linux/arm64"]


def test_two_builds_have_the_same_digests(made: list[str], tmp_path: Path) -> None:
    first, _ = make(tmp_path / "one", "python3.13", "build-nodejs24.x")
    second, _ = make(tmp_path / "somewhere else", "build-nodejs24.x", "python3.13")
    assert {n: a.digest for n, a in first.read().items()} == {n: a.digest for n, a in second.read().items()}


def test_a_lost_layout_is_made_again(made: list[str], tmp_path: Path) -> None:
    dist, _ = make(tmp_path, "python3.13")
    (dist.layout("python3.13-debian", "arm64") / "index.json").unlink()
    count = len(made)
    assert make(tmp_path, "python3.13")[1] == {"python3.13-debian": False}
    assert len(made) == count  # the layers were still there


def test_one_platform_alone_is_not_taken_for_all(made: list[str], tmp_path: Path) -> None:
    make(tmp_path, "python3.13", platforms=("linux/amd64",))
    assert make(tmp_path, "python3.13", platforms=("linux/amd64",))[1] == {"python3.13-debian": True}
    assert make(tmp_path, "python3.13")[1] == {"python3.13-debian": False}


def test_a_damaged_layer_is_made_again(made: list[str], tmp_path: Path) -> None:
    make(tmp_path, "python3.13")
    for blob in (tmp_path / "state" / "layers").glob("*.tar.gz"):
        blob.unlink()
    (tmp_path / "dist" / "digests.json").unlink()
    count = len(made)
    make(tmp_path, "python3.13")
    assert len(made) == 2 * count


def test_another_compression_is_another_artifact_of_the_same_layers(made: list[str], tmp_path: Path) -> None:
    dist, _ = make(tmp_path, "python3.13")
    first = dist.read()["python3.13-debian"]
    count = len(made)
    zstd = parse("zstd:3")
    assert make(tmp_path, "python3.13", compression=zstd)[1] == {"python3.13-debian": False}
    assert len(made) == count, "no layer was assembled again"
    second = dist.read()["python3.13-debian"]
    layout = Layout(dist.index("python3.13-debian"))
    assert first.digest != second.digest
    for image in layout.images():
        manifest = layout.read_json(image.digest)
        assert {row["mediaType"] for row in manifest["layers"]} == {zstd.media_type}
        assert manifest["config"]["digest"] == first.platforms[image.platform].config, "the diff ids are the same"
    assert make(tmp_path, "python3.13", compression=zstd)[1] == {"python3.13-debian": True}
    assert make(tmp_path, "python3.13")[1] == {"python3.13-debian": False}
    assert dist.read()["python3.13-debian"] == first


def test_the_record_says_what_was_built(made: list[str], tmp_path: Path) -> None:
    dist, _ = make(tmp_path, "python3.13")
    row = json.loads((dist.path / "digests.json").read_bytes())["images"]["python3.13-debian"]
    assert row["tags"] == ["python3.13-debian", "python3.13"]
    assert (row["engine"], row["lock"], len(row["input_hash"])) == ("embedded", "exact", 64)
    assert all(built["digest"].startswith("sha256:") for built in row["platforms"].values())
    assert row["platforms"]["linux/arm64"]["tags"] == ["python3.13-debian-arm64", "python3.13-arm64"]


def test_an_image_says_what_it_is(made: list[str], tmp_path: Path) -> None:
    dist, _ = make(tmp_path, "nodejs24.x")
    layout = Layout(dist.index("nodejs24.x-debian"))
    [entry] = layout.entries()
    notes = layout.read_json(entry.digest)["annotations"]
    prefix = "org.opencontainers.image."
    assert {name.removeprefix(prefix) for name in notes} == {
        *("title", "description", "version", "url", "source", "documentation", "vendor", "licenses"),
        *("base.name", "created"),
    }
    assert (notes[f"{prefix}title"], notes[f"{prefix}version"]) == ("nodejs24.x", "24.x")
    assert all(layout.read_json(image.digest)["annotations"] == notes for image in layout.images())
