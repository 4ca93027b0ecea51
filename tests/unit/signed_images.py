"""A small image in the small registry, signed and attested as published ones are, for tests that verify it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from conform_images import IMAGES, blob, good_config, pack
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from registry_images import repository
from small_registry import Repo, SmallRegistry

from imagemill import oci
from imagemill.attest.attach import FORMS, Form, Sealer, attach
from imagemill.attest.predicates import conformance, sboms
from imagemill.attest.provenance import Locked, Origin, provenance
from imagemill.attest.statement import Statement
from imagemill.conform.finding import Finding
from imagemill.conform.view import open_layout
from imagemill.dist import Artifact, Built
from imagemill.filetree import Entry, Tree
from imagemill.lock import DebianPackage, Inputs, Lock
from imagemill.oci import Descriptor, Layout
from imagemill.platforms import find
from imagemill.registry.repository import Repository
from imagemill.reports.summary import Judged, Report
from imagemill.sbom import take
from imagemill.sbom.planned import components
from imagemill.spool import Layers

NAME, TAG = "team/lambda", "python3.13"
IMAGE = IMAGES["python3.13-debian"]
CREATED = "2026-11-01T00:00:00Z"
ORIGIN = Origin("https://git.example.org/lambda", "c0ffee" + "0" * 34, "https://ci.example.org/release")
DASH = DebianPackage("dash", "0.5", "all", "dash", "0.5", "debian", "pool/dash.deb", 1, "ab" * 32)
TREE: Tree = {
    "var/lib/dpkg/status": Entry("file", content=b"Package: dash\nArchitecture: all\nVersion: 0.5\n"),
    "var/runtime/bootstrap": Entry("file", 0o755, content=b"#!/bin/sh\n"),
    "lambda-entrypoint.sh": Entry("file", 0o755, content=b"#!/bin/sh\n"),
}


class Key:
    """A key in memory; one that is not `steady` never signs twice in the same way."""

    def __init__(self, *, steady: bool = True) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._steady = steady

    @property
    def public_key(self) -> bytes:
        """See Signer."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(serialization.Encoding.DER, form)

    def sign(self, data: bytes) -> bytes:
        """See Signer."""
        return self._key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=self._steady))


KEY, OTHER = Key(), Key()


@dataclass
class Made:
    """An image in a repository of a registry, and what it was made of. What is set here is another than usual."""

    registry: SmallRegistry
    folder: Path
    name: str = NAME
    created: str = CREATED
    text: str = ""
    platforms: Sequence[str] = ("linux/amd64", "linux/arm64")
    statements: list[Statement] = field(default_factory=list)
    attached: int = 0
    image = IMAGE

    def __post_init__(self) -> None:
        made = []
        for name in self.platforms:
            folder = self.folder / name.replace("/", "-")
            folder.mkdir(parents=True)
            platform = find(name)
            tree = {**TREE, "var/task/text": Entry("file", content=f"{self.text}{name}".encode())}
            config = {**good_config(IMAGE, platform), "created": self.created}
            made.append(
                (folder / "layout", oci.write_image(folder / "layout", config, [blob(pack(tree), folder)], "x"))
            )
        self.index = oci.write_index(self.folder / "index", made, "x")
        self.layout = Layout(self.folder / "index")
        self.images = {row.platform: row for row in self.layout.images()}
        built = {name: Built(row.digest, row.size, "") for name, row in self.images.items()}
        self.artifact = Artifact(
            IMAGE.name, IMAGE.tags, self.index.digest, self.index.size, built, "ab" * 32, "embedded", "exact"
        )
        sets = {IMAGE.base.name: (DASH,), IMAGE.runtime.name: ()}
        lock = Lock(
            IMAGE.base.name, 1, {}, {name: {a: Inputs(d) for a in ("amd64", "arm64")} for name, d in sets.items()}
        )
        self.locked = Locked(lock, "cd" * 32)

    @property
    def reference(self) -> str:
        """Its name with the short tag."""
        return f"{self.repository.name}:python3.13"

    @property
    def key_file(self) -> Path:
        """The public key that it is signed with."""
        path = self.folder / "cosign.pub"
        path.write_text(Sealer(KEY).key.pem)
        return path

    @cached_property
    def repository(self) -> Repository:
        """The repository, as one who may push."""
        return repository(self.registry, name=self.name)

    @property
    def there(self) -> Repo:
        """What the registry has of it."""
        return self.registry.repo(self.name)

    @property
    def digests(self) -> list[str]:
        """The index, and the manifest of each platform."""
        return [self.index.digest, *(row.digest for row in self.images.values())]

    def pushed(self, *tags: str) -> Made:
        """Have it in the registry, under these tags."""
        for path in (self.layout.path / "blobs" / "sha256").iterdir():
            self.there.blobs[f"sha256:{path.name}"] = path.read_bytes()
        for row in (*self.images.values(), self.index):
            self.there.manifests[row.digest] = row.media_type, self.layout.read_blob(row.digest)
        self.there.tags |= dict.fromkeys(tags, self.index.digest)
        return self

    def said(self, report: Report | None = None, tags: Mapping[str, Sequence[str]] | None = None) -> list[Statement]:
        """What is to be signed of it."""
        every = sorted(self.platforms)
        published = {"python3.13": every, **{f"python3.13-{name[6:]}": [name] for name in every}}
        name = self.repository.name
        everything = dict.fromkeys(self.digests, name)
        said = [provenance(everything, IMAGE, self.artifact, self.locked, ORIGIN, tags or published)]
        with Layers(self.folder / "layers") as layers:
            for platform, row in self.images.items():
                both = {row.digest: name, self.index.digest: name}
                known = components(IMAGE, lambda part: self.locked.lock.inputs(part, "amd64"))
                seen = open_layout(self.layout.path, find(platform), layers)
                said += sboms(both, take(seen, TAG, platform, known))
                said.append(conformance(both, report or self.report(), row.digest))
        return said

    def signed(self, key: Key = KEY, *, forms: Sequence[Form] = FORMS, said: list[Statement] | None = None) -> Made:
        """Have it signed and attested there."""
        self.statements = self.said() if said is None else said
        self.attached = self.attach(Sealer(key), forms)
        return self

    def attach(self, sealer: Sealer, forms: Sequence[Form] = FORMS) -> int:
        """Sign it with what is said of it; how much was sent."""
        said = {digest: [one for one in self.statements if digest in one.subjects] for digest in self.digests}
        return sum(attach(self.repository, digest, said[digest], sealer, forms) for digest in self.digests)

    def signed_as(self, tag: str, published: str) -> Made:
        """Have it signed as what was published under another tag, and there under this one."""
        return self.pushed(tag).signed(said=self.said(tags={published: sorted(self.platforms)}))

    def report(self, status: str = "pass", images: Mapping[str, Descriptor] | None = None) -> Report:
        """A report on it with one finding a platform."""
        rows = images or self.images
        findings = [Finding(IMAGE.name, name, "a.check", status, "", "", "") for name in rows]  # type: ignore[arg-type]
        judged = [Judged(IMAGE.name, name, row.digest) for name, row in rows.items()]
        return Report(tuple(findings), tuple(judged), "0.1.0", 1_700_000_000)
