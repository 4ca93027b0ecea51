"""What an image is made of, as a hash for each part: the same hashes, the same bytes.

The parts are named in words that people read in `imagemill plan --explain`, and kept in dist's record, so that
a rebuild has a reason. Nothing else counts: neither comments in manifests nor the time nor the machine.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from imagemill import builder
from imagemill.lock import Inputs, Lock
from imagemill.plan import Image, database_sets

if TYPE_CHECKING:
    from imagemill.render import Recipe

EPOCH = "SOURCE_DATE_EPOCH"
_BELOW = "layers below"


def hashed(data: object) -> str:
    """The hash of plain data, whatever the order of its keys."""
    return hashlib.sha256(msgspec.json.encode(data, order="sorted")).hexdigest()


@dataclass(frozen=True)
class Fingerprints:
    """The hashes of one checkout's images as one engine makes them; what images share is hashed once.

    `epoch` is SOURCE_DATE_EPOCH (seconds since 1970) where the user set it: it reaches into layers and images.
    """

    root: Path
    engine: str
    epoch: int | None

    def image(self, image: Image, recipes: Sequence[Recipe], dockerfile: str, lock: Lock) -> dict[str, str]:
        """Part -> hash, for all that the image is made of, on all its platforms."""
        found = {
            "Dockerfile": hashlib.sha256(dockerfile.encode()).hexdigest(),
            "builder": self.builder,
            f"engine {self.engine}": self._engine,
        }
        if self.epoch is not None:
            found[EPOCH] = hashed(self.epoch)
        for recipe in recipes:
            for platform in image.platforms:
                arch = platform.partition("/")[2]
                for part, value in self.layer(image, recipes, recipe, lock, arch).items():
                    if part == "lock":
                        found[f"{recipe.name}: lock, {arch}"] = value
                    elif part not in found and part != _BELOW:  # these are among the image's own layers
                        found[f"{recipe.name}: {part}"] = value
        return found

    def layer(self, image: Image, recipes: Sequence[Recipe], recipe: Recipe, lock: Lock, arch: str) -> dict[str, str]:
        """Part -> hash, for all that one layer is made of on one architecture."""
        found = {"builder": self.builder}
        if self.epoch is not None:
            found[EPOCH] = hashed(self.epoch)
        match recipe.kind:
            case "init":
                found["sources"] = self.init
            case "database":
                below = [other for other in recipes if other.set in database_sets(image)]
                found[_BELOW] = hashed([self.key(image, recipes, other, lock, arch) for other in below])
            case _:
                found |= self._assembled(image, recipe, lock, arch)
        return found

    def key(self, image: Image, recipes: Sequence[Recipe], recipe: Recipe, lock: Lock, arch: str) -> str:
        """The name of a layer in the store: layers with the same key are made once."""
        return hashed([recipe.kind, arch, self.layer(image, recipes, recipe, lock, arch)])

    def _assembled(self, image: Image, recipe: Recipe, lock: Lock, arch: str) -> dict[str, str]:
        base = image.base
        found = {
            "manifest": self._once(recipe.spec, recipe.set, lambda: [recipe.set, recipe.summary()["spec"]]),
            # what the rules of maintainer scripts read of the base besides the layer's own specification
            "base": self._once(base, "", lambda: [base.users, base.drop, base.system.drop]),
            "lock": self._once(lock, f"{recipe.set} {arch}", lambda: _pins(lock.inputs(recipe.set, arch))),
        }
        if recipe.files:
            found["files"] = self._once(recipe.files, "", lambda: _files(recipe))
        for module in recipe.spec.go.values():
            found[f"go {module}"] = self._go(self.root / "build" / "bootstraps" / module)
        if recipe.sources:
            found["sources"] = self._once(recipe.sources, "", recipe.source_hashes)
            found["compiler"] = self._once(lock, f"{recipe.set} jars", lambda: _java_compilers(lock, recipe))
        for program in recipe.spec.dotnet.values():
            top = self.root / "build" / "bootstraps" / program
            rows = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in top.rglob("*.cs")}
            found[f"dotnet {program}"] = hashed(rows)
        if recipe.spec.python:
            found["compiler"] = self._once(lock, image.runtime.name, lambda: _compilers(lock, image))
        if recipe.spec.source:
            found["builders"] = self._once(lock, f"{image.runtime.name}/source", lambda: _builders(lock, image))
        return found

    def _once(self, owner: object, name: str, data: Callable[[], object]) -> str:
        """The hash of what `data` gives, remembered for this very object."""
        key = (id(owner), name)
        if key not in self._known:
            self._known[key] = owner, hashed(data())  # held, so that no other object gets its id
        return self._known[key][1]

    @cached_property
    def _known(self) -> dict[tuple[int, str], tuple[object, str]]:
        return {}

    @cached_property
    def builder(self) -> str:
        """Hash of the code that makes layers."""
        return builder.code(self.root / "build" / "imagemill", builder.LAYERS)

    @cached_property
    def _engine(self) -> str:
        return builder.code(self.root / "build" / "imagemill", [f"engine.{self.engine}"])

    @cached_property
    def init(self) -> str:
        """Hash of the init's sources, without its tests, and of the version of their compiler."""
        return self._go(self.root / "build" / "init")

    @staticmethod
    def _go(top: Path) -> str:
        """Hash of the sources of the Go module in `top`, without its tests, and of the version of their compiler."""
        shipped = [
            f"{folder}/{name}"
            for folder, _, names in os.walk(top)
            for name in names
            if name.endswith((".go", ".mod", ".sum", ".sh")) and not name.endswith("_test.go")
        ]
        below = len(f"{top}/")
        rows = {path[below:]: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in shipped}
        return hashed([rows, builder.go_version()])


def compiler_sets(runtime: str) -> tuple[str, str]:
    """The sets that have the JDK of a runtime's build image."""
    return runtime, f"{runtime}/build"


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The parts that are not what they were, sorted."""
    return sorted(part for part in before.keys() | now.keys() if before.get(part) != now.get(part))


def _pins(inputs: Inputs) -> Any:
    return inputs.debian, inputs.pypi, inputs.npm


def _files(recipe: Recipe) -> Any:
    return {path: [hashlib.sha256(f.content).hexdigest(), f.executable] for path, f in recipe.files.items()}


def _java_compilers(lock: Lock, recipe: Recipe) -> Any:
    """The JDK's packages of all architectures: what compiles here is this machine's own, for every platform."""
    sets = sorted({jdk_set for jar in recipe.spec.jars.values() for jdk_set in compiler_sets(jar.compiler)})
    packages = [one for name in sets for inputs in lock.sets.get(name, {}).values() for one in inputs.debian]
    return sorted({(one.name, one.version) for one in packages if one.name.startswith("openjdk-")})


def _compilers(lock: Lock, image: Image) -> Any:
    """CPython's packages of all architectures: what compiles here is this machine's own, for every platform."""
    by_arch = lock.sets.get(image.runtime.name, {}).values()
    return sorted({(one.name, one.version) for inputs in by_arch for one in inputs.debian if "python" in one.name})


def _builders(lock: Lock, image: Image) -> Any:
    """What a language is compiled with from its source, on machines of all architectures."""
    name = image.runtime.name
    sets = [lock.sets.get(f"{name}/{kind}", {}) for kind in ("source", "cross")]
    return sorted({(one.name, one.version) for by_arch in sets for i in by_arch.values() for one in i.debian})
