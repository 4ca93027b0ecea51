"""What is said of images and signed: the same each time, beside what others signed, and in the formats of others."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from conform_images import IMAGES, ROOT
from hypothesis import given
from hypothesis import strategies as st
from registry_images import Make
from signed_images import KEY, ORIGIN, OTHER, TAG, Key, Made

from imagemill import lock
from imagemill.attest import bundles, dsse, predicates, simple, statement, tagged
from imagemill.attest.attach import Sealer
from imagemill.attest.dsse import Envelope
from imagemill.attest.provenance import Locked, provenance
from imagemill.attest.publickey import PublicKey
from imagemill.attest.statement import Statement
from imagemill.dist import Artifact, Built
from imagemill.errors import PublishError, VerifyError
from imagemill.oci import MANIFEST, Descriptor, sha256
from imagemill.plan import database_sets
from imagemill.reports.summary import Report

DIGEST = "sha256:" + "12" * 32
SAID = Statement({DIGEST: "example.org/x"}, statement.PROVENANCE, {"a": 1})


@pytest.fixture
def made(make: Make, tmp_path: Path) -> Made:
    return Made(make(), tmp_path / "made").pushed(TAG).signed()


def rows(made: Made, kind: str, digest: str = "") -> list[tagged.Row]:
    tag = tagged.tag(digest or made.index.digest, kind)  # type: ignore[arg-type]
    return tagged.rows(made.there.manifests[made.there.tags[tag]][1])


def test_what_is_signed_is_spelled_as_the_specifications_say() -> None:
    assert dsse.encoded("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"  # the example of DSSE's protocol.md
    )
    assert json.loads(simple.payload("example.org/x", DIGEST)) == {
        "critical": {
            "identity": {"docker-reference": "example.org/x"},
            "image": {"docker-manifest-digest": DIGEST},
            "type": "cosign container image signature",
        },
        "optional": None,
    }
    assert json.loads(statement.write(SAID)) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "example.org/x", "digest": {"sha256": "12" * 32}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"a": 1},
    }
    assert tagged.tag(DIGEST, "sig") == f"sha256-{'12' * 32}.sig"


def test_a_bundle_has_the_envelope_and_refers_to_the_image() -> None:
    sealed = Sealer(KEY).seal(statement.write(SAID))
    bundle = bundles.write(sealed, Sealer(KEY).key)
    found = json.loads(bundle)
    hint = base64.b64encode(hashlib.sha256(KEY.public_key).digest()).decode()
    assert found["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert found["verificationMaterial"] == {"publicKey": {"hint": hint}}
    assert bundles.read(bundle) == sealed and sealed.by([Sealer(OTHER).key, Sealer(KEY).key]) == Sealer(KEY).key
    manifest = json.loads(bundles.manifest(bundle, SAID.kind, Descriptor(MANIFEST, DIGEST, 7, "linux/amd64")))
    assert manifest["subject"] == {"mediaType": MANIFEST, "digest": DIGEST, "size": 7}
    assert manifest["artifactType"] == found["mediaType"]
    assert manifest["layers"][0]["digest"] == sha256(bundle)


@given(st.binary(max_size=200), st.text(max_size=30))
def test_an_envelope_is_read_as_it_was_written(payload: bytes, kind: str) -> None:
    envelope = Envelope(kind, payload, (b"1", b"2"))
    assert dsse.read(dsse.write(envelope)) == envelope


@given(st.recursive(st.none() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
def test_what_is_no_attestation_is_refused(data: object) -> None:
    text = json.dumps(data).encode()
    for read in (dsse.read, bundles.read, statement.read, simple.read):
        with pytest.raises(VerifyError):
            read(text)
    with pytest.raises(VerifyError):
        tagged.rows(text)


@pytest.mark.parametrize("data", [b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b"\xff"])
def test_what_is_no_key_is_refused(data: bytes) -> None:
    with pytest.raises(VerifyError):
        PublicKey.from_pem(data, "it")


def test_a_key_of_another_kind_is_refused() -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    for key in (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP384R1())):
        with pytest.raises(VerifyError, match="P-256"):
            PublicKey.from_pem(key.public_key().public_bytes(serialization.Encoding.PEM, form), "it")


# --- beside the image -------------------------------------------------------------------------------------


def test_every_manifest_has_its_signature_and_statements(made: Made) -> None:
    amd64 = made.images["linux/amd64"].digest
    assert len(rows(made, "sig")) == len(rows(made, "sig", amd64)) == 1
    kinds = [row.annotations["predicateType"] for row in rows(made, "att", amd64)]
    assert kinds == [statement.PROVENANCE, statement.SPDX, statement.CYCLONEDX, statement.CONFORMANCE]
    assert len(rows(made, "att")) == 7
    assert {row.digest for row in rows(made, "att", amd64)} < {row.digest for row in rows(made, "att")}
    assert len(made.repository.referrers(amd64, bundles.MEDIA_TYPE)) == 5
    assert len(made.repository.referrers(made.index.digest, bundles.MEDIA_TYPE)) == 8


@pytest.mark.parametrize("steady", [True, False], ids=["a key in a file", "a key that never signs twice alike"])
@pytest.mark.parametrize("listing", [True, False], ids=["referrers are listed", "referrers are not"])
def test_the_same_again_adds_nothing(steady: bool, listing: bool, make: Make, tmp_path: Path) -> None:
    key = Key(steady=steady)
    made = Made(make(referrers=listing), tmp_path / "made").pushed(TAG).signed(key)
    assert made.attached > 0
    blobs, manifests, tags = set(made.there.blobs), set(made.there.manifests), dict(made.there.tags)
    assert made.attach(Sealer(key)) == 0
    assert (set(made.there.blobs), set(made.there.manifests), made.there.tags) == (blobs, manifests, tags)


def test_the_same_image_and_key_give_the_same_bytes(make: Make, tmp_path: Path) -> None:
    registry = make()
    one = Made(registry, tmp_path / "one").pushed(TAG).signed()
    before = dict(one.there.tags)
    one.there.tags.clear()
    one.there.manifests.clear()
    one.there.blobs.clear()
    other = Made(registry, tmp_path / "other").pushed(TAG).signed()
    assert other.there.tags == before


def test_what_another_key_signed_stays(made: Made) -> None:
    mine = rows(made, "sig"), rows(made, "att")
    made.signed(OTHER)
    assert [rows(made, kind)[: len(there)] for kind, there in zip(("sig", "att"), mine, strict=True)] == [*mine]
    assert (len(rows(made, "sig")), len(rows(made, "att"))) == (2, 14)
    assert made.attach(Sealer(KEY)) == made.attach(Sealer(OTHER)) == 0


def test_a_statement_replaces_the_one_that_said_otherwise(made: Made) -> None:
    made.signed(OTHER)
    changed = [
        replace(one, predicate={**one.predicate, "more": 1}) if one.kind == statement.PROVENANCE else one
        for one in made.statements
    ]
    made.signed(KEY, said=changed)
    found = [row for row in rows(made, "att") if row.annotations["predicateType"] == statement.PROVENANCE]
    said = [statement.read(dsse.read(made.there.blobs[row.digest]).payload).predicate for row in found]
    assert sorted("more" in one for one in said) == [False, True], "the other key's is as it was"


def test_what_was_not_listed_when_somebody_was_killed_is_listed(made: Made) -> None:
    """The manifests of bundles are there, and the list that leads to them is not."""
    digest = made.images["linux/amd64"].digest
    tag = digest.replace(":", "-")
    before = made.there.tags.pop(tag)
    assert made.attach(Sealer(KEY)) > 0
    assert len(made.repository.referrers(digest, bundles.MEDIA_TYPE)) == 5
    assert made.there.tags[tag] == before
    assert made.attach(Sealer(KEY)) == 0


def test_what_is_not_there_is_not_signed(make: Make, tmp_path: Path) -> None:
    made = Made(make(), tmp_path / "made")
    with pytest.raises(PublishError, match="to be signed"):
        made.signed()


# --- what is said -----------------------------------------------------------------------------------------


def test_only_what_is_of_the_digest_is_said_of_it(made: Made) -> None:
    digest = made.images["linux/arm64"].digest
    found = predicates.read_conformance(predicates.conformance({digest: "x"}, made.report(), digest).predicate)
    assert [one.platform for one in found.findings] == ["linux/arm64"]
    assert [one.digest for one in found.images] == [digest]
    with pytest.raises(PublishError, match="nothing on sha256:12"):
        predicates.conformance({}, made.report(), DIGEST)
    with pytest.raises(PublishError):
        predicates.conformance({}, Report((), (), ""), digest)


@pytest.mark.parametrize("name", ["python3.13-debian", "build-java21-debian", "serve-nodejs24.x-debian"])
def test_provenance_has_every_locked_input(name: str) -> None:
    image = IMAGES[name]
    path = lock.path_of(ROOT, image.base.name)
    pins = lock.read(path)
    built = {platform: Built(DIGEST, 1, "") for platform in image.platforms}
    artifact = Artifact(name, image.tags, DIGEST, 1, built, "ab" * 32, "embedded", "exact", {"Dockerfile": "cd"})
    locked = Locked(pins, hashlib.sha256(path.read_bytes()).hexdigest())
    said = provenance({DIGEST: "x"}, image, artifact, locked, ORIGIN, {image.tags[-1]: image.platforms})
    build = said.predicate["buildDefinition"]
    rows = {row["uri"]: row for row in build["resolvedDependencies"]}
    assert len(rows) == len(build["resolvedDependencies"])
    assert rows[f"git+{ORIGIN.repository}"]["digest"] == {"gitCommit": ORIGIN.revision}
    assert rows[f"git+{ORIGIN.repository}#{locked.file}"]["digest"] == {"sha256": locked.sha256}
    for arch in ("amd64", "arm64"):
        for one in (item for part in database_sets(image) for item in pins.inputs(part, arch).items):
            [row] = [row for row in rows.values() if row.get("name") == one.name and _same(row, one)]
            assert f"linux/{arch}" in row["annotations"]["platforms"]
    assert build["internalParameters"]["inputs"] == {"Dockerfile": "cd"}
    assert said.predicate["runDetails"]["builder"]["id"] == ORIGIN.builder


def _same(row: dict[str, dict[str, str]], item: lock.Item) -> bool:
    if isinstance(item, lock.NpmPackage):
        return row["digest"] == {"sha512": base64.b64decode(item.integrity.partition("-")[2]).hex()}
    return row["digest"] == {"sha256": item.sha256 if not isinstance(item, lock.BaseImage) else item.digest[7:]}


def test_what_was_not_made_from_the_lock_has_no_provenance(made: Made) -> None:
    made.artifact = replace(made.artifact, lock="aged")
    with pytest.raises(PublishError, match="than its lock names"):
        made.said()


def test_a_public_key_may_say_its_role_as_dockers_do() -> None:
    key = PublicKey(Key().public_key)
    begin, _, rest = key.pem.partition("\n")
    assert PublicKey.from_pem(f"{begin}\nrole: release\n\n{rest}".encode(), "release.pub") == key
    assert PublicKey.from_pem(key.pem.replace("\n", "\r\n").encode(), "release.pub") == key
