"""Rendering: an image of the plan as a Dockerfile, the recipes of its layers, and the hash of all its inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import msgspec

from imagemill.errors import RenderError
from imagemill.fingerprint import Fingerprints, hashed
from imagemill.labels import labels
from imagemill.lock import Lock
from imagemill.manifest import Layer
from imagemill.plan import Image
from imagemill.snapshot import drift


@dataclass(frozen=True)
class File:
    """A file of ours as it goes into an image."""

    content: bytes
    executable: bool


@dataclass(frozen=True)
class Recipe:
    """What a layer is made of, apart from the lock's pins: `sets` names what it takes from the lock.

    `kind` is who makes it: `assembled` from packages and files, `init` by the Go toolchain, `database` from
    the package records of the layers below.
    """

    name: str
    kind: str
    set: str
    spec: Layer
    files: Mapping[str, File]
    sources: Mapping[str, Mapping[str, File]] = field(default_factory=dict)
    """Sources of the layer's jars: path of the jar -> path below its folder -> file."""

    def summary(self) -> dict[str, Any]:
        """The recipe for people and goldens: only what is set, and the hashes of our files."""
        spec = {key: value for key, value in msgspec.to_builtins(self.spec).items() if value}
        files = {path: hashlib.sha256(f.content).hexdigest() for path, f in sorted(self.files.items())}
        found = {"name": self.name, "kind": self.kind, "set": self.set, "spec": spec, "files": files}
        return {**found, "sources": self.source_hashes()} if self.sources else found

    def source_hashes(self) -> dict[str, dict[str, str]]:
        """The hash of every source of every jar."""
        return {
            jar: {path: hashlib.sha256(file.content).hexdigest() for path, file in sorted(files.items())}
            for jar, files in sorted(self.sources.items())
        }


@dataclass(frozen=True)
class Rendered:
    """One image, ready for an engine: the Dockerfile and the recipes of the layers that it adds."""

    image: Image
    dockerfile: str
    recipes: tuple[Recipe, ...]

    @cached_property
    def golden(self) -> dict[str, bytes]:
        """What is committed in tests/golden, by path below it."""
        folder = self.image.name
        recipes = [recipe.summary() for recipe in self.recipes]
        return {
            f"{folder}/Dockerfile": self.dockerfile.encode(),
            f"{folder}/layers.json": _readable(recipes),
        }


