"""The bake file: what images share is built once, and everything says what the plan says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from imagemill import bake
from imagemill.assemble import tarball
from imagemill.contexts import Ready
from imagemill.engine import Context
from imagemill.errors import RenderError
from imagemill.filetree import Entry
from imagemill.load import load
from imagemill.oci import Blob
from imagemill.plan import plan, select
from imagemill.render import Renderer

ROOT = Path(__file__).parents[2]
IMAGES = plan(load(ROOT))
EPOCH = 1_757_664_000


def ready(folder: Path, *words: str, platforms: Iterable[str] = ("linux/amd64", "linux/arm64")) -> list[Ready]:
    """Images whose layers each hold one file, which says what the layer is; equal layers are equal files."""
    renderer = Renderer(ROOT)
    found = []
    for image in select(IMAGES, words):
        rendered = renderer.render(image)
        contexts = {}
        for platform in platforms:
            arch = platform.partition("/")[2]
            archives: dict[str, Blob] = {}
            for recipe in rendered.recipes:
                what = recipe.set or (
                    f"{image.runtime.name} {image.variant == 'build'}" if recipe.name != "init" else ""
                )
                name = f"{recipe.name}-{arch}.tar"
                tree = {f"opt/{recipe.name}": Entry("file", content=f"{recipe.name} {what} {arch}".encode())}
                folder.mkdir(parents=True, exist_ok=True)
                archives[name] = tarball.write(tree, folder / f"{what.replace('/', '-')}-{name}", epoch=EPOCH)
            contexts[platform] = Context(rendered.dockerfile, archives, {}, {"IMAGEMILL_LOCK": "exact"})
        found.append(Ready(rendered, contexts, EPOCH))
    return found


def shape(found: Iterable[bake.Target]) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {target.name: (target.parent, target.layers) for target in found}


ONE = {"python3-13-debian": ("", ("system", "init", "language", "packages"))}
RUN_AND_SERVE = {
    "layers-python3-13": ("", ("system", "init", "language", "packages")),
    "python3-13-debian": ("layers-python3-13", ()),
    "serve-python3-13-debian": ("layers-python3-13", ()),
}
ALL_OF_TWO = {
    "layers-debian-trixie": ("", ("system", "init")),
    "layers-python3-13": ("layers-debian-trixie", ("language", "packages")),
    "layers-debian-trixie-toolchain": ("layers-debian-trixie", ("toolchain",)),
    "layers-nodejs24-x": ("layers-debian-trixie", ("language", "packages")),
    "python3-13-debian": ("layers-python3-13", ()),
    "serve-python3-13-debian": ("layers-python3-13", ()),
    "build-python3-13-debian": ("layers-debian-trixie-toolchain", ("language", "build", "packages")),
    "nodejs24-x-debian": ("layers-nodejs24-x", ()),
    "serve-nodejs24-x-debian": ("layers-nodejs24-x", ()),
    "build-nodejs24-x-debian": ("layers-debian-trixie-toolchain", ("language", "build", "packages")),
}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["python3.13"], ONE),
        (["python3.13", "serve-python3.13"], RUN_AND_SERVE),
        (["@python3.13", "@nodejs24.x"], ALL_OF_TWO),
    ],
    ids=["one alone", "run and serve", "two runtimes"],
)
def test_what_images_share_is_a_target(
    words: list[str], expected: Mapping[str, tuple[str, tuple[str, ...]]], tmp_path: Path
) -> None:
    found = bake.targets(ready(tmp_path, *words))
    assert shape(found) == expected
    seen = {""}
    for target in found:
        assert target.parent in seen, "parents come first"
        seen.add(target.name)


def test_layers_of_other_bytes_are_not_shared(tmp_path: Path) -> None:
    run, serve = ready(tmp_path, "python3.13", "serve-python3.13")
    context = serve.contexts["linux/arm64"]
    other = replace(context.archives["language-arm64.tar"], diff_id="sha256:0")
    archives = {**context.archives, "language-arm64.tar": other}
    serve = replace(serve, contexts={**serve.contexts, "linux/arm64": replace(context, archives=archives)})
    assert shape(bake.targets([run, serve])) == {
        "layers-debian-trixie": ("", ("system", "init")),
        "python3-13-debian": ("layers-debian-trixie", ("language", "packages")),
        "serve-python3-13-debian": ("layers-debian-trixie", ("language", "packages")),
    }


def test_images_for_different_platforms_share_nothing(tmp_path: Path) -> None:
    [run] = ready(tmp_path / "1", "python3.13")
    [serve] = ready(tmp_path / "2", "serve-python3.13", platforms=["linux/amd64"])
    assert [target.parent for target in bake.targets([run, serve])] == ["", ""]


def test_images_for_other_platforms_share_layers_of_another_name(tmp_path: Path) -> None:
    both = ready(tmp_path / "1", "python3.13", "nodejs24.x")
    one = ready(tmp_path / "2", "nodejs4.3", "nodejs6.10", platforms=["linux/amd64"])
    assert {target.name: target.parent for target in bake.targets([*both, *one])} == {
        "layers-debian-trixie": "",
        "layers-debian-trixie-amd64": "",
        "python3-13-debian": "layers-debian-trixie",
        "nodejs24-x-debian": "layers-debian-trixie",
        "nodejs4-3-debian": "layers-debian-trixie-amd64",
        "nodejs6-10-debian": "layers-debian-trixie-amd64",
    }


def test_dockerfiles_put_together_are_the_rendered_one(tmp_path: Path) -> None:
    """Instructions in their order, `FROM layers` replaced by what the target below does."""
    images = ready(tmp_path, "@python3.13", "@nodejs24.x")
    found = {target.name: target for target in bake.targets(images)}

    def instructions(target: bake.Target) -> list[str]:
        lines = [line for line in target.dockerfile.splitlines() if not line.startswith(("#", "ARG TARGETARCH"))]
        if target.parent:
            assert lines[0] == "FROM layers"
            return instructions(found[target.parent]) + lines[1:]
        return lines

    for one in images:
        rendered = [
            line for line in one.rendered.dockerfile.splitlines() if not line.startswith(("#", "ARG TARGETARCH"))
        ]
        target = next(target for target in found.values() if target.is_image and target.of is one)
        assert instructions(target) == rendered, one.image.name


def test_the_document(tmp_path: Path) -> None:
    data = bake.document(bake.targets(ready(tmp_path, "@python3.13", "@nodejs24.x")), repository="example/x")
    assert data["variable"] == {"REPOSITORY": {"default": "example/x"}}
    groups = {name: row["targets"] for name, row in data["group"].items()}
    assert sorted(groups) == ["build", "default", "nodejs24-x", "python3-13", "run", "serve"]
    assert set(groups["serve"]) == {"serve-python3-13-debian", "serve-nodejs24-x-debian"}
    assert set(groups["default"]) == set(groups["run"] + groups["serve"] + groups["build"])
    assert set(groups["python3-13"]) == {"python3-13-debian", "serve-python3-13-debian", "build-python3-13-debian"}
    row = data["target"]["python3-13-debian"]
    assert row["contexts"] == {"layers": "target:layers-python3-13"}
    assert row["platforms"] == ["linux/amd64", "linux/arm64"]
    assert row["tags"] == ["${REPOSITORY}:python3.13-debian", "${REPOSITORY}:python3.13"]
    assert row["args"] == {"SOURCE_DATE_EPOCH": str(EPOCH), "IMAGEMILL_LOCK": "exact"}
    assert row["labels"]["io.imagemill.variant"] == "run"
    for level in ("index", "manifest"):
        assert f"{level}:org.opencontainers.image.title=python3.13" in row["annotations"]
        assert f"{level}:org.opencontainers.image.created=2025-09-12T08:00:00Z" in row["annotations"]
    assert row["attest"] == ["type=provenance,disabled=true"]
    assert "cache-to" not in row
    assert not {"tags", "labels", "annotations", "attest"} & data["target"]["layers-python3-13"].keys()


def test_cache_and_attestations(tmp_path: Path) -> None:
    found = bake.targets(ready(tmp_path, "python3.13", "serve-python3.13"))
    asked = ["type=sbom", "type=provenance,mode=max"]
    rows = bake.document(found, repository="x", cache="r.example/cache", attestations=asked)["target"]
    assert rows["python3-13-debian"]["attest"] == asked
    for name, row in rows.items():
        assert row["cache-from"] == [f"type=registry,ref=r.example/cache:{name}"]
        assert row["cache-to"] == [f"type=registry,ref=r.example/cache:{name},mode=max,image-manifest=true"]


def test_an_index_is_annotated_only_where_there_is_one(tmp_path: Path) -> None:
    found = bake.targets(ready(tmp_path, "python3.13", platforms=["linux/arm64"]))
    [row] = bake.document(found, repository="x")["target"].values()
    assert all(note.startswith("manifest:") for note in row["annotations"])


def test_strings_are_no_templates(tmp_path: Path) -> None:
    [one] = ready(tmp_path, "python3.13")
    contexts = {name: replace(context, arguments={"X": "${HOME} %{if} $Y"}) for name, context in one.contexts.items()}
    [row] = bake.document(bake.targets([replace(one, contexts=contexts)]), repository="${HOME}")["target"].values()
    assert row["args"]["X"] == "$${HOME} %%{if} $Y"


def test_every_archive_is_linked_where_it_is_added_and_nowhere_else(tmp_path: Path) -> None:
    images = ready(tmp_path / "layers", "@python3.13", "@nodejs24.x")
    file = bake.write(images, tmp_path / "out", repository="x")
    data: dict[str, Any] = json.loads(file.read_bytes())
    for target in bake.targets(images):
        folder = file.parent / data["target"][target.name]["context"]
        names = {f"{layer}-{arch}.tar" for layer in target.layers for arch in ("amd64", "arm64")}
        assert {path.name for path in folder.iterdir()} == {"Dockerfile", *names}
        for name in names:
            platform = f"linux/{name.removesuffix('.tar').rpartition('-')[2]}"
            assert (folder / name).samefile(target.of.contexts[platform].archives[name].path)
    assert bake.write(images, tmp_path / "out", repository="x") == file, "it may be written again"


@pytest.mark.parametrize("change", ["FROM debian", "FROM scratch AS x"])
def test_other_dockerfiles_are_refused(change: str, tmp_path: Path) -> None:
    [one] = ready(tmp_path, "python3.13")
    text = one.rendered.dockerfile.replace("FROM scratch", change)
    with pytest.raises(RenderError, match="does not begin with FROM scratch"):
        bake.targets([replace(one, rendered=replace(one.rendered, dockerfile=text))])


def test_two_targets_of_one_name_are_refused(tmp_path: Path) -> None:
    [one] = ready(tmp_path, "python3.13")
    other = replace(one.rendered, image=structs.replace(one.image, name="python3-13-debian"))
    with pytest.raises(RenderError, match="bake targets with one name: python3-13-debian"):
        bake.targets([one, replace(one, rendered=other)])
