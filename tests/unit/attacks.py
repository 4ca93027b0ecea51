"""What may be done to a signed image in its registry by whoever has no key to sign with, and by who has one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace

from signed_images import NAME, OTHER, TAG, Made

from imagemill.attest import statement, tagged
from imagemill.oci import INDEX, MANIFEST, canonical, sha256

AMD64, ARM64 = "linux/amd64", "linux/arm64"


def put(made: Made, tag: str, data: bytes, media_type: str = MANIFEST) -> None:
    """Have a manifest there under a tag, whatever it is."""
    made.there.manifests[sha256(data)] = media_type, data
    made.there.tags[tag] = sha256(data)


def _blob(made: Made, data: bytes) -> dict[str, object]:
    made.there.blobs[sha256(data)] = data
    return {"digest": sha256(data), "size": len(data)}


def _manifest(made: Made, tag: str) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = json.loads(made.there.manifests[made.there.tags[tag]][1])
    return found


def tampered_index(made: Made) -> None:
    data = json.loads(made.there.manifests[made.index.digest][1])
    put(made, TAG, canonical({**data, "annotations": {"more": "than was signed"}}), INDEX)


def other_bytes(made: Made) -> None:
    digest = made.images[AMD64].digest
    media_type, data = made.there.manifests[digest]
    made.there.manifests[digest] = media_type, data.replace(b'"schemaVersion":2', b'"schemaVersion": 2')


def tampered(kind: str) -> Callable[[Made], None]:
    def do(made: Made) -> None:
        manifest = json.loads(made.there.manifests[made.images[AMD64].digest][1])
        row = manifest["config"] if kind == "config" else manifest["layers"][0]
        data = made.there.blobs[row["digest"]]
        made.there.blobs[row["digest"]] = data[:-1] + bytes([data[-1] ^ 1])

    return do


def missing_layer(made: Made) -> None:
    manifest = json.loads(made.there.manifests[made.images[ARM64].digest][1])
    del made.there.blobs[manifest["layers"][0]["digest"]]


def longer_layer(made: Made) -> None:
    manifest = json.loads(made.there.manifests[made.images[ARM64].digest][1])
    made.there.blobs[manifest["layers"][0]["digest"]] += b"more"


def unsigned(made: Made) -> None:
    for digest in made.digests:
        for tag in (tagged.tag(digest, "sig"), tagged.tag(digest, "att"), digest.replace(":", "-")):
            made.there.tags.pop(tag, None)


def unsigned_platform(made: Made) -> None:
    digest = made.images[ARM64].digest
    for tag in (tagged.tag(digest, "sig"), digest.replace(":", "-")):
        made.there.tags.pop(tag)


def foreign_key(made: Made) -> None:
    unsigned(made)
    made.signed(OTHER)


def swapped_signature(made: Made) -> None:
    """The signature of one platform in place of another's."""
    unsigned_platform(made)
    other = made.there.tags[tagged.tag(made.images[AMD64].digest, "sig")]
    made.there.tags[tagged.tag(made.images[ARM64].digest, "sig")] = other


def claimed_signature(made: Made) -> None:
    """The payload says the right digest, and the signature is of another payload."""
    unsigned_platform(made)
    manifest = _manifest(made, tagged.tag(made.images[AMD64].digest, "sig"))
    payload = made.there.blobs[str(manifest["layers"][0]["digest"])]
    changed = payload.replace(made.images[AMD64].digest.encode(), made.images[ARM64].digest.encode())
    manifest["layers"][0] |= _blob(made, changed)
    put(made, tagged.tag(made.images[ARM64].digest, "sig"), canonical(manifest))


def of_another(made: Made) -> None:
    """An image that was never signed, with the signatures of a good one."""
    evil = Made(made.registry, made.folder.parent / "evil", text="evil").pushed(TAG)
    for ours, theirs in zip(made.digests, evil.digests, strict=True):
        for kind in ("sig", "att"):
            made.there.tags[tagged.tag(theirs, kind)] = made.there.tags[tagged.tag(ours, kind)]


def moved_tag(made: Made) -> None:
    """The tag of another image, which is signed for its own name."""
    Made(made.registry, made.folder.parent / "node", text="node").signed_as(TAG, "nodejs24.x")


def one_platform(made: Made) -> None:
    made.there.tags[TAG] = made.images[AMD64].digest


def missing_platform(made: Made) -> None:
    """An index of one platform, signed, and published as it is."""
    half = Made(made.registry, made.folder.parent / "half", platforms=[AMD64]).pushed(TAG)
    half.signed(said=half.said(tags={TAG: [AMD64, ARM64]}))


