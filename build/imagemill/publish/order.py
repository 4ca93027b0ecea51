"""The order of publishing: everything under its digest first, then what signs it, then a look from outside, then tags.

A tag therefore never points at anything that is not whole and signed in its registry, whenever a run is ended; the
next one finds by digest what is done already, and goes on. Registries cannot move a tag on a condition, so a tag is
looked at again right before it is moved: who published meanwhile is not undone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, Protocol

from imagemill.attest.statement import Statement
from imagemill.errors import ImagemillError, PublishError
from imagemill.oci import Descriptor
from imagemill.publish.names import Place, Tag

State = Literal["there", "new", "moves"]
_ASKED_AT_ONCE = 8
_PLACES_AT_ONCE = 6


class Repository(Protocol):
    """The part of registry.Repository that is needed here."""

    @property
    def name(self) -> str:
        """Host and path."""

    def there(self, reference: str) -> Descriptor | None:
        """What a tag or digest is; None for nothing, and for what the registry cannot read any more."""

    def manifest(self, reference: str) -> bytes:
        """The manifest or index of a tag or digest."""

    def push_manifest(self, reference: str, media_type: str, data: bytes) -> Descriptor:
        """Have a manifest there, under a tag or its digest."""


@dataclass(frozen=True)
class Now:
    """What a tag is before it is published: `digest` is empty where it is not there."""

    tag: Tag
    digest: str
    state: State


@dataclass
class Outcome:
    """What became of one place: what was sent, mounted from another repository, or there; signatures; tags moved."""

    place: Place
    sent: int = 0
    bytes: int = 0
    mounted: int = 0
    there: int = 0
    signed: int = 0
    tags: dict[str, State] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Means:
    """What publishing does to the outside; each raises ImagemillError.

    `push` sends a place's blobs and manifests by digest, `sign` signs and attests them, `trust` signs tags of a
    repository for Docker Content Trust, and `check` looks at all of it, and at what `sign` said, as a stranger would.
    `manifest` gives media type and bytes of a manifest.
    """

    repository: Callable[[str], Repository]
    push: Callable[[Place, Outcome], None]
    sign: Callable[[Place, Outcome], Sequence[Statement]]
    trust: Callable[[str, Mapping[str, Descriptor]], None]
    check: Callable[[Place, Sequence[Statement]], None]
    manifest: Callable[[Place, str], tuple[str, bytes]]
    say: Callable[[str], None]


def look(
    places: Sequence[Place],
    repository: Callable[[str], Repository],
    created: Callable[[Repository, str], str],
    made: Callable[[str], str],
    known: Collection[str],
    *,
    newer: bool = False,
) -> list[Now]:
    """What all tags are now. Raises PublishError with every one that may not be moved, and why.

    `created` says when an image in a registry was made, in RFC 3339, empty where it does not say; `made` when one here
    was; `known` are digests that were released before. With `newer` a tag is
    moved even when what it points at is newer than what would be published, or not known here.
    """
    tags = [tag for place in places for tag in place.tags]

    def now(tag: Tag) -> Now | str:
        place = repository(tag.repository)
        there = place.there(tag.name)
        if there is None:
            return Now(tag, "", "new")
        if there.digest == tag.target:
            return Now(tag, there.digest, "there")
        if tag.fixed:
            return f"{tag} is {there.digest}, and a date's tags are never moved; give another --date"
        if newer:
            return Now(tag, there.digest, "moves")
        reason = _newer(created(place, there.digest), made(tag.target), there.digest in known)
        moving = f"{tag} is {there.digest}, {reason}; give --move-newer to move it"
        return moving if reason else Now(tag, there.digest, "moves")

    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        found = list(pool.map(now, tags))
    refused = [row for row in found if isinstance(row, str)]
    if refused:
        words = "\n".join(f"  {row}" for row in refused)
        raise PublishError(f"{len(refused)} of {len(tags)} tags may not be moved:\n{words}", "nothing was sent")
    return [row for row in found if isinstance(row, Now)]


def publish(places: Sequence[Place], seen: Iterable[Now], means: Means) -> list[Outcome]:
    """Publish. What fails at one place is in its outcome, and keeps only its own tags from being moved."""
    before = {str(now.tag): now for now in seen}
    outcomes = [Outcome(place) for place in places]
    first = {place.image: place for place in reversed(places)}  # where the image's other places can have blobs from
    _all([one for one in outcomes if first[one.place.image] is one.place], lambda one: _prepared(one, means))
    _all([one for one in outcomes if first[one.place.image] is not one.place], lambda one: _prepared(one, means))
    _all(outcomes, lambda one: _unmoved(one, before, means))
    for repository in dict.fromkeys(place.repository for place in places):
        mine = [one for one in outcomes if one.place.repository == repository]
        whole = [one for one in mine if not one.error]
        signed = {tag.name: _descriptor(one.place, tag.target) for one in whole for tag in one.place.tags}
        try:
            if signed:
                means.trust(repository, signed)
        except ImagemillError as error:
            for one in whole:
                one.error = str(error)
    _all(outcomes, lambda one: _named(one, before, means))
    return outcomes


def failed(outcomes: Sequence[Outcome]) -> list[str]:
    """What went wrong, a line a place."""
    return [f"{one.place.repository} {one.place.image}: {one.error}" for one in outcomes if one.error]


def _all(outcomes: Sequence[Outcome], step: Callable[[Outcome], None]) -> None:
    """Take a step for several places at once; what goes wrong at one is its error, and later steps pass it by."""

    def guarded(outcome: Outcome) -> None:
        try:
            if not outcome.error:
                step(outcome)
        except ImagemillError as error:
            outcome.error = str(error)

    pool = ThreadPoolExecutor(_PLACES_AT_ONCE)
    try:
        for future in [pool.submit(guarded, outcome) for outcome in outcomes]:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)  # who ends the run waits for what is under way alone


def _prepared(outcome: Outcome, means: Means) -> None:
    place = outcome.place
    means.push(place, outcome)
    means.check(place, means.sign(place, outcome))


def _unmoved(outcome: Outcome, before: Mapping[str, Now], means: Means) -> None:
    """Look whether all tags are what they were: what is signed for Docker Content Trust is what tags shall become."""
    repository = means.repository(outcome.place.repository)
    for tag in outcome.place.tags:
        _digest_now(repository, tag, before[str(tag)])


def _named(outcome: Outcome, before: Mapping[str, Now], means: Means) -> None:
    repository = means.repository(outcome.place.repository)
    for tag in outcome.place.tags:
        was = before[str(tag)]
        if _digest_now(repository, tag, was) != tag.target:
            media_type, data = means.manifest(outcome.place, tag.target)
            repository.push_manifest(tag.name, media_type, data)
            means.say(f"{tag} {tag.target[:19]}")
        outcome.tags[tag.name] = was.state


def _digest_now(repository: Repository, tag: Tag, was: Now) -> str:
    """What a tag is, if it is what it was or shall be. PublishError for anything else."""
    there = repository.there(tag.name)
    digest = there.digest if there else ""
    if digest not in (tag.target, was.digest):
        raise PublishError(
            f"{tag} has become {digest or 'nothing'} since this run looked: somebody else publishes, too",
            "run it again when they are done",
        )
    return digest


def _descriptor(place: Place, digest: str) -> Descriptor:
    return next(one for one in place.digests if one.digest == digest)


def _newer(there: str, ours: str, known: bool) -> str:
    """Why an image in a registry may be newer than ours; empty where it is not. Times are RFC 3339 in UTC."""
    if not there:
        return "" if known else "which says not when it was made, and was not released from here"
    return f"made {there}, later than ours of {ours}" if there > ours else ""
