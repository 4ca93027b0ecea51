"""What may be removed from a repository in ECR, and what may not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from imagemill import cli
from imagemill.oci import INDEX, MANIFEST, sha256
from imagemill.publish.leftovers import Stored, groups, remove, stored, useless

OLD, NOW = 1000.0, 5000.0


def one(name: str, *names: str, tags: str = "", subject: str = "", pushed: float = OLD) -> Stored:
    return Stored(
        digest(name), 7, pushed, tuple(tags.split()), digest(subject) if subject else "", tuple(map(digest, names))
    )


def digest(name: str) -> str:
    return sha256(name.encode())


def tag_of(name: str, suffix: str = "") -> str:
    return digest(name).replace(":", "-") + suffix


CASES: dict[str, tuple[list[Stored], str]] = {
    "an image without a tag": ([one("a"), one("b", tags="x")], "a"),
    "nothing that is young": ([one("a", pushed=NOW)], ""),
    "what a tagged index names stays": ([one("i", "a", "b", tags="x"), one("a"), one("b")], ""),
    "what an old index names goes after it": ([one("a"), one("b"), one("i", "a", "b")], "i a b"),
    "what two indexes name stays with one": ([one("i", "a"), one("j", "a", tags="x"), one("a")], "i"),
    "what a young index names stays": ([one("i", "a", pushed=NOW), one("a")], ""),
    "an index of indexes": ([one("a"), one("j", "a"), one("i", "j")], "i j a"),
    "a signature stays with its image": ([one("a", tags="x"), one("s", subject="a")], ""),
    "and goes with it": ([one("a"), one("s", subject="a")], "a s"),
    "a signature of a platform": ([one("i", "a", tags="x"), one("a"), one("s", subject="a")], ""),
    "a signature of a signature": ([one("a", tags="x"), one("s", subject="a"), one("t", subject="s")], ""),
    "a signature of what is not there": ([one("s", subject="gone")], "s"),
    "a tag of a digest stays with its image": (
        [
            one("a", tags="x"),
            one("s", tags=tag_of("a", ".sig")),
            one("l", "b", tags=tag_of("a")),
            one("b", subject="a"),
        ],
        "",
    ),
    "a tag of a digest goes with it": ([one("a"), one("s", tags=tag_of("a", ".att"))], "a s"),
    "a tag of a digest beside another tag": ([one("s", tags=f"{tag_of('gone', '.sig')} mine")], ""),
    "a dated tag keeps": ([one("a", tags="20201121-python3.13")], ""),
    "nothing there": ([], ""),
}


@pytest.mark.parametrize("case", CASES)
def test_what_nothing_leads_to_goes(case: str) -> None:
    there, expected = CASES[case]
    for rows in (there, there[::-1]):
        found = [row.digest for row in useless(rows, NOW - 1)]
        assert sorted(found) == sorted(map(digest, expected.split()))
        places = {name: place for place, name in enumerate(found)}
        assert all(
            places[row.digest] < places[name]
            for row in rows
            for name in row.names
            if row.digest in places and name in places
        )


_ROW = st.tuples(st.sets(st.integers(0, 11)), st.integers(-1, 11), st.sampled_from(["", "", "x"]))


@given(st.lists(_ROW, min_size=1, max_size=12))
def test_what_stays_is_whole_and_what_goes_is_removed_in_order(rows: list[tuple[set[int], int, str]]) -> None:
    there = [
        one(
            str(place),
            *(str(name) for name in sorted(names) if name < place),
            tags=tag,
            subject=str(subject) if -1 < subject < place else "",
        )
        for place, (names, subject, tag) in enumerate(rows)
    ]
    gone = useless(there, NOW)
    names = {row.digest for row in gone}
    for row in there:
        assert not row.tags or row.digest not in names
        if row.digest not in names:
            assert not names & set(row.names)
            assert not any(other.subject == row.digest and not other.tags and other.digest in names for other in there)
    left = {row.digest: row for row in there}
    for group in groups(gone):
        for row in group:
            assert not any(row.digest in other.names for other in left.values())  # as ECR checks
        for row in group:
            del left[row.digest]


# --- against the API --------------------------------------------------------------------------------------


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """ECR of moto with a repository."""
    with mock_aws():
        client = boto3.client("ecr", "eu-west-1")
        client.create_repository(repositoryName="acme/lambda")
        yield client


def put(api: Any, tag: str, **data: Any) -> str:
    media_type = INDEX if "manifests" in data else MANIFEST
    text = json.dumps({"schemaVersion": 2, "mediaType": media_type, **data})
    words = {"imageTag": tag} if tag else {}
    api.put_image(repositoryName="acme/lambda", imageManifest=text, imageDigest=sha256(text.encode()), **words)
    return sha256(text.encode())


def manifests(api: Any) -> Any:
    def read(name: str) -> bytes:
        rows = api.batch_get_image(repositoryName="acme/lambda", imageIds=[{"imageDigest": name}])["images"]
        return str(rows[0]["imageManifest"]).encode()

    return read


WORDS: Mapping[str, str] = {"repositoryName": "acme/lambda"}


def test_leftovers_are_removed_from_ecr(api: Any) -> None:
    old = put(api, "", config={"n": 1}, layers=[])
    listed = put(api, "", manifests=[{"digest": old}])
    speaking = put(api, "", config={"n": 2}, layers=[], subject={"digest": listed})
    new = put(api, "", config={"n": 3}, layers=[])
    put(api, "python3.13", manifests=[{"digest": new}])
    found = stored(api, WORDS, manifests(api))
    assert len(found) == 5
    gone = useless(found, 1e12)
    assert {row.digest for row in gone} == {old, listed, speaking}
    assert remove(api, WORDS, gone) == []
    assert remove(api, WORDS, gone) == []  # others may have done it
    left = {row.digest for row in stored(api, WORDS, manifests(api))}
    assert len(left) == 2 and new in left


def test_what_could_not_be_removed_is_said() -> None:
    class Refusing:
        """ECR that refuses one."""

        def batch_delete_image(self, **words: Any) -> dict[str, Any]:
            row = {
                "imageId": words["imageIds"][0],
                "failureCode": "ImageReferencedByManifestList",
                "failureReason": "no",
            }
            return {"failures": [row]}

    assert remove(Refusing(), WORDS, [one("a")]) == [f"{digest('a')}: ImageReferencedByManifestList: no"]


def test_at_most_a_hundred_go_in_a_call() -> None:
    assert [len(group) for group in groups([one(str(number)) for number in range(201)])] == [100, 100, 1]


def test_registries_that_are_not_ecr_are_refused(tmp_path: Path) -> None:
    for folder in ("runtimes", "templates"):
        (tmp_path / folder).mkdir()
    done = CliRunner().invoke(cli.main, ["--root", str(tmp_path), "clean-registry", "ghcr.io/acme/lambda"])
    assert done.exit_code == 52
    assert "ghcr.io is not Amazon ECR" in done.output
