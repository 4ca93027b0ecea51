"""Reading `runtimes/`: every mistake in every file, each with its file, its key and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from imagemill import strictyaml
from imagemill.catalog import Catalog
from imagemill.errors import ManifestError
from imagemill.manifest import Base, Runtime
from imagemill.paths import MANIFEST

__all__ = ["Catalog", "check_file", "load"]

_T = TypeVar("_T", Base, Runtime)


def load(root: Path, known: Mapping[str, Base | Runtime] | None = None) -> Catalog:
    """Read all manifests below `root/runtimes`, but those that are `known` by their path below `root`.

    Raises ManifestError with every mistake found: in one file, and between files.
    """
    folder = root / "runtimes"
    mistakes: list[str] = []
    bases = dict(_read_all(folder / "bases", Base, root, known or {}, mistakes))
    runtimes = dict(_read_all(folder, Runtime, root, known or {}, mistakes))
    mistakes += _between_files(bases, runtimes)
    if not runtimes and not mistakes:
        mistakes.append(f"{folder}: no manifest; add runtimes/<name>{MANIFEST}")
    if mistakes:
        raise ManifestError(mistakes)
    return Catalog(bases, runtimes)


def check_file(path: Path, shown: str, kind: type[_T]) -> tuple[_T | None, list[str]]:
    """One manifest file and the mistakes in it; the manifest is None when there are any."""
    manifest, found = strictyaml.read(path, shown, kind, Base, Runtime, schema="runtimes/schema")
    if manifest is not None and manifest.name != path.name.removesuffix(MANIFEST):
        return None, [f"{shown}: key 'name' is {manifest.name!r}; name it as the file is named"]
    return manifest, found


def _read_all(
    folder: Path, kind: type[_T], root: Path, known: Mapping[str, Base | Runtime], mistakes: list[str]
) -> Iterator[tuple[str, _T]]:
    for path in sorted(folder.glob(f"*{MANIFEST}"), key=lambda p: _natural(p.name.removesuffix(MANIFEST))):
        shown = str(path.relative_to(root))
        manifest = known.get(shown)
        if not isinstance(manifest, kind):
            manifest, found = check_file(path, shown, kind)
            mistakes += found
        if manifest is not None:
            yield manifest.name, manifest


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that puts python3.9 before python3.13."""
    words: list[str] = [""]
    for char in name:
        if char.isdigit() != (words[-1][-1:].isdigit()) and words[-1]:
            words.append("")
        words[-1] += char
    return tuple((1, int(w), "") if w.isdigit() else (0, 0, w) for w in words)


def _between_files(bases: Mapping[str, Base], runtimes: Mapping[str, Runtime]) -> Iterator[str]:
    tags: dict[str, str] = {}
    for runtime in runtimes.values():
        shown = f"runtimes/{runtime.name}{MANIFEST}"
        for kind, offer in runtime.bases.items():
            where = f"{shown}: key 'bases.{kind}'"
            pending = offer.unavailable is not None and offer.language.source is not None  # until it is locked
            if (offer.base is None) == (offer.unavailable is None) and not (pending and offer.base):
                yield f"{where} needs either 'base' or 'unavailable' with the reason; give one of them"
            elif offer.base is not None and offer.base not in bases:
                known = ", ".join(sorted(bases)) or "none"
                yield f"{where}.base names {offer.base!r}, which runtimes/bases does not have; use one of: {known}"
            elif offer.base is not None:
                base = bases[offer.base]
                if base.kind != kind:
                    yield f"{where}.base {offer.base!r} is of kind {base.kind!r}; list it under 'bases.{base.kind}'"
                for platform in runtime.platforms:
                    if platform not in base.platforms:
                        yield (
                            f"{shown}: key 'platforms' has {platform}, which base {base.name!r} lacks; "
                            f"remove it here or add it to runtimes/bases/{base.name}{MANIFEST}"
                        )
        for tag in (runtime.name, *runtime.aliases):
            if tag in tags:
                yield f"{shown}: tag {tag!r} is also a tag of {tags[tag]}; give each image tags of its own"
            tags.setdefault(tag, shown)
