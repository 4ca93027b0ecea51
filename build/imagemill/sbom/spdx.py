"""An inventory as SPDX 2.3 in JSON (ISO/IEC 5962; spdx.github.io/spdx-spec/v2.3)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from imagemill import __version__
from imagemill.sbom.inventory import Component, File, Inventory

_NOTHING = "NOASSERTION"


def spdx(inventory: Inventory) -> str:
    """The document, with sorted keys and elements: the image, its packages, and the files of the language."""
    image = _id("image", inventory.digest)
    packages = [_image(inventory, image), *map(_package, inventory.components)]
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{inventory.name} {inventory.platform}",
        "documentNamespace": f"https://spdx.org/spdxdocs/imagemill-{inventory.digest.replace(':', '-')}",
        "creationInfo": {"created": inventory.created, "creators": [f"Tool: imagemill-{__version__}"]},
        "packages": packages,
        "files": [_file(file) for file in inventory.files],
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": image},
            *(_contains(image, _id("package", one.purl)) for one in inventory.components),
            *(_from(file, file.origin) for file in inventory.files if file.origin),
        ],
    }
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=True) + "\n"


def _image(inventory: Inventory, id: str) -> dict[str, Any]:
    algorithm, _, value = inventory.digest.partition(":")
    architecture = inventory.platform.partition("/")[2]
    purl = Component("oci", inventory.name, inventory.digest, qualifiers=(("arch", architecture),)).purl
    return {
        "SPDXID": id,
        "name": inventory.name,
        "versionInfo": inventory.digest,
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [{"algorithm": algorithm.upper(), "checksumValue": value}],
        "externalRefs": [_purl(purl)],
        **_unsaid(),
    }


def _package(component: Component) -> dict[str, Any]:
    declared = component.license if component.license in _KNOWN else _NOTHING
    told = (
        {"licenseComments": f"The package says: {component.license}"}
        if component.license and declared == _NOTHING
        else {}
    )
    built = {"sourceInfo": f"built from the source package {component.source}"} if component.source else {}
    name = f"{component.namespace}/{component.name}" if component.kind in ("npm", "golang") else component.name
    return {
        "SPDXID": _id("package", component.purl),
        "name": name.lstrip("/"),
        "versionInfo": component.version,
        "primaryPackagePurpose": "LIBRARY",
        "externalRefs": [_purl(component.purl)],
        **_unsaid(),
        "licenseDeclared": declared,
        **told,
        **built,
    }


# identifiers that packages use most and that are in SPDX's list; others are told in words, so that no document names
# a licence that the list does not have
_KNOWN = frozenset(
    {"0BSD", "Apache-2.0", "Artistic-2.0", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0", "CC0-1.0", "CC-BY-3.0"}
    | {"CC-BY-4.0", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Python-2.0", "Ruby", "Unlicense", "WTFPL", "Zlib"}
)


def _file(file: File) -> dict[str, Any]:
    return {
        "SPDXID": _id("file", file.path),
        "fileName": f".{file.path}",
        "checksums": [
            {"algorithm": "SHA1", "checksumValue": file.sha1},
            {"algorithm": "SHA256", "checksumValue": file.sha256},
        ],
        "copyrightText": _NOTHING,
        "licenseConcluded": _NOTHING,
    }


def _unsaid() -> dict[str, Any]:
    return {
        "downloadLocation": _NOTHING,
        "filesAnalyzed": False,
        "licenseConcluded": _NOTHING,
        "licenseDeclared": _NOTHING,
        "copyrightText": _NOTHING,
        "supplier": _NOTHING,
    }


def _purl(value: str) -> dict[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": value}


def _contains(one: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": "CONTAINS", "relatedSpdxElement": other}


def _from(file: File, origin: Component) -> dict[str, str]:
    # no CONTAINS of the package: that asks for all of its files, and those of the distribution are not listed
    row = {
        "spdxElementId": _id("file", file.path),
        "relationshipType": "OTHER",
        "comment": "the file is from the package",
    }
    return {**row, "relatedSpdxElement": _id("package", origin.purl)}


def _id(kind: str, what: str) -> str:
    return f"SPDXRef-{kind}-{hashlib.sha256(what.encode()).hexdigest()[:20]}"
