"""Rendering: an image of the plan as a Dockerfile, the recipes of its layers, and the hash of all its inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2

from imagemill.errors import RenderError
from imagemill.lock import Lock
from imagemill.manifest import Layer
from imagemill.oci import canonical
from imagemill.plan import Image

SOURCE = "https://github.com/imagemill/imagemill"


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

    def summary(self) -> dict[str, Any]:
        """The recipe for people and goldens: only what is set, and the hashes of our files."""
        spec = {key: value for key, value in asdict(self.spec).items() if value}
        files = {path: hashlib.sha256(f.content).hexdigest() for path, f in sorted(self.files.items())}
        return {"name": self.name, "kind": self.kind, "set": self.set, "spec": spec, "files": files}


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
    """Renders images of one checkout. Reads `templates/` and `build/` below `root`, nothing else."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._jinja = jinja2.Environment(
            loader=jinja2.FileSystemLoader(root / "templates"),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            autoescape=False,  # noqa: S701 - Dockerfiles, not HTML
        )

    def render(self, image: Image) -> Rendered:
        """Render one image. Raises RenderError naming the template and what is wrong in it."""
        template = f"{image.variant}.Dockerfile.j2"
        text = self._template(template, image=image, labels=labels(image))
        return Rendered(image, text, tuple(self._recipe(image, layer) for layer in image.layers))

    @cached_property
    def builder_hash(self) -> str:
        """Hash of the code that makes bytes: a change in it is a change in what it made."""
        package = self._root / "build" / "imagemill"
        names = ["oci", "dockerfile", "filetree", "layers", "platforms", "render", "tarwalk", "toolchain"]
        files = [package / f"{name}.py" for name in names]
        files += sorted((package / "assemble").glob("*.py")) + sorted((package / "engine").glob("embedded.py"))
        return _hash_files(self._root, files)

    @cached_property
    def init_hash(self) -> str:
        """Hash of the init's sources, without its tests."""
        files = [p for p in (self._root / "build" / "init").rglob("*") if p.suffix in (".go", ".mod", ".sh")]
        return _hash_files(self._root, sorted(p for p in files if not p.name.endswith("_test.go")))

    def input_hash(self, rendered: Rendered, lock: Lock) -> str:
        """Hash of everything that the image is made of, on all its platforms; same hash, same image."""
        digest = hashlib.sha256(rendered.dockerfile.encode())
        for platform in rendered.image.platforms:
            arch = platform.partition("/")[2]
            for recipe in rendered.recipes:
                digest.update(self.layer_hash(rendered.image, recipe, lock, arch).encode())
        return digest.hexdigest()

    def layer_hash(self, image: Image, recipe: Recipe, lock: Lock, arch: str) -> str:
        """Hash of one layer's inputs on one architecture: layers with the same hash are made once."""
        made_by = self.init_hash if recipe.kind == "init" else ""
        pins: Any = None
        if recipe.kind == "database":
            pins = [asdict(lock.inputs(name, arch)) for name in database_sets(image)]
        elif recipe.set:
            pins = asdict(lock.inputs(recipe.set, arch))
        summary = recipe.summary() | {"name": recipe.kind}
        base = [asdict(user) for user in image.base.users], image.base.drop
        return hashlib.sha256(canonical([self.builder_hash, made_by, summary, pins, base, arch])).hexdigest()

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
        return Recipe(layer, "assembled", name, spec, self._files(image, spec))

    def _files(self, image: Image, spec: Layer) -> dict[str, File]:
        """The layer's files of ours by path in the image; those named `.j2` are rendered first."""
        found: dict[str, File] = {}
        bootstraps = self._root / "build" / "bootstraps"
        for target, source in spec.files.items():
            top = bootstraps / source
            if not top.exists():
                raise RenderError(
                    f"runtimes/{image.runtime.name}.yaml: 'files' names build/bootstraps/{source}, which is missing",
                    "add it, or correct the name",
                )
            for path in sorted(p for p in (top.rglob("*") if top.is_dir() else [top]) if p.is_file()):
                if "__pycache__" in path.parts:
                    continue
                place = target if path == top else f"{target}/{path.relative_to(top).as_posix()}"
                content = path.read_bytes()
                if path.suffix == ".j2":
                    place = place.removesuffix(".j2")
                    content = self._jinja.from_string(content.decode()).render(image=image).encode()
                found[place] = File(content, bool(path.stat().st_mode & 0o100))
        return found

    def _template(self, name: str, **context: Any) -> str:
        try:
            return self._jinja.get_template(name).render(**context)
        except jinja2.TemplateSyntaxError as error:
            raise RenderError(f"templates/{error.name} line {error.lineno}: {error.message}") from None
        except jinja2.TemplateError as error:
            raise RenderError(f"templates/{name}: {error}", "correct the template") from None


def database_sets(image: Image) -> tuple[str, ...]:
    """The sets whose packages an image's dpkg database lists."""
    base, runtime = image.base.name, image.runtime.name
    if image.variant == "build":
        return base, runtime, f"{base}/toolchain", f"{runtime}/build"
    return base, runtime


def labels(image: Image) -> dict[str, str]:
    """Labels of an image: OCI's own names where there is one, io.imagemill's where not."""
    found = {
        "org.opencontainers.image.title": image.tags[-1],
        "org.opencontainers.image.description": f"{image.runtime.name} {image.variant} image on {image.base.name}",
        "org.opencontainers.image.source": SOURCE,
        "org.opencontainers.image.licenses": "MIT",
        "io.imagemill.runtime": image.runtime.name,
        "io.imagemill.variant": image.variant,
        "io.imagemill.base": image.base.name,
    }
    if image.runtime.deprecated:
        found["io.imagemill.deprecated"] = image.runtime.deprecated.isoformat()
    return found


def golden(rendered: Sequence[Rendered]) -> dict[str, bytes]:
    """All files of tests/golden by path below it."""
    return {path: content for one in rendered for path, content in one.golden.items()}


def check(folder: Path, expected: Mapping[str, bytes]) -> list[str]:
    """How `folder` differs from what it should hold: each file missing, stale, or not of ours."""
    present = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    problems = [f"missing: {name}" for name in sorted(expected.keys() - present.keys())]
    problems += [f"untracked: {name}" for name in sorted(present.keys() - expected.keys())]
    problems += [
        f"stale: {name}"
        for name in sorted(expected.keys() & present.keys())
        if present[name].read_bytes() != expected[name]
    ]
    return problems


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


def _hash_files(root: Path, files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def _readable(data: Any) -> bytes:
    import json

    return (json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
