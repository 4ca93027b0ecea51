"""Content trust from founding to signing, rotating and handing on, read by a stranger after each step."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path

import pytest
from small_trust import GUN, World, image

from imagemill.errors import TrustError
from imagemill.trust.draft import Draft, Lifetimes
from imagemill.trust.founding import found
from imagemill.trust.keys import generate, key_id
from imagemill.trust.metadata import Described, Snapshot, Timestamp, parse, spelled
from imagemill.trust.reader import Anchor, Signed, read
from imagemill.trust.repository import Repository
from imagemill.trust.signatures import canonical_id, sign
from imagemill.trust.static import Static
from imagemill.trust.store import Conflict, Unsigned, Unsure

ADMIN = ("Repo Admin",)


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here has to outlive a power cut."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def repository(world: World) -> Repository:
    return world.founded()


def test_nothing_is_there_at_first(world: World) -> None:
    with pytest.raises(Unsigned, match="has no trust metadata"):
        world.stranger()


def test_founding_makes_four_keys_and_no_tags(world: World, repository: Repository) -> None:
    assert world.tags() == {}
    assert sorted(named.role for named in repository.keyring.listed()) == ["root", "snapshot", "targets", "timestamp"]
    assert {named.gun for named in repository.keyring.listed() if named.role == "root"} == {""}
    with pytest.raises(TrustError, match="has trust metadata already"):
        found(repository)


def test_founding_goes_on_where_it_was_broken_off(world: World) -> None:
    first = world.founded()
    before = {named.id for named in first.keyring.listed()}
    shutil.rmtree(world.folder / "served")
    shutil.rmtree(world.folder / "trust" / "tuf")
    world.founded()
    assert {named.id for named in first.keyring.listed()} == before


def test_tags_are_added_to_what_is_there(world: World, repository: Repository) -> None:
    repository.sign({"1": image(1), "2": image(2)})
    repository.sign({"2": image(3), "3": image(3)})
    expected = {"1": image(1), "2": image(3), "3": image(3)}
    assert world.tags() == {tag: Signed(digest, size, ADMIN) for tag, (digest, size) in expected.items()}


def test_signing_the_same_again_writes_nothing(world: World, repository: Repository) -> None:
    repository.sign({"1": image()})
    before = {path: path.stat().st_mtime_ns for path in world.files.rglob("*.json")}
    repository.sign({"1": image()})
    assert {path: path.stat().st_mtime_ns for path in world.files.rglob("*.json")} == before


def test_what_is_lost_is_not_founded_anew_in_silence(world: World, repository: Repository) -> None:
    shutil.rmtree(world.folder / "served")
    with pytest.raises(TrustError, match="had trust metadata, which is gone"):
        found(repository)
    assert world.served.read("root") is None


NO_TAGS: dict[str, tuple[str, tuple[str, int]]] = {
    "name": ("-x", image()),
    "slash": ("a/b", image()),
    "algorithm": ("x", ("md5:" + "0" * 32, 1)),
    "digest": ("x", ("sha256:" + "0" * 63, 1)),
    "size": ("x", ("sha256:" + "0" * 64, 0)),
}


@pytest.mark.parametrize(("tag", "what"), NO_TAGS.values(), ids=NO_TAGS)
def test_what_is_no_tag_is_not_signed(repository: Repository, tag: str, what: tuple[str, int]) -> None:
    with pytest.raises(TrustError, match="is no tag of an image"):
        repository.sign({tag: what})


def test_revoked_tags_are_gone(world: World, repository: Repository) -> None:
    repository.sign({"1": image(1), "2": image(2)})
    repository.revoke(["1"])
    assert set(world.tags()) == {"2"}


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_rotation_keeps_tags_and_is_followed(world: World, repository: Repository, role: str) -> None:
    repository.sign({"1": image()})
    before = world.stranger()
    repository.rotate(role)
    after = world.stranger(before.anchor)
    assert after.tags == before.tags
    assert set(after.root.roles[role].keyids).isdisjoint(before.root.roles[role].keyids)
    repository.sign({"2": image(2)})
    assert set(world.tags()) == {"1", "2"}


def test_many_rotations_are_followed_from_the_first_root(world: World, repository: Repository) -> None:
    first = world.stranger()
    for _ in range(4):
        repository.rotate("root")
    assert world.stranger(first.anchor).root.version == 5
    (world.files / "3.root.json").unlink()
    with pytest.raises(TrustError, match=r"3\.root\.json of .* is not there"):
        world.stranger(first.anchor)


def test_a_key_that_is_named_takes_the_place(world: World, repository: Repository) -> None:
    key = generate("root")
    repository = world.repository(key)
    repository.rotate("root", key_id(key))
    assert [canonical_id(one) for one in world.stranger().root.keys_of("root").values()] == [key_id(key)]


# --- delegations ------------------------------------------------------------------------------------------


def of_ci(world: World) -> str:
    """A trust directory of CI: what signs snapshots and timestamps is there, root and repository key are not."""
    private = world.folder / "ci" / "private"
    private.mkdir(parents=True)
    for named in world.repository().keyring.listed():
        if named.role in ("snapshot", "timestamp"):
            shutil.copy(named.path, private)
    return "ci"


def test_a_delegation_signs_with_root_and_repository_key_offline(world: World, repository: Repository) -> None:
    alice = generate("alice")
    repository.sign({"1": image(1)})
    repository.delegate("alice", alice.public_key)
    ci = world.repository(alice, trust=of_ci(world))
    ci.sign({"2": image(2)})
    assert {tag: one.signers for tag, one in world.tags().items()} == {"1": ADMIN, "2": ("alice",)}
    with pytest.raises(TrustError, match=r"root\.json of .* must be signed with key"):
        ci.rotate("targets")
    with pytest.raises(TrustError, match=r"targets\.json of .* must be signed with key"):
        ci.sign({"3": image(3)}, ["targets"])


def test_two_signers_of_one_image_are_both_named(world: World, repository: Repository) -> None:
    keys = {name: generate(name) for name in ("alice", "bob")}
    for name, key in keys.items():
        repository.delegate(name, key.public_key)
    for key in keys.values():
        world.repository(key).sign({"1": image()})
    assert world.tags()["1"].signers == ("alice", "bob")
    world.repository(keys["bob"]).sign({"1": image(2)})
    assert world.tags()["1"].signers == ("bob",)


def test_what_releases_says_goes_before_and_is_not_overruled_in_silence(world: World, repository: Repository) -> None:
    alice = generate("alice")
    repository.delegate("alice", alice.public_key)
    world.repository(alice).sign({"1": image(1)})
    with pytest.raises(TrustError, match="signed as something else in targets/releases"):
        repository.sign({"1": image(2)})
    assert world.tags()["1"].digest == image(1)[0]


def test_who_is_removed_leaves_no_tag_unsigned_in_silence(world: World, repository: Repository) -> None:
    alice = generate("alice")
    repository.delegate("alice", alice.public_key)
    world.repository(alice).sign({"1": image(1), "2": image(2)})
    with pytest.raises(TrustError, match="nobody but alice signs 1, 2"):
        repository.undelegate("alice")
    repository.undelegate("alice", adopt=True)
    assert {tag: one.signers for tag, one in world.tags().items()} == {"1": ADMIN, "2": ADMIN}
    with pytest.raises(TrustError, match="which is not here"):
        world.repository(alice, trust=of_ci(world)).sign({"1": image(3)})


def test_who_is_removed_with_tags_takes_them_along(world: World, repository: Repository) -> None:
    alice, bob = generate("alice"), generate("bob")
    repository.delegate("alice", alice.public_key)
    repository.delegate("bob", bob.public_key)
    world.repository(alice).sign({"1": image(1), "2": image(2)})
    world.repository(bob).sign({"2": image(2)})
    world.repository(bob).undelegate("alice", drop=True)
    assert {tag: one.signers for tag, one in world.tags().items()} == {"2": ("bob",)}


def test_what_others_sign_stays_although_releases_was_signed_by_who_goes(world: World, repository: Repository) -> None:
    alice, bob = generate("alice"), generate("bob")
    repository.delegate("alice", alice.public_key)
    repository.delegate("bob", bob.public_key)
    world.repository(bob).sign({"1": image(1)})
    world.repository(alice).sign({"1": image(1)})
    repository.undelegate("alice")
    assert world.tags()["1"].digest == image(1)[0]
    world.repository(bob).sign({"1": image(2)})
    assert world.tags()["1"] == Signed(*image(2), ("bob",))


@pytest.mark.parametrize("name", ["AWS", "a/b", "releases", "", "a b"])
def test_names_that_notary_does_not_know(repository: Repository, name: str) -> None:
    with pytest.raises(TrustError, match="is no name that Notary knows"):
        repository.delegate(name, generate().public_key)


# --- time -------------------------------------------------------------------------------------------------


def test_time_runs_out_and_is_given_anew(world: World, repository: Repository) -> None:
    repository.sign({"1": image()})
    world.wait(14)
    with pytest.raises(TrustError, match=r"timestamp\.json of .* expired at 2026-12-05T12:00:00Z"):
        world.stranger()
    repository.refresh()
    assert set(world.tags()) == {"1"}
    world.wait(600)
    after = repository.refresh()
    assert after.snapshot.version == 3  # half its time was over
    world.wait(500)
    with pytest.raises(TrustError, match=r"targets\.json of .* expired"):
        repository.refresh()
    repository.refresh(["targets"])
    assert set(world.tags()) == {"1"}


def test_lifetimes_are_a_choice(world: World) -> None:
    world.lifetimes = Lifetimes(timestamp=2, targets=30)
    world.founded()
    assert world.stranger().timestamp.expires == "2026-11-23T12:00:00Z"
    world.wait(1.9)
    world.stranger()
    world.wait(0.1)
    with pytest.raises(TrustError, match="expired"):
        world.stranger()


def test_a_signer_who_expired_counts_for_nothing_and_holds_nobody_up(world: World, repository: Repository) -> None:
    alice = generate("alice")
    world.lifetimes = Lifetimes(targets=10)
    repository.delegate("alice", alice.public_key)
    world.repository(alice).sign({"1": image(1)})
    world.wait(12)
    world.repository().refresh(["targets"])
    assert "expired" in world.stranger().distrusted["targets/alice"]
    assert world.tags() == {}
    world.repository(alice).refresh(["targets/alice", "targets/releases"])
    assert world.tags()["1"].signers == ("alice",)


# --- who is believed --------------------------------------------------------------------------------------


def test_another_root_is_refused_by_who_knows_the_first(world: World, repository: Repository, tmp_path: Path) -> None:
    known = world.stranger()
    other = World(tmp_path / "other")
    other.founded().rotate("root")
    shutil.rmtree(world.files)
    shutil.copytree(other.files, world.files)
    with pytest.raises(TrustError, match="by the root before it: 0 of 1 signatures"):
        world.stranger(known.anchor)
    pin = frozenset(known.root.roles["root"].keyids)
    with pytest.raises(TrustError, match="another root key"):
        world.stranger(Anchor(root_keys=pin))
    world.stranger()  # as docker, who sees it first believes it


def test_a_pinned_root_key_is_found(world: World, repository: Repository) -> None:
    pin = frozenset(world.stranger().root.roles["root"].keyids)
    world.stranger(Anchor(root_keys=pin | {"0" * 64}))


def test_a_root_of_another_repository_is_refused(world: World, tmp_path: Path) -> None:
    world.founded()
    place = tmp_path / "served" / "v2" / "example.com" / "other"
    shutil.copytree(world.files.parents[1], place)
    with pytest.raises(TrustError, match=r"no key in a valid certificate of example\.com/other"):
        read(Static(tmp_path / "served", "example.com/other", print), Anchor(), world.now)


def kept(world: World) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in world.files.rglob("*.json")}


def put_back(files: Mapping[Path, bytes]) -> None:
    for path, data in files.items():
        path.write_bytes(data)


def test_an_older_state_is_refused_by_who_saw_the_newer(world: World, repository: Repository) -> None:
    repository.sign({"1": image(1)})
    old = kept(world)
    repository.sign({"1": image(2)})
    seen = world.stranger()
    put_back(old)
    with pytest.raises(TrustError, match="was there already"):
        world.stranger(seen.anchor)
    with pytest.raises(TrustError, match="was there already"):  # who published remembers
        repository.sign({"2": image(2)})


def test_an_older_root_is_refused(world: World, repository: Repository) -> None:
    old = kept(world)
    repository.rotate("root")
    seen = world.stranger()
    put_back(old)
    with pytest.raises(TrustError, match=r"root\.json of .* is of version 1, and 2 was there"):
        world.stranger(seen.anchor)


Forgery = Callable[[World, Repository], None]


def by_another_key(world: World, repository: Repository) -> None:
    """Targets signed by a key that nobody trusts, with all that leads to it signed well."""
    rogue = World(world.folder / "rogue")
    made = rogue.founded()
    made.sign({"1": image(666)})
    data = (rogue.files / "targets.json").read_bytes()
    before = world.stranger()
    draft = Draft(repository.store, repository.keyring, repository.lifetimes, world.now, before)
    draft.again({"snapshot"})
    files = draft.files()
    snapshot = parse(files["snapshot"], Snapshot, "")[0]
    snapshot.meta["targets"] = Described.of(data)
    signers = {name: repository.keyring.have(name) for name in before.root.keys_of("snapshot")}
    files["snapshot"] = spelled(snapshot, sign(snapshot, signers))
    timestamp = parse(files["timestamp"], Timestamp, "")[0]
    timestamp.meta["snapshot"] = Described.of(files["snapshot"])
    signers = {name: repository.keyring.have(name) for name in before.root.keys_of("timestamp")}
    files["timestamp"] = spelled(timestamp, sign(timestamp, signers))
    files["targets"] = data
    with repository.store.alone():
        repository.store.write(files)


def without_signatures(world: World, repository: Repository) -> None:
    data = json.loads((world.files / "timestamp.json").read_bytes())
    (world.files / "timestamp.json").write_bytes(
        b'{"signed":' + json.dumps(data["signed"], separators=(",", ":")).encode() + b',"signatures":[]}'
    )


def another_spelling(world: World, repository: Repository) -> None:
    path = world.files / "timestamp.json"
    path.write_bytes(path.read_bytes().replace(b',"signatures"', b', "signatures"'))


def no_timestamp(world: World, repository: Repository) -> None:
    (world.files / "timestamp.json").unlink()


def no_targets(world: World, repository: Repository) -> None:
    for path in world.files.glob("targets.*.json"):
        path.unlink()


def not_json(world: World, repository: Repository) -> None:
    (world.files / "timestamp.json").write_bytes(b"<html>")


def twice(world: World, repository: Repository) -> None:
    path = world.files / "timestamp.json"
    path.write_bytes(path.read_bytes().replace(b'{"signed":', b'{"signed":{},"signed":', 1))


FORGERIES: dict[str, tuple[Forgery, str]] = {
    "by another key": (by_another_key, r"targets\.json of .*: 0 of 1 signatures"),
    "without signatures": (without_signatures, r"timestamp\.json of .*: 0 of 1 signatures"),
    "another spelling": (another_spelling, "is not spelled as its content is"),
    "no timestamp": (no_timestamp, r"timestamp\.json of .* is not there"),
    "no targets": (no_targets, r"targets\.json of .* is not there"),
    "not JSON": (not_json, "is no metadata of Notary's"),
    "a key of JSON twice": (twice, "is not spelled as its content is"),
}


@pytest.mark.parametrize(("forge", "said"), FORGERIES.values(), ids=FORGERIES)
def test_forgeries(world: World, repository: Repository, forge: Forgery, said: str) -> None:
    repository.sign({"1": image(1)})
    forge(world, repository)
    with pytest.raises(TrustError, match=said):
        world.stranger()


# --- writing at once --------------------------------------------------------------------------------------


class Busy:
    """A store where others write first, or that breaks, as often as `left` says."""

    def __init__(self, world: World, error: type[TrustError], left: int, meanwhile: Callable[[], object]) -> None:
        self._inner = world.served
        self._error = error
        self.left = left
        self._meanwhile = meanwhile
        self.gun = GUN
        self.managed = self._inner.managed
        self.read = self._inner.read
        self.key = self._inner.key
        self.alone = self._inner.alone

    def write(self, files: Mapping[str, bytes]) -> None:
        if self.left:
            self.left -= 1
            self._meanwhile()
            raise self._error("busy")
        self._inner.write(files)


def test_who_comes_second_makes_its_change_again(world: World, repository: Repository) -> None:
    numbers = iter(range(10, 20))

    def other() -> None:
        number = next(numbers)
        after = world.repository(trust="other", store=Unlocked(world))
        after.sign({str(number): image(number)})

    shutil.copytree(world.folder / "trust", world.folder / "other")
    busy = Busy(world, Conflict, 3, other)
    world.repository(store=busy).sign({"1": image(1)})
    assert set(world.tags()) == {"1", "10", "11", "12"}


class Unlocked:
    """The same files for somebody on another machine, whom no lock keeps away."""

    def __init__(self, world: World) -> None:
        self._inner = world.served
        self.gun, self.managed = GUN, self._inner.managed
        self.read, self.key, self.write = self._inner.read, self._inner.key, self._inner.write

    def alone(self) -> AbstractContextManager[None]:
        return nullcontext()


def test_a_write_that_broke_is_found_to_be_done(world: World, repository: Repository) -> None:
    written: list[Mapping[str, bytes]] = []
    inner = world.served

    class Breaks(Busy):
        def write(self, files: Mapping[str, bytes]) -> None:
            inner.write(files)
            written.append(files)
            raise Unsure("the connection broke")

    world.repository(store=Breaks(world, Unsure, 0, lambda: None)).sign({"1": image(1)})
    assert len(written) == 1
    assert set(world.tags()) == {"1"}


def test_who_is_refused_again_and_again_gives_up(world: World, repository: Repository) -> None:
    busy = Busy(world, Unsure, 99, lambda: None)
    with pytest.raises(Unsure):
        world.repository(store=busy).sign({"1": image(1)})
    assert busy.left == 87
    refusing = Busy(world, Conflict, 99, lambda: None)  # nobody else wrote: it will not be otherwise next time
    with pytest.raises(Conflict):
        world.repository(store=refusing).sign({"1": image(1)})
    assert refusing.left == 98


def test_keys_are_in_no_file_but_their_own(world: World, repository: Repository) -> None:
    repository.sign({"1": image()})
    repository.rotate("root")
    for folder, _, names in os.walk(world.folder):
        for name in names:
            data = Path(folder, name).read_bytes()
            assert b"PRIVATE KEY" not in data or folder.endswith("private")
            assert b"BEGIN PRIVATE KEY" not in data
            assert b"passphrase of tests" not in data


def test_clocks_that_are_late_by_hours_see_a_new_root(world: World) -> None:
    world.founded()
    world.now -= timedelta(hours=20)
    world.stranger()
