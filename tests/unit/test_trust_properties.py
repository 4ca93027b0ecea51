"""Whatever is done in whatever order, a stranger sees the tags that should be signed; and no byte can be changed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from small_trust import GUN, World, image

from imagemill.errors import TrustError
from imagemill.trust.keys import Key, generate
from imagemill.trust.memory import Memory
from imagemill.trust.metadata import RELEASES
from imagemill.trust.reader import Anchor, read
from imagemill.trust.static import Static

TAGS = st.sampled_from(["1", "2", "latest"])
IMAGES = st.integers(1, 4)
NAMES = st.sampled_from(["alice", "bob"])


class Publishing(RuleBasedStateMachine):
    """Administrators and signers at work; time goes by."""

    def __init__(self) -> None:
        super().__init__()
        self._disk = mock.patch("os.fsync", lambda descriptor: None)
        self._disk.start()
        self.world = World(Path(tempfile.mkdtemp(prefix="imagemill-trust-")))
        self.repository = self.world.founded()
        self.watcher = Memory(self.world.folder / "watcher", GUN)
        self.tags: dict[str, str] = {}
        self.people: dict[str, Key] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.world.folder)
        self._disk.stop()

    @rule(tag=TAGS, number=IMAGES)
    def the_repository_key_signs(self, tag: str, number: int) -> None:
        released = self.world.stranger().targets.get(RELEASES)
        shadowed = released is not None and tag in released.targets and self.tags[tag] != image(number)[0]
        if shadowed:
            with pytest.raises(TrustError, match="goes before"):
                self.repository.sign({tag: image(number)})
        else:
            self.repository.sign({tag: image(number)})
            self.tags[tag] = image(number)[0]

    @precondition(lambda self: self.people)
    @rule(data=st.data(), tag=TAGS, number=IMAGES)
    def somebody_signs(self, data: st.DataObject, tag: str, number: int) -> None:
        key = self.people[data.draw(st.sampled_from(sorted(self.people)))]
        self.world.repository(key).sign({tag: image(number)})
        self.tags[tag] = image(number)[0]

    @rule(name=NAMES)
    def somebody_comes(self, name: str) -> None:
        if name not in self.people:
            self.people[name] = generate(name)
            self.repository.delegate(name, self.people[name].public_key)

    @precondition(lambda self: self.people)
    @rule(data=st.data())
    def somebody_goes(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.people)))
        self.repository.undelegate(name, adopt=True)
        del self.people[name]

    @rule(role=st.sampled_from(["root", "targets", "snapshot", "timestamp"]))
    def a_key_is_rotated(self, role: str) -> None:
        self.repository.rotate(role)

    @precondition(lambda self: self.tags)
    @rule(data=st.data())
    def a_tag_is_revoked(self, data: st.DataObject) -> None:
        tag = data.draw(st.sampled_from(sorted(self.tags)))
        try:
            self.world.repository(*self.people.values()).revoke([tag])
        except TrustError as error:
            pytest.fail(str(error))
        del self.tags[tag]

    @rule(days=st.floats(0.1, 13))
    def time_goes_by(self, days: float) -> None:
        self.world.wait(days)
        self.repository.refresh()

    @rule(days=st.floats(14, 40))
    def nobody_was_there_for_weeks(self, days: float) -> None:
        self.world.wait(days)
        with pytest.raises(TrustError, match="expired"):
            self.world.stranger()
        self.repository.refresh()

    @invariant()
    def a_stranger_sees_all(self) -> None:
        found = self.world.stranger()
        assert {tag: one.digest for tag, one in found.tags.items()} == self.tags

    @invariant()
    def who_watches_follows(self) -> None:
        found = read(self.world.served, self.watcher.anchor(), self.world.now)
        self.watcher.keep(found)
        assert {tag: one.digest for tag, one in found.tags.items()} == self.tags


TestPublishing = Publishing.TestCase
TestPublishing.settings = settings(max_examples=8, stateful_step_count=12, deadline=None)


class Remembering:
    """A reader of files that knows which it read."""

    def __init__(self, inner: Static, changed: dict[str, bytes]) -> None:
        self.gun = inner.gun
        self._inner = inner
        self._changed = changed
        self.names: set[str] = set()

    def read(self, name: str) -> bytes | None:
        self.names.add(name)
        return self._changed.get(name) or self._inner.read(name)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A repository to which everything has happened."""
    world = World(tmp_path_factory.mktemp("settled"))
    repository = world.founded()
    alice = generate("alice")
    repository.sign({"1": image(1)})
    repository.delegate("alice", alice.public_key)
    world.repository(alice).sign({"2": image(2)})
    repository.rotate("root")
    return world


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_no_byte_can_be_changed(settled: World, data: st.DataObject) -> None:
    whole = Remembering(settled.served, {})
    read(whole, Anchor(), settled.now)
    assert len(whole.names) == 6
    name = data.draw(st.sampled_from(sorted(whole.names)))
    content = bytearray(settled.served.read(name) or b"")
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(TrustError):
        read(Remembering(settled.served, {name: bytes(content)}), Anchor(), settled.now)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_no_file_can_be_cut(settled: World, data: st.DataObject) -> None:
    whole = Remembering(settled.served, {})
    read(whole, Anchor(), settled.now)
    name = data.draw(st.sampled_from(sorted(whole.names)))
    content = settled.served.read(name) or b""
    size = data.draw(st.integers(1, len(content) - 1))
    with pytest.raises(TrustError):
        read(Remembering(settled.served, {name: content[:size]}), Anchor(), settled.now)
