"""All manifests of a checkout, as they were last read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imagemill import keys, manifest
from imagemill.kept import kept
from imagemill.manifest import Base, Runtime

SUFFIX = ".yaml"
_MODULES = tuple(Path(str(module.__file__)) for module in (manifest, keys))


@dataclass(frozen=True)
class Catalog:
    """Everything in `runtimes/`, by name, in a fixed order."""

    bases: Mapping[str, Base]
    runtimes: Mapping[str, Runtime]


def current(root: Path, folder: Path) -> Catalog:
    """The manifests below `root/runtimes` as they are now: kept in `folder`, or read and kept.

    Raises ManifestError as `load` does; what has mistakes is not kept.
    """

    def read() -> Catalog:
        from imagemill.load import load  # who finds them kept goes without YAML

        return load(root)

    runtimes = root / "runtimes"
    files = (*runtimes.glob(f"*{SUFFIX}"), *(runtimes / "bases").glob(f"*{SUFFIX}"), *_MODULES, Path(__file__))
    return kept(folder, "manifests", files, Catalog, read)
