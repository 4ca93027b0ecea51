"""What a repository in Amazon ECR has that nothing leads to any more: images that were published again since.

Of registries only ECR tells what it has without a tag. What is kept: what has a tag, what is young, what a kept index
names, and what speaks of a kept image (signatures, attestations), whether by its `subject` or by a tag of its digest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from imagemill.publish import aws

_SPEAKS_OF = re.compile(r"sha256-([0-9a-f]{64})(\.[a-z]+)?")
_AT_ONCE = 8
_MOST_AT_ONCE = 100  # images in one call that deletes


@dataclass(frozen=True)
class Stored:
    """One manifest of a repository: `pushed` is Unix time, `subject` what it speaks of, `names` what it is made of."""

    digest: str
    size: int
    pushed: float
    tags: tuple[str, ...] = ()
    subject: str = ""
    names: tuple[str, ...] = ()

    @property
    def of(self) -> set[str]:
        """What it speaks of, by its subject or its tags; empty where it is an image that stands for itself."""
        found = [_SPEAKS_OF.fullmatch(tag) for tag in self.tags]
        if self.tags and all(found):
            return {f"sha256:{one[1]}" for one in found if one}
        return {self.subject} if self.subject and not self.tags else set()


def stored(client: Any, words: Mapping[str, str], manifest: Callable[[str], bytes]) -> list[Stored]:
    """All that a repository has. `manifest` reads one by its digest; the API of ECR Public gives none."""
    with aws.told(f"{words['repositoryName']}: what it has (ecr:DescribeImages)"):
        pages = list(client.get_paginator("describe_images").paginate(**words))
    rows = [row for page in pages for row in page["imageDetails"]]

    def whole(row: Mapping[str, Any]) -> Stored:
        data = json.loads(manifest(row["imageDigest"]))
        return Stored(
            row["imageDigest"],
            row.get("imageSizeInBytes", 0),
            row["imagePushedAt"].timestamp(),
            tuple(sorted(row.get("imageTags") or ())),
            (data.get("subject") or {}).get("digest", ""),
            tuple(one["digest"] for one in data.get("manifests") or ()),
        )

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(whole, rows))


def useless(there: Sequence[Stored], before: float) -> list[Stored]:
    """What may go of what is there: what is older than `before` (Unix time) and nothing kept leads to.

    An index comes before what it names: ECR removes nothing that an index names.
    """
    by_digest = {one.digest: one for one in there}
    kept: set[str] = set()
    more = [one.digest for one in there if one.pushed >= before or (one.tags and not one.of)]
    while more:
        kept.update(more)
        named = {name for digest in more for name in by_digest[digest].names}
        speaking = {one.digest for one in there if one.of & kept}
        more = [digest for digest in (named | speaking) - kept if digest in by_digest]
    gone = [one for one in there if one.digest not in kept]
    depth = {one.digest: 0 for one in gone}
    for _ in gone:  # an index of indexes comes before them, too; there is no ring of digests
        for one in gone:
            for name in one.names:
                if name in depth:
                    depth[name] = max(depth[name], depth[one.digest] + 1)
    return sorted(gone, key=lambda one: (depth[one.digest], one.pushed, one.digest))


def remove(client: Any, words: Mapping[str, str], gone: Iterable[Stored]) -> list[str]:
    """Remove them. Returns why some could not be, a line each."""
    failures = []
    for group in groups(list(gone)):
        with aws.told(f"{words['repositoryName']}: removing (ecr:BatchDeleteImage)"):
            answer = client.batch_delete_image(**words, imageIds=[{"imageDigest": one.digest} for one in group])
        failures += [
            f"{row['imageId'].get('imageDigest', '')}: {row['failureCode']}: {row.get('failureReason', '')}"
            for row in answer.get("failures") or ()
            if row["failureCode"] != "ImageNotFound"  # somebody else was quicker
        ]
    return failures


def groups(gone: list[Stored]) -> Iterator[list[Stored]]:
    """What goes in each call: never an index together with what it names."""
    group: list[Stored] = []
    for one in gone:
        named = {name for other in group for name in other.names}
        if group and (len(group) == _MOST_AT_ONCE or one.digest in named):
            yield group
            group = []
        group.append(one)
    if group:
        yield group
