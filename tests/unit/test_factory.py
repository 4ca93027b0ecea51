"""The factory around the embedded engine, with tiny layers in place of real ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imagemill import snapshot
from imagemill.aging import Effective
from imagemill.assemble import Assembled
from imagemill.assemble.compression import GZIP, Compression, parse
from imagemill.crew import Crew
from imagemill.dist import Dist
from imagemill.factory import Factory, Paths
from imagemill.filetree import Entry
from imagemill.layers import Job, LayerStore, craft
from imagemill.load import load
from imagemill.lock import read
from imagemill.oci import Layout
from imagemill.plan import plan, select
from imagemill.progress import Silent

ROOT = Path(__file__).parents[2]
IMAGES = plan(load(ROOT))


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


def test_a_known_hash_spares_the_rendering_of_what_is_there_and_of_nothing_else(
    made: list[str], rendered: list[str], tmp_path: Path
) -> None:
    hashes = snapshot.current(ROOT, tmp_path / "state").hashes
    make(tmp_path, "@python3.13")
    images = select(IMAGES, ["@python3.13"])
    lock = read(ROOT / "runtimes/lock/debian-trixie.json")
    aged = Effective(lock, ("one: 1 -> 2",))
    for known, effective, stale in (
        (hashes, Effective(lock), set()),
        (hashes | {"python3.13-debian": "0"}, Effective(lock), {"python3.13-debian"}),
        (hashes, aged, {image.name for image in images}),
    ):
        factory = Factory(Paths(ROOT, tmp_path / "state"), Dist(tmp_path / "dist"), Silent(), hashes=known)
        rendered.clear()
        found, there = factory.pending(images, {"debian-trixie": effective})
        assert {one.image.name for one in found} == stale == set(rendered)
        assert len(there) + len(stale) == 3


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
