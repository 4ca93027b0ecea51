"""Verifying images whose tags are signed for Docker Content Trust: from a pinned root key to the digest of a tag."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from registry_images import Make
from signed_images import KEY, TAG, Made

from imagemill.attest.attach import Sealer
from imagemill.cli import main
from imagemill.trust.draft import Lifetimes
from imagemill.trust.founding import found
from imagemill.trust.keyring import Keyring
from imagemill.trust.memory import Memory
from imagemill.trust.passphrases import Passphrases
from imagemill.trust.repository import Repository
from imagemill.trust.static import Static
from imagemill.verify import offline
from imagemill.verify.chain import Files, Recording
from imagemill.verify.policy import Pinned, Policy
from imagemill.verify.run import Means, examine, verify
from imagemill.verify.verdict import Verdict

NOW = datetime(2026, 11, 21, tzinfo=UTC)
_WORDS = {f"DOCKER_CONTENT_TRUST_{role}_PASSPHRASE": "a word of tests" for role in ("ROOT", "REPOSITORY")}


class Trust:
    """Static trust metadata of an image's repository, written by who has the keys in `home`."""

    def __init__(self, folder: Path, gun: str, home: str = "home", now: datetime = NOW) -> None:
        self.served = Static(folder / "served", gun, lambda _: None)
        self.folder = folder
        keyring = Keyring(folder / home, Passphrases(_WORDS), rounds=1)
        memory = Memory(folder / home, gun)
        self.repository = Repository(self.served, keyring, memory, clock=lambda: now, pause=lambda _: None)

    def founded(self) -> Trust:
        """Have the first metadata."""
        found(self.repository)
        return self

    @property
    def roots(self) -> tuple[str, ...]:
        """The ids of its root keys."""
        return tuple(self.repository.read().root.keys_of("root"))


@pytest.fixture
def made(make: Make, tmp_path: Path) -> Made:
    return Made(make(), tmp_path / "made").pushed(TAG).signed()


