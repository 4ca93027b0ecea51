"""Why an image is what it is: the steps that make it, their inputs, and why it would be built again or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imagemill.aging import Effective
from imagemill.builder import go_version
from imagemill.dist import Artifact, Dist
from imagemill.fingerprint import differences
from imagemill.layers import LayerStore
from imagemill.lock import BaseImage, DebianPackage, Download, Inputs, Item, NpmPackage, Wheel
from imagemill.plan import Image, database_sets
from imagemill.platforms import Platform, find
from imagemill.render import Recipe, Rendered, Renderer

_NATIVE = "native"
_CROSS = "cross, natively: nothing is emulated"


@dataclass(frozen=True)
class Explainer:
    """Explains images as `engine` makes them on the machine `host`, from what is in `store` and `dist`."""

    renderer: Renderer
    store: LayerStore
    dist: Dist
    engine: str
    host: Platform

    def explain(self, image: Image, effective: Effective) -> dict[str, Any]:
        """Everything about one image as plain data: `reasons` to build it now (empty: there are none), `steps`."""
        rendered = self.renderer.render(image)
        parts = self.renderer.parts(rendered, effective.lock)
        wanted = self.renderer.input_hash(rendered, effective.lock)
        artifact = self.dist.read().get(image.name)
        return {
            "tag": image.tags[-1],
            "name": image.name,
            "input_hash": wanted,
            "lock": effective.state,
            "reasons": self._reasons(image, artifact, parts, wanted, effective.state),
            "steps": [
                *(self._step(rendered, recipe, effective) for recipe in rendered.recipes),
                {
                    "step": "image",
                    "maker": f"the {self.engine} engine executes the Dockerfile: {_instructions(rendered.dockerfile)}",
                    "inputs": {name: parts[name] for name in ("Dockerfile", f"engine {self.engine}")},
                },
            ],
            "parts": parts,
        }

    def _reasons(
        self, image: Image, artifact: Artifact | None, parts: Mapping[str, str], wanted: str, lock: str
    ) -> list[str]:
        """Why the image would be made now, in words: what the factory looks at, and for inputs, which of them."""
        if artifact is None:
            return ["dist has no record of it"]
        found = []
        if artifact.engine != self.engine:
            found.append(f"it was made by the {artifact.engine} engine")
        if artifact.lock != lock:
            found.append(f"its lock was {artifact.lock!r} and is {lock!r} now")
        elif artifact.input_hash != wanted and not artifact.inputs:
            found.append("the record does not say what it was made of")
        if artifact.inputs:
            changed = differences(artifact.inputs, parts)
            found += [f"{part} {_how(artifact.inputs.get(part), parts.get(part))}" for part in changed]
        lacking = [platform for platform in image.platforms if platform not in artifact.platforms]
        found += [f"{platform} was not made" for platform in lacking]
        if not self.dist.holds(artifact):
            found.append("its files in dist are not all there")
        return found

    def _step(self, rendered: Rendered, recipe: Recipe, effective: Effective) -> dict[str, Any]:
        lock, image = effective.lock, rendered.image
        platforms = {}
        for platform in map(find, image.platforms):
            key = self.renderer.layer_hash(image, recipe, lock, platform.arch)
            made = self.store.get(key)
            platforms[str(platform)] = {
                "how": _NATIVE if platform == self.host else _CROSS,
                "key": key,
                "digest": made.blob.digest if made else "",
            }
        inputs = {
            platform: lock.inputs(recipe.set, platform.partition("/")[2]) if recipe.set else Inputs()
            for platform in image.platforms
        }
        return {
            "step": recipe.name,
            "maker": maker(image, recipe, self.host),
            "asked": list(recipe.spec.packages),
            "platforms": platforms,
            "inputs": _items(inputs),
            "files": sorted(recipe.files),
        }


def maker(image: Image, recipe: Recipe, host: Platform) -> str:
    """Who makes a layer, in words."""
    match recipe.kind:
        case "init":
            return f"compiled by {go_version() or 'Go'} from build/init, static"
        case "database":
            return f"written from the package records of {', '.join(database_sets(image))}"
    said = "Debian packages unpacked, maintainer scripts' work done in Python"
    if recipe.spec.pypi:
        said += "; wheels unpacked"
    if recipe.spec.npm:
        said += "; npm tarballs unpacked"
    if recipe.spec.python:
        said += f"; modules compiled by the locked CPython {recipe.spec.python} of {host}"
    if recipe.spec.source:
        said += f"; {recipe.spec.source.recipe} {recipe.spec.source.version} compiled from upstream's source"
    return said


def text(row: Mapping[str, Any]) -> str:
    """An explanation for people."""
    lines = [f"{row['tag']}  (input hash {row['input_hash'][:12]}, lock {row['lock']})"]
    why = row["reasons"]
    lines += ["would be built now:", *(f"  {reason}" for reason in why)] if why else ["is up to date in dist"]
    for number, step in enumerate(row["steps"], 1):
        lines += ["", f"{number}. {step['step']}: {step['maker']}"]
        for platform, made in step.get("platforms", {}).items():
            there = f"there, {made['digest'][:19]}" if made["digest"] else "to be made"
            lines.append(f"   {platform}: {made['how']}; layer {made['key'][:12]}, {there}")
        lines += _listed(step)
    return "\n".join(lines)


def _listed(step: Mapping[str, Any]) -> list[str]:
    if isinstance(step["inputs"], dict):
        return [f"   {name}: {value[:12]}" for name, value in step["inputs"].items()]
    asked = set(step["asked"])
    shown = [one for one in step["inputs"] if one["kind"] != "debian" or one["name"] in asked]
    lines = [
        f"   {one['name']} {one['version']}  {one['digest'][:19]}  ({one['kind']}, {', '.join(one['platforms'])})"
        for one in shown
    ]
    more = len(step["inputs"]) - len(shown)
    if more:
        lines.append(f"   and {more} packages that these depend on (--format json lists them)")
    return [*lines, *(f"   {path}  (a file of ours)" for path in step["files"])]


def _items(inputs: Mapping[str, Inputs]) -> list[dict[str, Any]]:
    """Every input once, with the platforms that take it."""
    found: dict[Item, list[str]] = {}
    for platform, one in inputs.items():
        for item in one.items:
            found.setdefault(item, []).append(platform)
    return [
        {
            "kind": _KINDS[type(item)],
            "name": item.name,
            "version": item.version,
            "digest": _digest(item),
            "platforms": platforms,
        }
        for item, platforms in sorted(found.items(), key=lambda row: (_KINDS[type(row[0])], row[0].name, row[1]))
    ]


_KINDS: Mapping[type, str] = {
    DebianPackage: "debian", Wheel: "pypi", NpmPackage: "npm", Download: "download", BaseImage: "image"
}  # fmt: skip


def _digest(item: Item) -> str:
    """What the bytes of an input are known by."""
    match item:
        case NpmPackage():
            return item.integrity
        case BaseImage():
            return item.digest
        case _:
            return f"sha256:{item.sha256}"


def _instructions(dockerfile: str) -> str:
    words = [line.split(" ", 1)[0] for line in dockerfile.splitlines() if line[:1].isupper()]
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))


def _how(before: str | None, now: str | None) -> str:
    if before is None:
        return "is new"
    return "is gone" if now is None else f"changed ({before[:12]} → {now[:12]})"
