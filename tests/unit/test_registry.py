"""Reading and writing repositories of registries, and pushing images to them, against a small registry on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from registry_images import NAME, Make, layout_in, repository, whole_in
from small_registry import READER, Fault, SmallRegistry

from imagemill.errors import IntegrityError, LayoutError, RegistryError
from imagemill.oci import INDEX, MANIFEST, Layout, canonical, sha256
from imagemill.registry.faults import Denied, Missing, Rejected
from imagemill.registry.push import push
from imagemill.web import seconds_of


@pytest.fixture(params=["", "basic", "token"], ids=["open", "basic", "token"])
def registry(request: pytest.FixtureRequest, make: Make) -> SmallRegistry:
    """One that lets everybody in, one with logins, one with tokens."""
    return make(request.param)


# --- pushing ----------------------------------------------------------------------------------------------


def test_an_index_is_pushed_byte_for_byte_and_gets_no_tag(registry: SmallRegistry, tmp_path: Path) -> None:
    layout, entry = layout_in(tmp_path)
    found = push(layout, entry, repository(registry))
    assert whole_in(registry, layout)
    assert registry.repo(NAME).tags == {}
    assert (found.sent, found.there, found.mounted, len(found.manifests)) == (5, 0, 0, 3)
    assert found.manifests[-1] == entry.digest


def test_a_second_push_asks_for_manifests_alone(registry: SmallRegistry, tmp_path: Path) -> None:
    layout, entry = layout_in(tmp_path)
    push(layout, entry, repository(registry))
    before, mine = len(registry.requests), repository(registry)
    found = push(layout, entry, mine)
    assert (found.sent, found.there, found.manifests) == (0, 0, ())
    asked = [f"{one.method} {one.path.split('/')[4]}" for one in registry.requests[before:] if "/v2/" in one.path]
    assert set(asked) == {"HEAD manifests"}
    before = len(registry.requests)
    push(layout, entry, mine)
    assert len(registry.requests) - before == 3


def test_what_is_there_is_not_sent(registry: SmallRegistry, tmp_path: Path) -> None:
    layout, entry = layout_in(tmp_path / "one")
    push(layout, entry, repository(registry))
    newer, listed = layout_in(tmp_path / "two", layers=3)
    found = push(newer, listed, repository(registry))
    assert (found.sent, found.there) == (2, 5)
    assert whole_in(registry, newer)


def test_a_platform_that_was_cleared_away_below_its_index_is_pushed_again(make: Make, tmp_path: Path) -> None:
    registry, (layout, entry) = make(), layout_in(tmp_path)
    push(layout, entry, repository(registry))
    repo = registry.repo(NAME)
    child = layout.images()[0].digest
    del repo.manifests[child]
    repo.blobs.clear()
    found = push(layout, entry, repository(registry))
    assert found.manifests == (child,)
    assert (child in repo.manifests, found.sent) == (True, 3)


def test_blobs_below_manifests_that_are_there_are_asked_for_on_demand(make: Make, tmp_path: Path) -> None:
    registry, (layout, entry) = make(), layout_in(tmp_path)
    push(layout, entry, repository(registry))
    registry.repo(NAME).blobs.popitem()
    assert push(layout, entry, repository(registry)).sent == 0
    assert push(layout, entry, repository(registry), every_blob=True).sent == 1
    assert whole_in(registry, layout)


def test_a_blob_that_only_seems_to_be_there_is_sent(make: Make, tmp_path: Path) -> None:
    registry, (layout, entry) = make(), layout_in(tmp_path)
    registry.fault = lambda one: Fault(200) if one.method == "HEAD" and "/blobs/" in one.path else None
    push(layout, entry, repository(registry))
    assert whole_in(registry, layout)


@pytest.mark.parametrize("mounts", [True, False], ids=["which it does", "which it does not do"])
def test_a_registry_can_take_blobs_from_another_repository(
    mounts: bool, registry: SmallRegistry, tmp_path: Path
) -> None:
    layout, entry = layout_in(tmp_path)
    push(layout, entry, repository(registry, name="team/other"))
    registry.mounts = mounts
    found = push(layout, entry, repository(registry), mount_from=("nobody/there", "team/other"))
    assert (found.mounted, found.sent) == ((5, 0) if mounts else (0, 5))
    assert whole_in(registry, layout)


def test_blobs_of_many_images_are_asked_for_once(registry: SmallRegistry, tmp_path: Path) -> None:
    mine = repository(registry)
    for number in range(1, 4):
        push(*layout_in(tmp_path / str(number), layers=number), mine)
    heads = [row for row in registry.asked("HEAD", "/blobs/") if "/blobs/uploads" not in row]
    assert len(heads) - len(set(heads)) <= (1 if registry.auth else 0)  # the first one learns how to log in


DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a blob that is missing": (lambda blob: blob.unlink(), "is missing"),
    "a blob that is cut short": (lambda blob: blob.write_bytes(blob.read_bytes()[:-1]), "has 999 bytes"),
    "a blob with other bytes": (lambda blob: blob.write_bytes(b"x" * 1000), "is damaged"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_layout_is_not_pushed(case: str, make: Make, tmp_path: Path) -> None:
    registry, (layout, entry) = make(), layout_in(tmp_path)
    spoil, message = DAMAGED[case]
    spoil(next(file for file in (tmp_path / "blobs" / "sha256").iterdir() if file.stat().st_size == 1000))
    with pytest.raises(LayoutError, match=message):
        push(layout, entry, repository(registry))
    assert entry.digest not in registry.repo(NAME).manifests


@pytest.mark.parametrize("digest", ["sha256:../../x", "md5:1", "", "sha256:" + "A" * 64])
def test_what_is_no_digest_is_not_looked_for(digest: str, make: Make, tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    row = {"mediaType": MANIFEST, "digest": digest, "size": 1}
    for data in ({"mediaType": INDEX, "manifests": [row]}, {"mediaType": MANIFEST, "config": row, "layers": []}):
        with pytest.raises(LayoutError, match="is no digest"):
            push(layout, layout.add(str(data["mediaType"]), canonical(data)), repository(make()))


def test_a_push_says_how_much_there_is_to_do(make: Make, tmp_path: Path) -> None:
    said: list[str] = []
    layout, entry = layout_in(tmp_path)
    registry = make()
    push(layout, entry, repository(registry), say=said.append)
    push(layout, entry, repository(registry), say=said.append)
    assert said == [f"{registry.host}/{NAME}: 5 blobs (0.0 MB) to have there"]


# --- logins -----------------------------------------------------------------------------------------------


def test_no_upload_is_begun_without_the_login(registry: SmallRegistry, tmp_path: Path) -> None:
    push(*layout_in(tmp_path), repository(registry))
    sent = [one for one in registry.requests if one.method == "PUT"]
    assert len(sent) == 8
    assert all(("Authorization" in one.headers) == bool(registry.auth) for one in sent)


@pytest.mark.parametrize("auth", ["basic", "token"])
@pytest.mark.parametrize("login", ["", "me:wrong", READER], ids=["no", "a wrong", "a reader's"])
def test_a_login_that_does_not_do_is_an_error_that_says_what_to_do(
    login: str, auth: str, make: Make, tmp_path: Path
) -> None:
    registry, (layout, entry) = make(auth), layout_in(tmp_path)
    with pytest.raises(Denied) as caught:
        push(layout, entry, repository(registry, login))
    assert caught.value.exit_code == 50
    assert f"{registry.host}/{NAME}" in caught.value.message or f"a token for {registry.host}" in caught.value.message
    assert f"docker login {registry.host}" in caught.value.remedy
    assert "wrong" not in str(caught.value)
    assert registry.repo(NAME).blobs == {}


def test_everybody_may_read_where_tokens_are_given_to_all(make: Make, tmp_path: Path) -> None:
    registry, (layout, entry) = make("token"), layout_in(tmp_path)
    push(layout, entry, repository(registry))
    reader = repository(registry, "")
    assert reader.manifest(entry.digest) == layout.read_blob(entry.digest)
    assert reader.head(entry.digest) is not None


def test_a_login_that_was_asked_for_goes_along_after_a_refusal_too(make: Make) -> None:
    registry = make("basic")
    mine = repository(registry)
    assert mine.head("1") is None
    registry.fault = lambda one: Fault(401, {"WWW-Authenticate": 'Basic realm="here"'})
    with pytest.raises(Denied):
        mine.head("1")
    registry.fault, before = lambda one: None, len(registry.requests)
    assert mine.head("1") is None
    assert ["Authorization" in one.headers for one in registry.requests[before:]] == [True]


def test_a_token_that_has_ended_is_renewed_once(make: Make) -> None:
    registry = make("token")
    mine = repository(registry)
    for _ in range(3):
        assert mine.head("latest") is None
    registry.expire()
    for _ in range(3):
        assert mine.head("latest") is None
    assert len(registry.asked("GET", "/token")) == 2


def test_a_token_that_is_about_to_end_is_not_used(make: Make) -> None:
    registry = make("token")
    mine = repository(registry)
    registry.token_seconds = 0.0
    for _ in range(3):
        assert mine.head("latest") is None
    refused = [one for one in registry.requests if "/v2/" in one.path and "Authorization" not in one.headers]
    assert (len(refused), len(registry.asked("GET", "/token"))) == (1, 3)


def test_the_login_of_a_token_goes_nowhere_without_encryption(make: Make) -> None:
    registry = make()
    challenge = {"WWW-Authenticate": 'Bearer realm="http://tokens.example/x",service="y"'}
    registry.fault = lambda one: Fault(401, challenge)
    with pytest.raises(RegistryError, match=r"sent to tokens\.example without encryption"):
        repository(registry).head("latest")


# --- the other methods ------------------------------------------------------------------------------------


def test_what_is_pushed_can_be_read(registry: SmallRegistry, tmp_path: Path) -> None:
    layout, entry = layout_in(tmp_path)
    mine = repository(registry)
    push(layout, entry, mine)
    mine.push_manifest("1.0", INDEX, layout.read_blob(entry.digest))
    assert mine.head("1.0") == mine.head(entry.digest) == entry
    assert mine.manifest("1.0") == layout.read_blob(entry.digest)
    config = layout.read_json(layout.images()[0].digest)["config"]["digest"]
    assert b"".join(mine.blob(config)) == mine.small_blob(config) == layout.read_blob(config)
    assert mine.has_blob(config)
    assert not mine.has_blob(sha256(b"other"))
    assert mine.head("2.0") is None
    with pytest.raises(Missing, match=r"GET of manifests/2\.0: 404 MANIFEST_UNKNOWN"):
        mine.manifest("2.0")
    with pytest.raises(Missing, match="BLOB_UNKNOWN"):
        mine.small_blob(sha256(b"other"))


def test_bytes_are_pushed_as_files_are(make: Make) -> None:
    mine = repository(make())
    assert [mine.push_blob(b"{}", sha256(b"{}"), 2) for _ in range(2)] == ["sent", "there"]
    assert mine.small_blob(sha256(b"{}")) == b"{}"


def test_an_index_does_not_come_before_its_images(make: Make, tmp_path: Path) -> None:
    layout, entry = layout_in(tmp_path)
    with pytest.raises(Rejected, match="MANIFEST_BLOB_UNKNOWN") as caught:
        repository(make()).push_manifest("1.0", INDEX, layout.read_blob(entry.digest))
    assert caught.value.codes == {"MANIFEST_BLOB_UNKNOWN"}


def test_all_tags_are_listed(registry: SmallRegistry, tmp_path: Path) -> None:
    layout, entry = layout_in(tmp_path)
    mine = repository(registry)
    assert mine.tags() == []
    push(layout, entry, mine)
    assert mine.tags() == []
    names = [f"t{number}" for number in range(7)]
    for name in names:
        mine.push_manifest(name, INDEX, layout.read_blob(entry.digest))
    registry.page = 3
    assert mine.tags() == names


def test_a_list_without_an_end_is_an_error(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagemill.registry.pages._MOST", 20)
    registry = make()
    link = {"Link": f'</v2/{NAME}/tags/list>; rel="next"'}
    registry.fault = lambda one: Fault(200, link, b'{"tags": ["x"]}')
    with pytest.raises(RegistryError, match="has no end"):
        repository(registry).tags()


def test_what_is_deleted_is_gone(registry: SmallRegistry, tmp_path: Path) -> None:
    layout, entry = layout_in(tmp_path)
    mine = repository(registry)
    push(layout, entry, mine)
    mine.push_manifest("1.0", INDEX, layout.read_blob(entry.digest))
    assert mine.delete("1.0")
    assert not mine.delete("1.0")
    assert mine.delete(entry.digest)
    assert mine.head(entry.digest) is None


def test_a_registry_that_deletes_nothing_says_so(make: Make) -> None:
    registry = make()
    body = b'{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}'
    registry.fault = lambda one: Fault(405, body=body) if one.method == "DELETE" else None
    with pytest.raises(Rejected, match="405 UNSUPPORTED: The operation is unsupported"):
        repository(registry).delete("1.0")


def referrer(subject: str, kind: str, text: str) -> bytes:
    """A manifest without content that refers to another."""
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2}
    about = {"mediaType": INDEX, "digest": subject, "size": 1}
    data = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": empty, "layers": [empty]}
    return canonical({**data, "subject": about, "annotations": {"text": text}})


@pytest.mark.parametrize("lists", [True, False], ids=["the registry", "a tag"])
def test_what_refers_to_an_image_is_found_through(lists: bool, make: Make, tmp_path: Path) -> None:
    registry, (layout, entry) = make("token", referrers=lists), layout_in(tmp_path)
    mine = repository(registry)
    push(layout, entry, mine)
    mine.push_blob(b"{}", sha256(b"{}"), 2)
    assert mine.referrers(entry.digest) == []
    made = [
        mine.attach_referrer(MANIFEST, referrer(entry.digest, kind, text))
        for kind, text in (("a/x", "1"), ("a/x", "2"), ("a/y", "3"), ("a/x", "1"))
    ]
    found = mine.referrers(entry.digest)
    assert [one.digest for one in found] == [one.digest for one in made[:3]]
    assert [(one.artifact_type, one.annotations["text"]) for one in found] == [("a/x", "1"), ("a/x", "2"), ("a/y", "3")]
    assert [one.digest for one in mine.referrers(entry.digest, "a/y")] == [made[2].digest]
    assert list(registry.repo(NAME).tags) == ([] if lists else [entry.digest.replace(":", "-")])


def test_an_entry_that_somebody_else_overwrites_is_added_again(make: Make, tmp_path: Path) -> None:
    registry, (layout, entry) = make(), layout_in(tmp_path)
    mine = repository(registry)
    push(layout, entry, mine)
    mine.push_blob(b"{}", sha256(b"{}"), 2)
    tag, theirs = entry.digest.replace(":", "-"), referrer(entry.digest, "a/theirs", "")
    row = {"mediaType": MANIFEST, "digest": sha256(theirs), "size": len(theirs), "artifactType": "a/theirs"}
    list_of_theirs = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [row]})
    repository(registry).push_manifest(sha256(theirs), MANIFEST, theirs)
    overwritten: list[int] = []

    def overwrite(one: object) -> None:
        repo = registry.repo(NAME)
        if tag in repo.tags and not overwritten:  # once ours is written, and before it is looked for
            overwritten.append(1)
            repo.manifests[sha256(list_of_theirs)] = INDEX, list_of_theirs
            repo.tags[tag] = sha256(list_of_theirs)

    registry.fault = overwrite
    mine.attach_referrer(MANIFEST, referrer(entry.digest, "a/ours", ""))
    assert overwritten
    assert {one.artifact_type for one in mine.referrers(entry.digest)} == {"a/theirs", "a/ours"}


@pytest.mark.parametrize("bad", [b"{}", b"[]", b"x", b'{"manifests": [1]}'])
def test_a_tag_of_referrers_that_is_something_else_is_an_error(bad: bytes, make: Make) -> None:
    registry = make()
    digest = sha256(b"x")
    registry.repo(NAME).manifests["sha256:1"] = INDEX, bad
    registry.repo(NAME).tags[digest.replace(":", "-")] = "sha256:1"
    with pytest.raises(RegistryError, match=r"list of referrers|no JSON object"):
        repository(registry).referrers(digest)


# --- what registries say that is not so -------------------------------------------------------------------


def test_other_bytes_than_those_of_a_digest_are_refused(make: Make, tmp_path: Path) -> None:
    registry, (layout, entry) = make(), layout_in(tmp_path)
    mine = repository(registry)
    push(layout, entry, mine)
    repo = registry.repo(NAME)
    repo.manifests[entry.digest] = INDEX, b"{}"
    with pytest.raises(IntegrityError, match=f"{NAME}: {entry.digest} has other bytes"):
        mine.manifest(entry.digest)
    blob = next(iter(repo.blobs))
    repo.blobs[blob] = b"other"
    with pytest.raises(IntegrityError, match=f"{NAME}: {blob} has other bytes"):
        mine.small_blob(blob)


@pytest.mark.parametrize("part", ["/blobs/", "/manifests/"])
def test_a_registry_that_calls_something_by_another_digest_is_refused(part: str, make: Make, tmp_path: Path) -> None:
    registry, (layout, entry) = make(), layout_in(tmp_path)
    other = {"Docker-Content-Digest": sha256(b"other")}
    registry.fault = lambda one: Fault(headers=other) if one.method == "PUT" and part in one.path else None
    with pytest.raises(RegistryError, match="and calls it") as caught:
        push(layout, entry, repository(registry))
    assert not caught.value.transient


def test_a_registry_that_tells_no_digest_is_asked_for_the_bytes(make: Make, tmp_path: Path) -> None:
    registry, (layout, entry) = make(), layout_in(tmp_path)
    push(layout, entry, repository(registry))
    registry.fault = lambda one: Fault(headers={"Docker-Content-Digest": ""}) if one.method == "HEAD" else None
    assert repository(registry).head(entry.digest) == entry


def test_what_a_registry_says_is_fit_for_a_terminal(make: Make) -> None:
    registry = make()
    body = json.dumps({"errors": [{"code": "X\x1b[2J", "message": "y" * 1000 + "\n"}]}).encode()
    registry.fault = lambda one: Fault(400, body=body)
    with pytest.raises(Rejected) as caught:
        repository(registry).head("1.0") or repository(registry).manifest("1.0")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500


def test_an_upload_goes_to_no_other_host_without_encryption(make: Make) -> None:
    registry = make()
    registry.fault = lambda one: (
        Fault(headers={"Location": "http://storage.example/x"}) if one.method == "POST" else None
    )
    with pytest.raises(RegistryError, match=r"on to storage\.example without encryption"):
        repository(registry).push_blob(b"x", sha256(b"x"), 1)


def test_another_host_than_the_registry_s_gets_no_login(make: Make) -> None:
    registry, storage = make("basic"), make()
    place = {"Location": f"{storage.url}/v2/x/blobs/uploads/1"}
    storage.fault = lambda one: Fault(201)
    registry.fault = lambda one: Fault(headers=place) if one.method == "POST" else None
    assert repository(registry).push_blob(b"x", sha256(b"x"), 1) == "sent"
    (one,) = storage.requests
    assert "Authorization" not in one.headers


RETRY_AFTER = {"": 0, "7": 7, "0.5": 0.5, "-1": 0, "3600": 60, "nan": 0, "inf": 60, "soon": 0,
               "Wed, 21 Oct 2015 07:28:00 GMT": 0, "Wed, 21 Oct 2115 07:28:00 GMT": 60}  # fmt: skip


@pytest.mark.parametrize("text", RETRY_AFTER)
def test_how_long_a_registry_is_waited_for(text: str) -> None:
    assert seconds_of(text) == RETRY_AFTER[text]
