"""What publishing says of itself: the tags, before and after, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from imagemill.publish.names import Place
from imagemill.publish.order import Now, Outcome

_WORDS = {"there": "is there", "new": "new", "moves": "moved"}


def planned(places: Sequence[Place], seen: Sequence[Now], form: str) -> str:
    """What would be done to each tag."""
    if form == "json":
        rows = [{"tag": str(now.tag), "digest": now.tag.target, "state": now.state, "now": now.digest} for now in seen]
        return json.dumps(rows, indent=1) + "\n"
    rows_ = [(str(now.tag), now.tag.target[:19], _words(now)) for now in seen]
    return _table(("TAG", "DIGEST", "WOULD BE"), rows_) + f"{len(places)} images in repositories, {len(seen)} tags\n"


def published(outcomes: Sequence[Outcome], form: str) -> str:
    """What was done."""
    if form == "json":
        rows = [
            {
                "image": one.place.image,
                "repository": one.place.repository,
                "digest": one.place.index.digest,
                "platforms": {platform.platform: platform.digest for platform in one.place.platforms},
                "tags": one.tags,
                "sent": one.sent,
                "bytes": one.bytes,
                "mounted": one.mounted,
                "signed": one.signed,
                "error": one.error,
            }
            for one in outcomes
        ]
        return json.dumps(rows, indent=1) + "\n"
    rows_ = [
        (str(tag), tag.target[:19], _WORDS[one.tags[tag.name]])
        for one in outcomes
        for tag in one.place.tags
        if tag.name in one.tags
    ]
    blobs, size = sum(one.sent for one in outcomes), sum(one.bytes for one in outcomes)
    mounted, signed = sum(one.mounted for one in outcomes), sum(one.signed for one in outcomes)
    summary = f"{blobs} blobs sent ({size / 1e6:.1f} MB), {mounted} mounted, {signed} signatures and statements written"
    return _table(("TAG", "DIGEST", "STATE"), rows_) + summary + "\n"


def _words(now: Now) -> str:
    return f"moved from {now.digest[:19]}" if now.state == "moves" else _WORDS[now.state]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rows = [head, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)
