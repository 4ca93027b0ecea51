"""Hand-made images that all of conformance lets pass: with the checkout's own labels and the packages of its lock."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from conform_images import ROOT, good_config, good_tree, write_layout
from msgspec.structs import replace

from imagemill import lock
from imagemill.filetree import Tree
from imagemill.labels import labels
from imagemill.plan import Image, database_sets
from imagemill.platforms import Platform

_PARAGRAPH = "Package: {0.name}\nStatus: install ok installed\nArchitecture: {0.architecture}\nVersion: {0.version}\n\n"


def good_layout(folder: Path, image: Image, platform: Platform, spoil: Tree | None = None, **settings: Any) -> Path:
    """The layout of such an image, in a new folder; `spoil` and `settings` take the place of what is good."""
    pins = lock.read(ROOT / "runtimes" / "lock" / f"{image.base.name}.json")
    debian = {package for name in database_sets(image) for package in pins.inputs(name, platform.arch).debian}
    status = "".join(_PARAGRAPH.format(package) for package in sorted(debian))
    tree = good_tree(image, platform)
    tree["var/lib/dpkg/status"] = replace(tree["var/lib/dpkg/status"], content=status.encode())
    config: dict[str, Any] = copy.deepcopy(dict(good_config(image, platform)))
    config["config"]["Labels"] |= labels(image)
    config["config"] |= settings
    folder.mkdir()
    return write_layout(folder, {**config, "created": "2026-01-01T00:00:00Z"}, [tree | (spoil or {})])
