"""Checks of an image's bytes: every one is what its digest says, and its SBOM says what is in them."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from imagemill.attest import statement
from imagemill.attest.statement import Statement
from imagemill.conform.image import Manifest, images
from imagemill.conform.view import view
from imagemill.errors import ImagemillError
from imagemill.oci import Descriptor, Layout
from imagemill.sbom import Inventory, take
from imagemill.spool import MAX_LAYER, Layers
from imagemill.verify.case import Case, Image
from imagemill.verify.claims import Provenance, provenance_of
from imagemill.verify.verdict import Row

_SHOWN = 3
_CHANGED = "the bytes were changed on the way or where they lie: do not use it"


def whole(case: Case, pool: Executor) -> Iterator[Row]:
    """Every blob is there, of its size and digest. They are in the case's folder then, as a layout."""
    layout = Layout(case.folder)
    wanted = {blob.digest: blob for image in case.images for blob in image.blobs}
    results = dict(zip(wanted, pool.map(lambda blob: _had(case, layout, blob), wanted.values()), strict=True))
    for data in case.manifests.values():
        layout.add("", data)
    layout.finish([case.root])
    for image in case.images:
        wrong = [results[blob.digest] for blob in image.blobs if results[blob.digest]]
        if wrong:
            yield Row("bytes", image.platform, "fail", "; ".join(dict.fromkeys(wrong)), _CHANGED)
        else:
            total = sum(blob.size for blob in image.blobs)
            found = f"manifest, configuration and {len(image.layers)} layers, {total / 1e6:.1f} MB"
            yield Row("bytes", image.platform, "pass", found)


def _had(case: Case, layout: Layout, blob: Descriptor) -> str:
    """Write a blob where a layout has it; what is wrong with it, empty where nothing is."""
    if not 0 <= blob.size <= MAX_LAYER:
        return f"{blob.digest} should have {blob.size} bytes"
    path = layout.blob_path(blob.digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    found, size = hashlib.sha256(), 0
    try:
        with path.open("wb") as file:
            for piece in case.source.blob(blob.digest):
                size += len(piece)
                if size > blob.size:
                    break
                found.update(piece)
                file.write(piece)
    except ImagemillError as error:
        path.unlink(missing_ok=True)
        return error.message
    if size != blob.size or f"sha256:{found.hexdigest()}" != blob.digest:
        path.unlink()
        return f"{blob.digest} is not what is there"
    return ""


def listed(case: Case) -> Iterator[Row]:
    """The SBOMs say what is in the layers: every package, and every file of the language with its hash."""
    if "sbom" in case.policy.without:
        yield Row("sbom", "", "none", "the policy does without")
        return
    found = {manifest.digest: manifest for manifest in images(case.folder)}
    for image in case.images:
        inventory = _taken(case, found[image.digest], image)
        provenance, _ = provenance_of(case, image.digest)
        for name, kind in (("SPDX", statement.SPDX), ("CycloneDX", statement.CYCLONEDX)):
            yield _compared(case, image, inventory, provenance, name, case.evidence[image.digest].statements(kind))


def _taken(case: Case, manifest: Manifest, image: Image) -> Inventory:
    """What is in an image. Platforms share no layers, so those of one are gone before the next one's are unpacked."""
    with tempfile.TemporaryDirectory(dir=case.folder) as folder, Layers(Path(folder)) as layers:
        return take(view(Layout(case.folder), manifest, layers), case.repository, image.platform)


def _compared(
    case: Case,
    image: Image,
    inventory: Inventory,
    provenance: Provenance | None,
    name: str,
    statements: Sequence[Statement],
) -> Row:
    about = f"{image.platform} {name}"
    if not statements:
        reasons = "; ".join(["it has none", *case.evidence[image.digest].reasons])
        return Row("sbom", about, "fail", reasons, "ask its publisher for one")
    wrong = []
    for one in statements:
        # of those on the index each is of one platform, and says which by the digest that it describes
        try:
            said = _said(one)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            wrong.append(f"it is damaged: {error!r}")
            continue
        difference = _difference(said, inventory, provenance)
        if not difference:
            found = f"{len(inventory.components)} packages and {len(inventory.files)} files, as in the layers"
            return Row("sbom", about, "pass", found)
        wrong.append(difference)
    return Row("sbom", about, "fail", "; ".join(dict.fromkeys(wrong)), "it is of other bytes: ask its publisher")


@dataclass(frozen=True)
class _Said:
    """What a document lists: the digest it is about, package URLs, and SHA-256 by path."""

    digest: str
    packages: frozenset[str]
    files: Mapping[str, str]


def _said(found: Statement) -> _Said:
    data: Mapping[str, Any] = found.predicate
    if found.kind == statement.SPDX:
        packages = [row for row in data["packages"] if row.get("primaryPackagePurpose") != "CONTAINER"]
        [image] = [row for row in data["packages"] if row.get("primaryPackagePurpose") == "CONTAINER"]
        hashes = {
            row["fileName"][1:]: {one["algorithm"]: one["checksumValue"] for one in row["checksums"]}["SHA256"]
            for row in data["files"]
        }
        purls = frozenset(str(row["externalRefs"][0]["referenceLocator"]) for row in packages)
        return _Said(str(image["versionInfo"]), purls, hashes)
    rows = data["components"]
    hashes = {
        row["name"]: {one["alg"]: one["content"] for one in row["hashes"]}["SHA-256"]
        for row in rows
        if row["type"] == "file"
    }
    purls = frozenset(str(row["purl"]) for row in rows if row["type"] != "file")
    return _Said(str(data["metadata"]["component"]["version"]), purls, hashes)


def _difference(said: _Said, inventory: Inventory, provenance: Provenance | None) -> str:
    """How a document differs from an image, in words; empty where it does not."""
    if said.digest != inventory.digest:
        return f"it is of {said.digest}"
    found = {component.purl for component in inventory.components}
    files = {file.path: file.sha256 for file in inventory.files}
    parts = []
    if unsaid := sorted(found - said.packages):
        parts.append(f"it does not have {_some(unsaid)}")
    if foreign := sorted(one for one in said.packages - found if not _locked(one, provenance)):
        parts.append(f"it has {_some(foreign)}, which is not in the image")
    if changed := sorted(path for path in files.keys() | said.files.keys() if files.get(path) != said.files.get(path)):
        parts.append(f"other files: {_some(changed)}")
    if not parts and provenance is not None and (unknown := _unlocked(inventory, provenance)):
        parts.append(f"the provenance does not have {_some(unknown)}")
    return "; ".join(parts)


def _locked(purl: str, provenance: Provenance | None) -> bool:
    """Whether a package that leaves no trace in an image is one that it was made from, or imagemill."""
    if provenance is None:
        return False
    if purl == f"pkg:generic/imagemill@{provenance.version}":
        return True
    return purl in provenance.dependencies or any(
        f"download_url={quote(uri, safe=':/')}" in purl and f"checksum=sha256:{digests.get('sha256')}" in purl
        for uri, digests in provenance.dependencies.items()
        if not uri.startswith(("pkg:", "git+"))
    )


def _unlocked(inventory: Inventory, provenance: Provenance) -> list[str]:
    """The Debian packages in an image that it was not made from; of one on a base image of others nobody knows."""
    if any(uri.startswith("docker://") for uri in provenance.dependencies):
        return []
    known = {uri.partition("?")[0] for uri in provenance.dependencies}
    plain = {component.purl.partition("?")[0] for component in inventory.components if component.kind == "deb"}
    return sorted(plain - known)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