class Renderer:
    """Renders images of one checkout, for one engine. Reads `templates/` and `build/` below `root`, nothing else.

    `epoch` is SOURCE_DATE_EPOCH where it is set: it is one of the inputs.
    """

    def __init__(self, root: Path, *, engine: str = "embedded", epoch: int | None = None) -> None:
        self._root = root
        self._fingerprints = Fingerprints(root, engine, epoch)
        self._known: dict[int, tuple[Image, tuple[Recipe, ...]]] = {}
        self._templates: dict[bytes, jinja2.Template] = {}
        self._read: dict[str, list[tuple[str, File]]] = {}
        self._jinja = jinja2.Environment(
            loader=jinja2.FileSystemLoader(root / "templates"),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            autoescape=False,  # noqa: S701 - Dockerfiles, not HTML
            auto_reload=False,
        )
        self._jinja.filters["quoted"] = quoted

    def render(self, image: Image) -> Rendered:
        """Render one image. Raises RenderError naming the template and what is wrong in it."""
        template = f"{image.variant}.Dockerfile.j2"
        text = self._template(template, image=image, labels=labels(image))
        return Rendered(image, text, self._recipes(image))

    def parts(self, rendered: Rendered, lock: Lock) -> dict[str, str]:
        """Everything that the image is made of, on all its platforms, as a hash for each part, by name."""
        return self._fingerprints.image(rendered.image, rendered.recipes, rendered.dockerfile, lock)

    def input_hash(self, rendered: Rendered, lock: Lock) -> str:
        """Hash of everything that the image is made of, on all its platforms; same hash, same image."""
        return hashed([rendered.image.platforms, self.parts(rendered, lock)])

    def layer_hash(self, image: Image, recipe: Recipe, lock: Lock, arch: str) -> str:
        """Hash of one layer's inputs on one architecture: layers with the same hash are made once."""
        return self._fingerprints.key(image, self._recipes(image), recipe, lock, arch)

    def _recipes(self, image: Image) -> tuple[Recipe, ...]:
        """The recipes of an image's layers, made once: images share specifications, files and hashes."""
        if id(image) not in self._known:
            self._known[id(image)] = image, tuple(self._recipe(image, layer) for layer in image.layers)
        return self._known[id(image)][1]

    def _recipe(self, image: Image, layer: str) -> Recipe:
        runtime, base = image.runtime.name, image.base.name
        match layer:
            case "init":
                return Recipe(layer, "init", "", Layer(), {})
            case "packages":
                return Recipe(layer, "database", "", Layer(), {})
            case "system":
                spec, name = image.base.system, base
            case "toolchain":
                spec, name = image.base.toolchain, f"{base}/toolchain"
            case "language":
                spec, name = image.offer.language, runtime
            case "build":
                spec, name = image.offer.build, f"{runtime}/build"
            case _:
                raise RenderError(f"no recipe for layer {layer!r}", "see plan.LAYERS")
        sources = {path: dict(self._sources(jar.sources, image)) for path, jar in spec.jars.items()}
        return Recipe(layer, "assembled", name, spec, self._files(image, spec), sources)

    def _files(self, image: Image, spec: Layer) -> dict[str, File]:
        """The layer's files of ours by path in the image; those named `.j2` are rendered first."""
        found: dict[str, File] = {}
        for target, source in spec.files.items():
            for below, file in self._sources(source, image):
                place = f"{target}/{below}" if below else target
                if (below or source).endswith(".j2"):
                    text = self._compiled(file.content).render(image=image)
                    place, file = place.removesuffix(".j2"), replace(file, content=text.encode())
                found[place] = file
        return found

    def _sources(self, source: str, image: Image) -> list[tuple[str, File]]:
        """A file, or those of a directory with their paths below it, in build/bootstraps; each read once."""
        if source not in self._read:
            top = self._root / "build" / "bootstraps" / source
            if not top.exists():
                raise RenderError(
                    f"runtimes/{image.runtime.name}.yaml names build/bootstraps/{source}, which is missing",
                    "add it, or correct the name",
                )
            paths = sorted(top.rglob("*")) if top.is_dir() else [top]
            self._read[source] = [
                ("" if path == top else path.relative_to(top).as_posix(), File(path.read_bytes(), _executable(path)))
                for path in paths
                if path.is_file() and "__pycache__" not in path.parts
            ]
        return self._read[source]

    def _compiled(self, source: bytes) -> jinja2.Template:
        if source not in self._templates:
            self._templates[source] = self._jinja.from_string(source.decode())
        return self._templates[source]

    def _template(self, name: str, **context: Any) -> str:
        try:
            return self._jinja.get_template(name).render(**context)
        except jinja2.TemplateSyntaxError as error:
            raise RenderError(f"templates/{error.name} line {error.lineno}: {error.message}") from None
        except jinja2.TemplateError as error:
            raise RenderError(f"templates/{name}: {error}", "correct the template") from None


def quoted(value: str) -> str:
    """A word of a Dockerfile that stands for this very text."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'


def golden(rendered: Sequence[Rendered]) -> dict[str, bytes]:
    """All files of tests/golden by path below it."""
    return {path: content for one in rendered for path, content in one.golden.items()}


def check(folder: Path, expected: Mapping[str, bytes]) -> list[str]:
    """How `folder` differs from what it should hold: each file missing, stale, or not of ours."""
    return drift(folder, {name: hashlib.sha256(content).hexdigest() for name, content in expected.items()})


def write(folder: Path, expected: Mapping[str, bytes]) -> list[str]:
    """Make `folder` hold exactly these files. Returns what was written or removed."""
    changed = check(folder, expected)
    for line in changed:
        kind, _, name = line.partition(": ")
        path = folder / name
        if kind == "untracked":
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(expected[name])
    for empty in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        if not list(empty.iterdir()):
            empty.rmdir()
    return changed


def _executable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)


def _readable(data: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(data, order="sorted"), indent=1) + b"\n"
