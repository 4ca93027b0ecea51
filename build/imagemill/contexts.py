"""Build contexts on disk, for engines that are driven by hand: `docker build dist-context/IMAGE`."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from imagemill.aging import Aging
from imagemill.factory import Factory
from imagemill.plan import Image
from imagemill.platforms import find
from imagemill.render import Renderer
from imagemill.workshop import Workshop


def export(workshop: Workshop, images: Sequence[Image], out: Path, platforms: Sequence[str]) -> list[Path]:
    """Write each image's Dockerfile, recipes and layer archives to `out/<name>`. Returns these folders.

    Raises LockError when a layer was not made yet: build the images first.
    """
    renderer = Renderer(workshop.paths.root, epoch=workshop.epoch)
    aging = Aging(workshop.paths.root, workshop.paths.state, locked=False)
    factory = Factory(workshop.paths, workshop.dist, workshop.progress, epoch=workshop.epoch)
    folders = []
    for image in images:
        rendered = renderer.render(image)
        effective = aging.effective(image.base.name)
        folder = out / image.name
        folder.mkdir(parents=True, exist_ok=True)
        for platform in image.platforms:
            if platforms and platform not in platforms:
                continue
            context, _ = factory.context(rendered, effective, find(platform))
            for name, blob in context.archives.items():
                with gzip.open(blob.path) as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
        (folder / "Dockerfile").write_text(rendered.dockerfile, encoding="utf-8")
        recipes = [recipe.summary() for recipe in rendered.recipes]
        (folder / "layers.json").write_text(json.dumps(recipes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        folders.append(folder)
    return folders
