"""What bake writes, built by a real `docker buildx bake` in a daemon with the containerd image store."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from imagemill import bake, export, oci, recompress
from imagemill.assemble import tarball
from imagemill.assemble.compression import parse
from imagemill.contexts import Ready
from imagemill.engine import Context, embedded
from imagemill.engine.embedded.lineage import steps
from imagemill.engine.settling import settle
from imagemill.filetree import Entry
from imagemill.labels import labels
from imagemill.load import load
from imagemill.oci import Blob, Descriptor, Layout
from imagemill.plan import plan, select
from imagemill.platforms import PLATFORMS, find, native
from imagemill.render import Renderer
from registry import registry

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]
EPOCH = 1_757_664_000
WORDS = ["@python3.13"]
ZSTD = parse("zstd")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Ready]:
    """The images of one runtime, with their real Dockerfiles and small layers that share directories."""
    folder = tmp_path_factory.mktemp("layers")
    renderer = Renderer(ROOT)
    found = []
    for image in select(plan(load(ROOT)), WORDS):
        rendered = renderer.render(image)
        contexts = {}
        for platform in PLATFORMS.values():
            if str(platform) not in image.platforms:
                continue
            archives: dict[str, Blob] = {}
            for recipe in rendered.recipes:
                owner = "build" if recipe.name == "packages" and image.variant == "build" else recipe.name
                tree = {
                    "var": Entry("dir", 0o755, mtime=EPOCH),
                    f"var/{recipe.name}": Entry("file", 0o640, 993, 990, 1_234_567_890, f"{owner} {platform}".encode()),
                    "var/link": Entry("symlink", 0o777, mtime=EPOCH, target=recipe.name),
                    # as shared layers have it: engines that compare leave these out of all layers but the first
                    "var/same": Entry("file", mtime=EPOCH, content=b"same"),
                    "var/empty": Entry("dir", 0o755, mtime=len(recipe.name)),
                }
                if recipe.name == "system":
                    tree["var/task"] = Entry("dir", 0o755, mtime=EPOCH)
                place = folder / f"{owner}-{recipe.name}-{platform.arch}.tar.gz"
                archives[f"{recipe.name}-{platform.arch}.tar"] = tarball.write(tree, place, epoch=EPOCH)
            contexts[str(platform)] = Context(rendered.dockerfile, archives, {}, {"IMAGEMILL_LOCK": "exact"})
        found.append(Ready(rendered, contexts, EPOCH))
    return found


def baked(containerd: Mapping[str, str], folder: Path, *arguments: str) -> str:
    """Run bake, which must succeed. Returns its progress."""
    done = subprocess.run(
        ["docker", "buildx", "bake", "--progress", "plain", *arguments],
        cwd=folder,
        env=containerd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def said(containerd: Mapping[str, str], *arguments: str) -> str:
    """What a `docker` command says; it must succeed."""
    done = subprocess.run(["docker", *arguments], env=containerd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def unpacked(file: Path, folder: Path) -> Layout:
    with tarfile.open(file) as tar:
        tar.extractall(folder, filter="data")
    return Layout(folder)


def settled(layout: Layout, image: Descriptor, one: Ready, folder: Path) -> tuple[Descriptor, dict[str, Any]]:
    """An image of BuildKit's in the factory's form: its manifest's descriptor, and its configuration."""
    manifest = layout.read_json(image.digest)
    config = layout.read_json(manifest["config"]["digest"])
    layers = (layout.blob_path(row["digest"]).open("rb") for row in manifest["layers"])
    made = settle(
        config,
        layers,
        folder,
        name="x",
        epoch=EPOCH,
        scratch=folder.parent / "scratch",
        steps=steps(one.contexts[image.platform], find(image.platform)),
    )
    return made, Layout(folder).read_json(Layout(folder).read_json(made.digest)["config"]["digest"])


def test_bake_makes_what_the_embedded_engine_makes(
    containerd: Mapping[str, str], images: list[Ready], tmp_path: Path
) -> None:
    out = tmp_path / "bake"
    bake.write(images, out, repository="example.test/lambda")
    targets = [target for target in bake.targets(images) if target.is_image]
    outputs = [f"--set={target.name}.output=type=oci,dest={tmp_path}/{target.name}.tar" for target in targets]
    baked(containerd, out, *outputs)
    for target in targets:
        one = target.of
        layout = unpacked(tmp_path / f"{target.name}.tar", tmp_path / target.name)
        [entry, *_] = layout.entries()
        index = layout.read_json(entry.digest)
        assert index["annotations"] == oci.about(
            {"config": {"Labels": labels(one.image)}, "created": "2025-09-12T08:00:00Z"}
        )
        found = {image.platform: image for image in layout.images()}
        assert sorted(found) == sorted(one.image.platforms), "both platforms, and no attestations"
        for name, image in found.items():
            mine = embedded.build(
                one.contexts[name],
                find(name),
                layout=tmp_path / "mine",
                name="x",
                epoch=EPOCH,
                scratch=tmp_path / "scratch",
            )
            theirs, config = settled(layout, image, one, tmp_path / "theirs")
            expected = Layout(tmp_path / "mine")
            own = expected.read_json(expected.read_json(mine.digest)["config"]["digest"])
            assert config["rootfs"] == own["rootfs"], (target.name, name)
            assert config == own
            assert theirs.digest == mine.digest, "and so all of it is the same"
            assert layout.read_json(image.digest)["annotations"] == index["annotations"]


