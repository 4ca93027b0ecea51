"""All that is said of a built image: how it was made, and of each platform what is in it and what it passed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from imagemill.attest.attach import FORMS, Form, Repository, Sealer, attach
from imagemill.attest.predicates import conformance, sboms
from imagemill.attest.provenance import Locked, Origin, provenance
from imagemill.attest.statement import Statement
from imagemill.conform.view import open_layout
from imagemill.dist import Artifact
from imagemill.plan import Image
from imagemill.platforms import find
from imagemill.reports.summary import Report
from imagemill.sbom import Inventory, take
from imagemill.sbom.planned import components
from imagemill.spool import Layers


def inventories(layout: Path, image: Image, artifact: Artifact, locked: Locked, layers: Layers) -> list[Inventory]:
    """What an image is made of, on each platform; `layout` is its index's. The same in every repository."""
    found = []
    for name in sorted(artifact.platforms):
        platform = find(name)
        known = components(image, lambda part, arch=platform.arch: locked.lock.inputs(part, arch))  # type: ignore[misc]
        found.append(take(open_layout(layout, platform, layers), artifact.tags[-1], name, known))
    return found


def statements(
    repository: str,
    image: Image,
    artifact: Artifact,
    locked: Locked,
    origin: Origin,
    tags: Mapping[str, Sequence[str]],
    report: Report,
    inventories: Iterable[Inventory],
) -> list[Statement]:
    """What is to be signed of an image in one repository (host and path).

    `tags` are those that it gets there, without dates, each with its platforms. What is said of a platform is said of
    the index too, so that who asks for a tag finds it. Raises PublishError where the report has nothing on it.
    """
    index = artifact.digest
    digests = {name: built.digest for name, built in artifact.platforms.items()}
    everything = dict.fromkeys((index, *digests.values()), repository)
    found = [provenance(everything, image, artifact, locked, origin, tags)]
    for inventory in inventories:
        digest = digests[inventory.platform]
        subjects = dict.fromkeys((index, digest), repository)
        found += [*sboms(subjects, inventory), conformance(subjects, report, digest)]
    return found


def attach_all(
    repository: Repository,
    digests: Iterable[str],
    statements: Sequence[Statement],
    sealer: Sealer,
    forms: Sequence[Form] = FORMS,
) -> int:
    """Sign these manifests, and attach to each the statements that are of it. How many things were sent.

    Raises as `attach` does.
    """

    def one(digest: str) -> int:
        return attach(repository, digest, [said for said in statements if digest in said.subjects], sealer, forms)

    with ThreadPoolExecutor() as pool:
        return sum(pool.map(one, digests))
