"""What `imagemill tags` lists of a repository, and what it does not."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from imagemill.load import load
from imagemill.oci import CONFIG, INDEX, MANIFEST, Descriptor, canonical, sha256
from imagemill.plan import plan
from imagemill.publish import listing
from imagemill.publish.listing import Listed, listed

MADE = "2026-11-20T01:02:03Z"
BUNDLE = {"dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1"}
ENDS = {"python3.13": datetime.date(2029, 6, 30), "build-python3.13": datetime.date(2029, 6, 30)}


class Repository:
    """A repository in memory that counts what it is asked."""

    def __init__(self) -> None:
        self.named: dict[str, str] = {}
        self.data: dict[str, bytes] = {}
        self.referring: dict[str, list[Descriptor]] = {}
        self.asked: list[str] = []

    def have(self, content: Mapping[str, Any], *names: str) -> str:
        data = canonical(content)
        self.data[sha256(data)] = data
        self.named |= dict.fromkeys(names, sha256(data))
        return sha256(data)

    def image(self, arch: str, *names: str, annotated: bool = True) -> str:
        config = self.have({"os": "linux", "architecture": arch, "created": MADE})
        notes = {"annotations": {"org.opencontainers.image.created": MADE}} if annotated else {}
        row = {"mediaType": CONFIG, "digest": config, "size": 1}
        return self.have({"mediaType": MANIFEST, "config": row, "layers": [], **notes}, *names)

    def index(self, *names: str, annotated: bool = True) -> tuple[str, list[str]]:
        children = [self.image(arch, f"{names[0]}-{arch}", annotated=annotated) for arch in ("amd64", "arm64")]
        rows: list[dict[str, Any]] = [
            {"mediaType": MANIFEST, "digest": digest, "size": 1, "platform": {"os": "linux", "architecture": arch}}
            for digest, arch in zip(children, ("amd64", "arm64"), strict=True)
        ]
        rows.append({**rows[0], "digest": "sha256:0", "platform": {"os": "unknown", "architecture": "unknown"}})
        notes = {"annotations": {"org.opencontainers.image.created": MADE}} if annotated else {}
        return self.have({"mediaType": INDEX, "manifests": rows, **notes}, *names), children

    def tags(self) -> list[str]:
        return sorted(self.named)

    def manifest(self, reference: str) -> bytes:
        self.asked.append(reference)
        return self.data[self.named.get(reference, reference)]

    def small_blob(self, digest: str) -> bytes:
        self.asked.append(digest)
        return self.data[digest]

    def referrers(self, digest: str, artifact_type: str = "") -> list[Descriptor]:
        return self.referring.get(digest, [])


def rows(repository: Repository, trusted: Mapping[str, str] = {}) -> dict[str, Listed]:
    return {row.tag: row for row in listed(repository, ENDS, "here/lambda", trusted)}


def test_a_tag_has_what_its_index_says() -> None:
    there = Repository()
    digest, (amd64, arm64) = there.index("python3.13", "20261120-python3.13")
    found = rows(there)
    assert list(found) == ["20261120-python3.13", "python3.13", "python3.13-amd64", "python3.13-arm64"]
    platforms = ("linux/amd64", "linux/arm64")
    assert found["python3.13"] == Listed("here/lambda", "python3.13", digest, MADE, platforms, (), "2029-06-30")
    assert found["20261120-python3.13"].end_of_life == "2029-06-30"
    assert found["python3.13-amd64"] == Listed(
        "here/lambda", "python3.13-amd64", amd64, MADE, ("linux/amd64",), (), "2029-06-30"
    )
    assert found["python3.13-arm64"].digest == arm64
    assert sorted(there.asked) == there.tags()  # one request a tag: indexes say what their platforms are


def test_what_annotations_do_not_say_configurations_do() -> None:
    there = Repository()
    there.index("python3.13", annotated=False)
    there.image("riscv64", "other", annotated=False)
    found = rows(there)
    assert {row.created for row in found.values()} == {MADE}
    assert found["other"].platforms == ("linux/riscv64",)
    assert found["other"].end_of_life == ""


def test_each_kind_of_signature_is_told_and_its_tags_are_not() -> None:
    there = Repository()
    index, (amd64, arm64) = there.index("python3.13")
    for kind in (".sig", ".att", ""):
        there.image("amd64", f"{index.replace(':', '-')}{kind}")
    there.referring[amd64] = [Descriptor(MANIFEST, "sha256:1", 1, "", BUNDLE)]
    there.referring[arm64] = [
        Descriptor(MANIFEST, "sha256:1", 1, "", {"dev.sigstore.bundle.predicateType": "https://spdx.dev/Document"})
    ]
    found = rows(there, {"python3.13": index, "python3.13-amd64": arm64})
    assert {tag: row.signatures for tag, row in found.items()} == {
        "python3.13": ("cosign", "notary"),
        "python3.13-amd64": ("cosign", "notary: another digest"),
        "python3.13-arm64": (),  # an attestation is no signature of the image
    }


def test_a_signature_of_notation_is_one() -> None:
    there = Repository()
    digest = there.image("amd64", "x")
    there.referring[digest] = [
        Descriptor(MANIFEST, "sha256:1", 1, "", {"io.cncf.notary.x509chain.thumbprint#S256": "[]"})
    ]
    assert rows(there)["x"].signatures == ("notation",)


def test_every_planned_tag_and_alias_has_its_end() -> None:
    ends = listing.ends_of_life(plan(load(Path(__file__).parents[2])))
    there = Repository()
    there.image("amd64", "build-3.13", "20261120.1-build-3.13", "3.13-amd64")
    found = listed(there, ends, "ghcr.io/acme/lambda-python")
    assert len({row.end_of_life for row in found}) == 1
    assert found[0].end_of_life == ends["python3.13-debian"].isoformat() == ends["serve-python3.13"].isoformat()
    assert {row.end_of_life for row in listed(there, ends, "ghcr.io/acme/other")} == {""}


def test_nothing_is_there() -> None:
    assert listed(Repository(), ENDS, "here/nothing") == []


def test_it_is_told_in_every_format() -> None:
    there = Repository()
    index, _ = there.index("python3.13")
    found = listed(there, ENDS, "here/lambda", {"python3.13": index})
    assert json.loads(listing.to_json(found))[0]["signatures"] == ["notary"]
    told = listing.to_markdown(found)
    assert f"| `python3.13` | `{index}` | 2026-11-20 | linux/amd64, linux/arm64 | notary | 2029-06-30 |" in told
    assert told.count("**no**") == 2
    console = Console(record=True, width=120, file=None, quiet=False)
    with console.capture() as capture:
        listing.show(found, datetime.date(2029, 7, 1), console)
    lines = capture.get().splitlines()
    assert lines[0].strip() == "here/lambda"
    assert lines[2].split() == ["python3.13", index[:19], "2026-11-20", "amd64,", "arm64", "notary", "2029-06-30"]
    assert lines[3].split()[-2:] == ["no", "2029-06-30"]
