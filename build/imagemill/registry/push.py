"""Pushing an image: everything below one entry of a layout, by digest. Tags are somebody else's decision."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TypeVar

from imagemill.errors import ImagemillError, LayoutError
from imagemill.oci import INDEX, Descriptor, Layout
from imagemill.registry.faults import Rejected
from imagemill.registry.repository import DIGEST, Outcome, Repository

JOBS = 4
_DEEPEST = 4
_LISTS = (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True)
class Node:
    """A manifest with its blobs, or an index with what it lists."""

    entry: Descriptor
    blobs: tuple[Descriptor, ...] = ()
    below: tuple[Node, ...] = ()

    def levels(self) -> list[list[Node]]:
        """The nodes by how deep they are, the deepest first: the order in which registries take them."""
        rows = [[self]]
        while below := [node for parent in rows[-1] for node in parent.below]:
            rows.append(below)
        return rows[::-1]


@dataclass(frozen=True)
class Pushed:
    """What a push did: blobs that were there, mounted and sent, bytes that were sent, manifests that were written."""

    there: int = 0
    mounted: int = 0
    sent: int = 0
    bytes: int = 0
    manifests: tuple[str, ...] = ()


def push(
    layout: Layout,
    entry: Descriptor,
    repository: Repository,
    *,
    jobs: int = JOBS,
    mount_from: Collection[str] = (),
    say: Callable[[str], None] = lambda text: None,
    every_blob: bool = False,
) -> Pushed:
    """Have an image or index of a layout in a repository, by digest, and report what had to be done for it.

    Blobs go first, `jobs` at a time, then manifests, those of platforms before the index of them. No tag moves.

    Which questions are enough: the registry is asked for each manifest and index by its digest, and for the blobs
    of those alone that it does not have. It took a manifest only when it had all its blobs, and its garbage
    collection starts from manifests, so the blobs of one that is there are there. That does not hold for the
    manifests of an index: Distribution's collection can remove those that have no tag of their own from below it.
    What a broken disk lost shows in none of this: `every_blob` asks for every blob of every manifest.
    A blob that the registry says it has, but then does not know when its manifest comes, is sent anyway.

    Raises LayoutError for a layout that is damaged, RegistryError; what is there by then stays, and is not sent
    again by the next push. An interrupt closes the repository.
    """
    levels = read(layout, entry).levels()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            absent = _absent(levels, repository, pool)
            blobs = _blobs(node for level in (levels if every_blob else absent) for node in level)
            if blobs:
                size = sum(blob.size for blob in blobs)
                say(f"{repository.name}: {len(blobs)} blobs ({size / 1e6:.1f} MB) to have there")
            outcomes = _each(pool, blobs, lambda blob: _push_blob(layout, blob, repository, mount_from))
            for level in absent:
                _each(pool, level, lambda node: _push_manifest(layout, node, repository))
        except ImagemillError:
            pool.shutdown(cancel_futures=True)  # what is under way is brought to its end: it need not be sent again
            raise
        except BaseException:
            repository.close()
            pool.shutdown(cancel_futures=True)
            raise
    sent = [blob for blob, outcome in outcomes if outcome == "sent"]
    return Pushed(
        sum(outcome == "there" for _, outcome in outcomes),
        sum(outcome == "mounted" for _, outcome in outcomes),
        len(sent),
        sum(blob.size for blob in sent),
        tuple(node.entry.digest for level in absent for node in level),
    )


def read(layout: Layout, entry: Descriptor, depth: int = 0) -> Node:
    """What an entry of a layout is made of. Raises LayoutError where it is damaged."""
    data = layout.read_json(_named(layout, entry).digest)
    try:
        if entry.media_type not in _LISTS:
            blobs = [Descriptor.from_json(row) for row in (data["config"], *data["layers"])]
            return Node(entry, tuple(_named(layout, blob) for blob in blobs))
        if depth == _DEEPEST:
            raise LayoutError(f"{layout.path}: {entry.digest} is below too many indexes", "push another image")
        rows = [Descriptor.from_json(row) for row in data["manifests"]]
        return Node(entry, below=tuple(read(layout, row, depth + 1) for row in rows))
    except (KeyError, TypeError, AttributeError) as error:
        raise LayoutError(f"{layout.path}: {entry.digest} is damaged: {error!r}", "build the image again") from None


def _named(layout: Layout, found: Descriptor) -> Descriptor:
    """A descriptor whose digest is one: it becomes a path."""
    if not DIGEST.fullmatch(found.digest):
        raise LayoutError(f"{layout.path}: {found.digest!r} is no digest", "build the image again")
    return found


def _absent(levels: list[list[Node]], repository: Repository, pool: ThreadPoolExecutor) -> list[list[Node]]:
    """The levels with those nodes that the registry does not have, each once."""
    (top,) = levels[-1]
    heads = {top.entry.digest: repository.there(top.entry.digest)}  # alone: what it says of logins helps the others
    others = {node.entry.digest: node for level in levels for node in level if node is not top}
    asked = _each(pool, list(others.values()), lambda node: repository.there(node.entry.digest))
    heads |= {node.entry.digest: head for node, head in asked}
    found, seen = [], set()
    for level in levels:
        new = {node.entry.digest: node for node in level if heads[node.entry.digest] is None}
        found.append([node for digest, node in new.items() if digest not in seen])
        seen |= set(new)
    return found


def _blobs(nodes: Iterable[Node]) -> list[Descriptor]:
    """The blobs of nodes, each once, the largest first: no long one is left alone at the end."""
    found = {blob.digest: blob for node in nodes for blob in node.blobs}
    return sorted(found.values(), key=lambda blob: (-blob.size, blob.digest))


def _push_blob(
    layout: Layout, blob: Descriptor, repository: Repository, mount_from: Collection[str], *, ask: bool = True
) -> Outcome:
    return repository.push_blob(layout.blob_path(blob.digest), blob.digest, blob.size, mount_from, ask=ask)


def _push_manifest(layout: Layout, node: Node, repository: Repository) -> None:
    data = layout.read_blob(node.entry.digest)
    try:
        repository.push_manifest(node.entry.digest, node.entry.media_type, data)
    except Rejected as rejected:
        if "MANIFEST_BLOB_UNKNOWN" not in rejected.codes or not node.blobs:
            raise
        for blob in node.blobs:  # it said that it had them
            _push_blob(layout, blob, repository, (), ask=False)
        repository.push_manifest(node.entry.digest, node.entry.media_type, data)


def _each(pool: ThreadPoolExecutor, items: list[_In], work: Callable[[_In], _Out]) -> list[tuple[_In, _Out]]:
    """Items with what work made of them; the first failure ends it."""
    futures = {pool.submit(work, item): item for item in items}
    return [(futures[future], future.result()) for future in as_completed(futures)]