def test_shared_layers_are_built_once_and_continued(
    containerd: Mapping[str, str], images: list[Ready], tmp_path: Path
) -> None:
    bake.write(images, tmp_path, repository="example.test/lambda")
    printed = subprocess.run(
        ["docker", "buildx", "bake", "--print", "serve"],
        cwd=tmp_path,
        env=containerd,
        capture_output=True,
        text=True,
        check=True,
    )
    data = json.loads(printed.stdout)
    assert data["target"]["serve-python3-13-debian"]["contexts"] == {"layers": "target:layers-python3-13"}
    assert set(data["target"]) == {"serve-python3-13-debian", "layers-python3-13", "layers-debian-trixie"}
    assert data["target"]["serve-python3-13-debian"]["tags"][0].startswith("example.test/lambda:")
    baked(containerd, tmp_path, "run", "serve")  # no outputs: into the daemon's own store
    ids = []
    for tag in ("python3.13", "serve-python3.13"):
        [row] = json.loads(said(containerd, "image", "inspect", f"example.test/lambda:{tag}"))
        ids.append(row["RootFS"]["Layers"])
    assert len(ids[0]) >= 4
    assert ids[0] == ids[1], "run and serve are the same layers"


def test_a_fresh_builder_takes_from_the_cache_what_another_made(
    programs: Path,
    containerd: Mapping[str, str],
    images: list[Ready],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Of the lowest target at least: BuildKit up to 0.13 makes the layers of a target that continues one again."""
    with registry(programs / "docker-registry", tmp_path_factory.mktemp("registry")) as served:
        address = f"127.0.0.1:{served.port}"
        bake.write(images, tmp_path, repository=f"{address}/lambda", cache=f"{address}/cache")
        baked(containerd, tmp_path, "serve", "--push")
        said(containerd, "buildx", "prune", "--all", "--force")
        again = baked(containerd, tmp_path, "serve", "--push")
    for arch in ("amd64", "arm64"):
        [step] = {line.split()[0] for line in again.splitlines() if f" ADD system-{arch}.tar " in line}
        assert f"{step} CACHED" in again, again


def test_provenance_is_attested_when_asked_for(
    containerd: Mapping[str, str], images: list[Ready], tmp_path: Path
) -> None:
    bake.write(images[:1], tmp_path / "bake", repository="x", attestations=["type=provenance,mode=max"])
    baked(containerd, tmp_path / "bake", f"--set=*.output=type=oci,dest={tmp_path}/out.tar")
    layout = unpacked(tmp_path / "out.tar", tmp_path / "out")
    [entry, *_] = layout.entries()  # one for each tag
    kinds = [
        row.get("annotations", {}).get("vnd.docker.reference.type")
        for row in layout.read_json(entry.digest)["manifests"]
    ]
    assert kinds.count("attestation-manifest") == 2
    assert kinds.count(None) == 2


@pytest.mark.parametrize("form", ["oci", "docker", "for_lambda"])
def test_docker_loads_what_export_writes(
    form: str, containerd: Mapping[str, str], images: list[Ready], tmp_path: Path
) -> None:
    """The containerd store reads an index and a manifest of Docker's; a docker-archive is for older ones too."""
    built = []
    for name, context in images[0].contexts.items():
        layout = tmp_path / name.replace("/", "-")
        scratch = tmp_path / "scratch"
        image = embedded.build(context, find(name), layout=layout, name="x", epoch=EPOCH, scratch=scratch)
        built.append((layout, recompress.image(layout, ZSTD, tmp_path / "store", "x") if form == "oci" else image))
    index = oci.write_index(tmp_path / "index", built, "x")
    out, called = tmp_path / "out.tar", f"imagemill/export:{form}"
    one = tmp_path / f"linux-{native().arch}"
    if form == "oci":
        expected = export.oci(tmp_path / "index", out, [called])
        assert expected.digest == index.digest
    elif form == "docker":
        expected = export.docker(one, out, [called])
    else:
        expected = export.for_lambda(one, out, [called], tmp_path / "store")
    said(containerd, "load", "--input", str(out))
    [row] = json.loads(said(containerd, "image", "inspect", called))
    assert row["RepoTags"] == [called]
    assert row["Config"]["Labels"]["io.imagemill.runtime"] == "python3.13"
    if form != "docker":  # of an archive the store makes a manifest of its own
        assert row["Id"] == expected.digest