def stripped(*kinds: str) -> Callable[[Made], None]:
    """Attestations taken away, in both forms."""

    def do(made: Made) -> None:
        said = [one for one in made.statements if one.kind not in kinds]
        unsigned(made)
        made.signed(said=said)

    return do


def _replaced(made: Made, kind: str, change: Callable[[dict[str, object]], object], digest: str = "") -> None:
    """Have a statement say something else, signed with the very key."""
    said = []
    for one in made.statements:
        if one.kind == kind and (not digest or digest in one.subjects):
            predicate = json.loads(json.dumps(one.predicate))
            change(predicate)
            one = replace(one, predicate=predicate)
        said.append(one)
    unsigned(made)
    made.signed(said=said)


def forged(kind: str, old: bytes, new: bytes) -> Callable[[Made], None]:
    """An attestation whose payload was changed, with its signature as it was."""

    def do(made: Made) -> None:
        for digest in made.digests:
            made.there.tags.pop(digest.replace(":", "-"), None)
            manifest = _manifest(made, tagged.tag(digest, "att"))
            for row in manifest["layers"]:
                if row["annotations"]["predicateType"] == kind:  # type: ignore[index]
                    envelope = json.loads(made.there.blobs[str(row["digest"])])
                    payload = base64.b64decode(envelope["payload"])
                    assert old in payload
                    envelope["payload"] = base64.b64encode(payload.replace(old, new)).decode()
                    row |= _blob(made, canonical(envelope))
            put(made, tagged.tag(digest, "att"), canonical(manifest))

    return do


def failing_report(made: Made) -> None:
    made.signed(said=made.said(made.report("fail")))


def claims_to_pass(made: Made) -> None:
    """A report with a failure that says of itself that it did not fail."""

    def change(predicate: dict[str, object]) -> None:
        predicate["findings"][0]["status"] = "fail"  # type: ignore[index]
        predicate["failed"] = False

    _replaced(made, statement.CONFORMANCE, change, made.images[AMD64].digest)


def report_of_another(made: Made) -> None:
    def change(predicate: dict[str, object]) -> None:
        predicate["images"][0]["digest"] = "sha256:" + "0" * 64  # type: ignore[index]

    _replaced(made, statement.CONFORMANCE, change, made.images[AMD64].digest)


def empty_report(made: Made) -> None:
    _replaced(made, statement.CONFORMANCE, lambda one: one.update(findings=[]), made.images[AMD64].digest)


def package_hidden(made: Made) -> None:
    _replaced(made, statement.SPDX, lambda one: one["packages"].__delitem__(slice(1, 2)))  # type: ignore[attr-defined]


def package_invented(made: Made) -> None:
    def change(predicate: dict[str, object]) -> None:
        row = {"type": "library", "name": "x", "version": "1", "purl": "pkg:deb/debian/x@1", "bom-ref": "x"}
        predicate["components"].append(row)  # type: ignore[attr-defined]

    _replaced(made, statement.CYCLONEDX, change, made.images[ARM64].digest)


def file_changed(made: Made) -> None:
    def change(predicate: dict[str, object]) -> None:
        predicate["files"][0]["checksums"][1]["checksumValue"] = "0" * 64  # type: ignore[index]

    _replaced(made, statement.SPDX, change, made.images[AMD64].digest)


def unlocked(made: Made) -> None:
    def change(predicate: dict[str, object]) -> None:
        predicate["buildDefinition"]["resolvedDependencies"].pop()  # type: ignore[index]

    _replaced(made, statement.PROVENANCE, change)


def other_type(made: Made) -> None:
    def change(predicate: dict[str, object]) -> None:
        predicate["buildDefinition"]["buildType"] = "https://example.org/other"  # type: ignore[index]

    _replaced(made, statement.PROVENANCE, change)


def typo(made: Made) -> None:
    """Everything copied, signatures and all, into a repository with a similar name."""
    there = made.registry.repo(NAME)
    squatted = made.registry.repo("team/lamda")
    squatted.blobs, squatted.manifests, squatted.tags = dict(there.blobs), dict(there.manifests), dict(there.tags)
    made.name = "team/lamda"


def no_index(made: Made) -> None:
    put(made, TAG, b"<html>", INDEX)


def no_tag(made: Made) -> None:
    del made.there.tags[TAG]


def endless_index(made: Made) -> None:
    row = {"mediaType": INDEX, "digest": made.index.digest, "size": 1, "platform": {"os": "linux", "architecture": "x"}}
    put(made, TAG, canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [row]}), INDEX)


def damaged_attestations(made: Made) -> None:
    unsigned(made)
    for digest in made.digests:
        for kind in ("sig", "att"):
            put(made, tagged.tag(digest, kind), b'{"layers": 3}')
