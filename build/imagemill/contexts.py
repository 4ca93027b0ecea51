"""Build contexts on disk, for engines that are driven by hand: `docker build CONTEXT`.

Layer archives are hard links to those of the layer store, compressed as they are there: ADD unpacks an archive by what
it is and not by its name.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagemill.aging import Aging
from imagemill.engine import Context
from imagemill.factory import Factory
from imagemill.oci import Blob
from imagemill.plan import Image
from imagemill.platforms import find
from imagemill.render import Rendered, Renderer
from imagemill.workshop import Workshop


@dataclass(frozen=True)
class Ready:
    """An image whose layers are made: what an engine needs on each platform, and the newest time in any of it."""

    rendered: Rendered
    contexts: Mapping[str, Context]
    epoch: int

    @property
    def image(self) -> Image:
        """The planned image."""
        return self.rendered.image


def ready(workshop: Workshop, images: Sequence[Image], platforms: Sequence[str] = ()) -> list[Ready]:
    """These images for these platforms, or for all of theirs; one without such a platform is left out.

    Raises LockError when a layer was not made yet: build the images first.
    """
    renderer = Renderer(workshop.paths.root, epoch=workshop.epoch)
    aging = Aging(workshop.paths.root, workshop.paths.state, locked=False)
    factory = Factory(workshop.paths, workshop.dist, workshop.progress, epoch=workshop.epoch)
    found = []
    for image in images:
        rendered = renderer.render(image)
        effective = aging.effective(image.base.name)
        rows = {
            name: factory.context(rendered, effective, find(name))
            for name in image.platforms
            if not platforms or name in platforms
        }
        if rows:
            contexts = {name: context for name, (context, _) in rows.items()}
            found.append(Ready(rendered, contexts, max(epoch for _, epoch in rows.values())))
    return found


def export(workshop: Workshop, images: Sequence[Image], out: Path, platforms: Sequence[str]) -> list[Path]:
    """Write each image's Dockerfile, recipes and layer archives to `out/<name>`. Returns these folders.

    Raises LockError when a layer was not made yet: build the images first.
    """
    folders = []
    for one in ready(workshop, images, platforms):
        folder = out / one.image.name
        folder.mkdir(parents=True, exist_ok=True)
        for context in one.contexts.values():
            link(folder, context.archives)
        (folder / "Dockerfile").write_text(one.rendered.dockerfile, encoding="utf-8")
        recipes = [recipe.summary() for recipe in one.rendered.recipes]
        (folder / "layers.json").write_text(json.dumps(recipes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        folders.append(folder)
    return folders


def link(folder: Path, archives: Mapping[str, Blob]) -> None:
    """Have these archives in `folder` under their names; copies where the file system has no hard links to them."""
    for name, blob in archives.items():
        target = folder / name
        target.unlink(missing_ok=True)
        try:
            os.link(blob.path, target)
        except OSError:
            shutil.copyfile(blob.path, target)
