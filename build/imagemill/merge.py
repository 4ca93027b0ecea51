"""Joining what shards have built: their layouts become those of one dist, with whole indexes over them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imagemill.dist import Artifact, Dist, check_blobs
from imagemill.errors import LayoutError, MergeError
from imagemill.oci import REF_NAME, Descriptor, Layout, note, write_index
from imagemill.plan import Image
from imagemill.shard import Shard


@dataclass(frozen=True)
class _Part:
    """An image in one of the dists."""

    dist: Dist
    artifact: Artifact


def merge(dists: Sequence[Dist], into: Dist, images: Sequence[Image]) -> list[Artifact]:
    """Write every image that `dists` have to `into`, with an index over all its platforms. Returns the images.

    `images` are those planned: they say which platforms are whole. Raises MergeError with every reason why not, and
    has written nothing then: a shard that is missing or was not finished, an image that is not planned, a platform
    that is missing or there twice, parts that were made from different inputs, a blob that is not what its digest says
    (every byte is read).
    """
    planned = {image.name: image for image in images}
    parts: dict[str, list[_Part]] = {}
    for dist in dists:
        found = dist.read()
        if not found and not dist.shard:
            raise MergeError(f"{dist.path} has no images", "name the dist directories that the shards have written")
        for name, artifact in found.items():
            parts.setdefault(name, []).append(_Part(dist, artifact))
    mistakes = _lost([Shard.parse(dist.shard) for dist in dists if dist.shard])
    mistakes += [line for name, row in sorted(parts.items()) for line in _mistakes(planned.get(name), row)]
    if mistakes:
        raise MergeError("these do not make whole images:\n" + "\n".join(f"  {line}" for line in mistakes))
    record = dict(into.read())
    for name, row in sorted(parts.items()):
        record[name] = _join(row, into)
        into.write(record)
    return [record[name] for name in sorted(parts)]


def _lost(shards: Sequence[Shard]) -> list[str]:
    """Which shards are not there, where others of as many are: nobody else knows which images they were to bring."""
    wanted = {Shard(number, shard.count) for shard in shards for number in range(1, shard.count + 1)}
    lost = sorted(wanted - set(shards), key=lambda shard: (shard.count, shard.number))
    return [f"shard {shard} is missing, or was not built to its end" for shard in lost]


def _mistakes(image: Image | None, parts: Sequence[_Part]) -> list[str]:
    """Why these parts do not make the image."""
    first = parts[0].artifact
    if image is None:
        return [f"{first.name}: no manifest of this checkout plans it; merge where it was built"]
    for part in parts:
        made_of = (part.artifact.input_hash, part.artifact.engine)
        if made_of != (first.input_hash, first.engine):
            return [
                f"{first.name}: {part.dist.path} was made from other inputs than {parts[0].dist.path}"
                f" ({_short(part.artifact)} instead of {_short(first)}); build both at one revision"
            ]
    places: dict[str, list[Path]] = {platform: [] for platform in image.platforms}
    for part in parts:
        for platform in part.artifact.platforms:
            places.setdefault(platform, []).append(part.dist.path)
    found = [f"{first.name}: {platform} is missing" for platform, where in places.items() if not where]
    found += [
        f"{first.name}: {platform} is there {len(where)} times: in {', '.join(map(str, where))}"
        for platform, where in sorted(places.items())
        if len(where) > 1
    ]
    for part in parts:
        try:
            index = Layout(part.dist.index(first.name))
            if [entry.digest for entry in index.entries()] != [part.artifact.digest]:
                raise LayoutError(f"{index.path} does not hold {part.artifact.digest}")
        except LayoutError as error:
            found.append(f"{first.name}: {error.message}")
        for platform, built in sorted(part.artifact.platforms.items()):
            try:
                layout = Layout(_layout(part.dist, first.name, platform))
                if [entry.digest for entry in layout.entries()] != [built.digest]:
                    raise LayoutError(f"{layout.path} does not hold {built.digest}")
                check_blobs(layout, built.digest, verify=True)
            except LayoutError as error:
                found.append(f"{first.name}: {platform}: {error.message}")
    return found


def _join(parts: Sequence[_Part], into: Dist) -> Artifact:
    """Write one image: a layout a platform, and the index."""
    first = parts[0].artifact
    notes = _notes(parts)
    sources: list[tuple[Path, Descriptor]] = []
    for part in parts:
        for platform in part.artifact.platforms:
            target = _layout(into, first.name, platform)
            _take(_layout(part.dist, first.name, platform), target)
            [image] = Layout(target).images()
            sources.append((target, replace(image, annotations={})))
    platforms = {name: one for part in parts for name, one in part.artifact.platforms.items()}
    index = write_index(into.index(first.name), sources, first.name)
    if notes:
        note(into.index(first.name), notes)
    return replace(first, digest=index.digest, size=index.size, platforms=dict(sorted(platforms.items())))


def _notes(parts: Sequence[_Part]) -> dict[str, str]:
    """What is noted beside every one of the parts, as the revision is; of parts from two revisions neither is true."""
    found = []
    for part in parts:
        [entry] = Layout(part.dist.index(part.artifact.name)).entries()
        found.append({name: value for name, value in entry.annotations.items() if name != REF_NAME}.items())
    return dict(sorted(set(found[0]).intersection(*found[1:])))


def _take(source: Path, target: Path) -> None:
    """Have a layout at `target` too: hard links where the file system has them. It appears whole or not at all."""
    if source.resolve() == target.resolve():
        return
    staging = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copytree(source, staging, copy_function=_link)
    shutil.rmtree(target, ignore_errors=True)
    staging.rename(target)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _layout(dist: Dist, name: str, platform: str) -> Path:
    return dist.layout(name, platform.partition("/")[2])


def _short(artifact: Artifact) -> str:
    return f"{artifact.input_hash[:12]}, {artifact.engine}"
