"""What an image says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagemill.plan import Image

SOURCE = "https://github.com/imagemill/imagemill"


def labels(image: Image) -> dict[str, str]:
    """Labels of an image: OCI's own names where there is one, io.imagemill's where not.

    The first kind become annotations of manifest and index too, with the time of the newest input as `created`.
    The revision is not among them: equal inputs are an equal image, at whatever revision (see oci.about).
    Nor is base.digest: images on a Debian base are made from packages, and no image is below them.
    """
    found = {
        "org.opencontainers.image.title": image.tags[-1],
        "org.opencontainers.image.description": f"{image.runtime.name} {image.variant} image on {image.base.name}",
        "org.opencontainers.image.version": image.runtime.name.removeprefix(image.runtime.family).lstrip("."),
        "org.opencontainers.image.url": SOURCE,
        "org.opencontainers.image.source": SOURCE,
        "org.opencontainers.image.documentation": f"{SOURCE}/tree/main/docs",
        "org.opencontainers.image.vendor": "imagemill",
        "org.opencontainers.image.licenses": "MIT",
        "org.opencontainers.image.base.name": "scratch",
        "io.imagemill.runtime": image.runtime.name,
        "io.imagemill.variant": image.variant,
        "io.imagemill.base": image.base.name,
    }
    if image.runtime.deprecated:
        found["io.imagemill.deprecated"] = image.runtime.deprecated.isoformat()
    return found
