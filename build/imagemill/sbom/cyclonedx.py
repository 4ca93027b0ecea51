"""An inventory as CycloneDX 1.6 in JSON (ECMA-424; cyclonedx.org/docs/1.6/json)."""

from __future__ import annotations

import json
import uuid
from typing import Any

from imagemill import __version__
from imagemill.sbom.inventory import Component, File, Inventory

_NAMES = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 9562: the name space of URLs


def cyclonedx(inventory: Inventory) -> str:
    """The document, with sorted keys and elements: the image, its packages, and the files of the language."""
    image = {"type": "container", "bom-ref": inventory.digest, "name": inventory.name, "version": inventory.digest}
    serial = uuid.uuid5(_NAMES, f"imagemill {__version__} {inventory.name} {inventory.digest}")
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": inventory.created,
            "tools": {"components": [{"type": "application", "name": "imagemill", "version": __version__}]},
            "component": image,
            "properties": [{"name": "imagemill:platform", "value": inventory.platform}],
        },
        "components": [*map(_package, inventory.components), *map(_file, inventory.files)],
        "dependencies": [
            {"ref": inventory.digest, "dependsOn": sorted({component.purl for component in inventory.components})}
        ],
    }
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=True) + "\n"


def _package(component: Component) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": component.purl,
        "name": component.name,
        "version": component.version,
        "purl": component.purl,
    }
    if component.namespace:
        found["group"] = component.namespace
    if component.license:
        found["licenses"] = [{"license": {"name": component.license}}]
    if component.source:
        found["properties"] = [{"name": "imagemill:source-package", "value": component.source}]
    return found


def _file(file: File) -> dict[str, Any]:
    origin = [{"name": "imagemill:origin", "value": file.origin.purl}] if file.origin else []
    return {
        "type": "file",
        "bom-ref": f"file:{file.path}",
        "name": file.path,
        "hashes": [{"alg": "SHA-1", "content": file.sha1}, {"alg": "SHA-256", "content": file.sha256}],
        **({"properties": origin} if origin else {}),
    }
