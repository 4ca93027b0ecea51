"""All manifests of a checkout, as they were last read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from imagemill import keys, manifest
from imagemill.kept import hash_of, kept, latest
from imagemill.manifest import Base, Runtime
from imagemill.paths import MANIFEST

_NAME = "manifests"
_MODULES = (*(Path(str(module.__file__)) for module in (manifest, keys)), Path(__file__))


class Catalog(Struct, frozen=True):
    """Everything in `runtimes/`, by name, in a fixed order."""

    bases: Mapping[str, Base]
    runtimes: Mapping[str, Runtime]


class _Read(Struct, frozen=True):
    """A catalog, and the SHA-256 of each file that it came from by its path below the checkout; modules are one."""

    catalog: Catalog
    files: Mapping[str, str]
    modules: str

    def manifests(self, files: Mapping[str, str]) -> dict[str, Base | Runtime]:
        """Those by their paths whose files are the same."""
        found: dict[str, Base | Runtime] = {_path(name): one for name, one in self.catalog.runtimes.items()}
        found |= {_path(f"bases/{name}"): one for name, one in self.catalog.bases.items()}
        return {path: one for path, one in found.items() if self.files.get(path) == files.get(path)}


def current(root: Path, folder: Path) -> Catalog:
    """The manifests below `root/runtimes` as they are now: kept in `folder`, or read and kept.

    Of what was read before only what has changed is read. Raises ManifestError as `load` does; what has mistakes is
    not kept.
    """
    runtimes = root / "runtimes"
    files = [*runtimes.glob(f"*{MANIFEST}"), *(runtimes / "bases").glob(f"*{MANIFEST}")]

    def read() -> _Read:
        from imagemill.load import load  # who finds them kept goes without YAML

        hashes = {path.relative_to(root).as_posix(): hash_of([path]) for path in files}
        modules = hash_of(_MODULES)
        before = latest(folder, _NAME, _Read)
        known = before.manifests(hashes) if before is not None and before.modules == modules else {}
        return _Read(load(root, known), hashes, modules)

    return kept(folder, _NAME, [*files, *_MODULES], _Read, read).catalog


def _path(name: str) -> str:
    return f"runtimes/{name}{MANIFEST}"
