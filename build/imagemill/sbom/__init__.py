"""Software bills of materials: what an image on one platform is made of, as SPDX and as CycloneDX.

They are read from the image itself, so they can be had of any image; the same bytes give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from imagemill.sbom.cyclonedx import cyclonedx
from imagemill.sbom.inventory import Component, Inventory, take
from imagemill.sbom.spdx import spdx

FORMATS: Mapping[str, Callable[[Inventory], str]] = {"spdx": spdx, "cyclonedx": cyclonedx}
"""What writes an inventory in each format: SPDX 2.3 as JSON, CycloneDX 1.6 as JSON."""

__all__ = ["FORMATS", "Component", "Inventory", "cyclonedx", "spdx", "take"]