@pytest.fixture
def trust(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trust:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    trust = Trust(tmp_path / "trust", made.repository.name).founded()
    trust.repository.sign({TAG: (made.index.digest, made.index.size)})
    return trust


def policy(trust: Trust) -> Policy:
    return Policy(keys=(Sealer(KEY).key.pem,), trust=Pinned("https://trust.example.org", trust.roots))


def verified(made: Made, trust: Trust, terms: Policy, reference: str = TAG, now: datetime = NOW) -> Verdict:
    folder = made.folder / f"work{len(list(made.folder.glob('work*')))}"
    folder.mkdir()
    return verify(reference, terms, Means(made.repository, trust.served, folder, made.folder / "memory", now))


def test_a_tag_that_is_signed_from_the_root_down_passes(made: Made, trust: Trust) -> None:
    for reference in (TAG, made.index.digest, TAG):
        verdict = verified(made, trust, policy(trust), reference)
        assert verdict.passed, verdict.failures
        [row] = [row for row in verdict.rows if row.check == "trust"]
        assert row.found.startswith("signed by Repo Admin, in date until 2026-12-")


def moved(made: Made, trust: Trust) -> None:
    """The tag points at another image of the same key."""
    other = Made(made.registry, made.folder.parent / "other", text="other").pushed(TAG)
    other.signed()


def wrong_size(made: Made, trust: Trust) -> None:
    trust.repository.sign({TAG: (made.index.digest, made.index.size + 1)})


def revoked(made: Made, trust: Trust) -> None:
    trust.repository.revoke([TAG])


def gone(made: Made, trust: Trust) -> None:
    shutil.rmtree(trust.folder / "served")


def other_root(made: Made, trust: Trust) -> None:
    """Everything founded anew, by somebody else."""
    gone(made, trust)
    other = Trust(trust.folder, made.repository.name, "elsewhere").founded()
    other.repository.sign({TAG: (made.index.digest, made.index.size)})


def changed(made: Made, trust: Trust) -> None:
    for path in (trust.folder / "served").rglob("targets*.json"):
        path.write_bytes(path.read_bytes().replace(TAG.encode(), b"python3.14"))


def distrusted(made: Made, trust: Trust) -> None:
    """A delegation signed the tag anew, and its time is over: what was signed before would count again."""
    key = trust.repository.keyring.make("ci")
    trust.repository.delegate("ci", key.public_key)
    short = replace(trust.repository, lifetimes=Lifetimes(targets=1))
    short.sign({TAG: (made.index.digest, made.index.size)}, ["targets/ci", "targets/releases"])
    late = replace(trust.repository, clock=lambda: NOW + timedelta(days=2))
    late.refresh()


ATTACKS: dict[str, tuple[Callable[[Made, Trust], None], str]] = {
    "moved tag": (moved, "and signed is sha256"),
    "wrong size": (wrong_size, "the tag is sha256"),
    "revoked": (revoked, f"the tag {TAG} is not signed"),
    "gone": (gone, "has no trust metadata"),
    "other root": (other_root, "another root key"),
    "distrusted delegation": (distrusted, "targets/"),
    "changed metadata": (changed, "targets.json"),
}


@pytest.mark.parametrize(("attack", "words"), ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_refused(attack: Callable[[Made, Trust], None], words: str, made: Made, trust: Trust) -> None:
    terms = policy(trust)
    attack(made, trust)
    now = NOW + timedelta(days=3)
    [row] = [row for row in verified(made, trust, terms, now=now).failures if row.check == "trust"]
    assert words in row.found


def test_what_has_expired_is_refused(made: Made, trust: Trust) -> None:
    later = NOW + timedelta(days=20)
    [row] = verified(made, trust, policy(trust), now=later).failures
    assert row.check == "trust" and "expired" in row.found


def test_what_was_seen_is_not_gone_behind(made: Made, trust: Trust) -> None:
    terms = policy(trust)
    shutil.copytree(trust.folder / "served", trust.folder / "old")
    trust.repository.sign({"other": (made.index.digest, made.index.size)})
    assert verified(made, trust, terms).passed
    gone(made, trust)
    (trust.folder / "old").rename(trust.folder / "served")
    [row] = verified(made, trust, terms).failures
    assert row.check == "trust" and "was there already" in row.found


def test_a_bundle_has_the_trust_metadata(made: Made, trust: Trust, tmp_path: Path) -> None:
    terms, out = policy(trust), tmp_path / "image.bundle"
    recorder, recording = offline.Recorder(made.repository), Recording(trust.served)
    (tmp_path / "work").mkdir()
    verdict, case = examine(TAG, terms, Means(recorder, recording, tmp_path / "work", None, NOW))
    assert verdict.passed and case is not None
    offline.write(out, case, recorder, recording.files)
    gone(made, trust)
    made.there.manifests.clear()
    for now, passed in ((NOW, True), (NOW + timedelta(days=20), False)):
        folder = tmp_path / f"offline {now:%d}"
        folder.mkdir()
        with offline.Bundle(out) as bundle:
            means = Means(bundle, Files(bundle.name, bundle.trust), folder, tmp_path / "memory", now)
            assert verify(TAG, terms, means).passed is passed


def test_a_bundle_without_it_is_refused(made: Made, trust: Trust, tmp_path: Path) -> None:
    env = {"IMAGEMILL_STATE": str(tmp_path / "state"), "HOME": str(tmp_path)}
    out = str(tmp_path / "image.bundle")
    key = ["--key", str(made.key_file)]
    assert CliRunner().invoke(main, ["bundle", made.reference, "--out", out, *key], env=env).exit_code == 0
    pinned = ["--trust-server", "https://trust.example.org", "--root-key", trust.roots[0]]
    done = CliRunner().invoke(main, ["verify", made.reference, "--offline", out, *key, *pinned], env=env)
    assert done.exit_code == 53 and "there is no trust metadata" in done.output
    for alone in (pinned[:2], pinned[2:]):
        done = CliRunner().invoke(main, ["verify", made.reference, "--offline", out, *key, *alone], env=env)
        assert done.exit_code == 53 and "go together" in done.output


def test_a_policy_pins_roots_by_their_whole_ids() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"server": "https://x", "roots": ["abc"]}, Pinned)
