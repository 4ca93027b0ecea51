"""Signatures of the Debian archive, with real keys: made for the test, by gpg, and checked by gpgv."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagemill.errors import FetchError
from imagemill.resolve.debian import read_release

RELEASE = "Suite: stable\nCodename: trixie\nDate: Fri, 02 Jan 2026 03:04:05 UTC\n"

pytestmark = pytest.mark.skipif(not (shutil.which("gpg") and shutil.which("gpgv")), reason="gpg or gpgv is not here")


@dataclass(frozen=True)
class Keys:
    """Two throw-away keys: `archive` is in the keyring of that name, `stranger` only in its own."""

    folder: Path

    def gpg(self, *words: str, given: bytes = b"") -> bytes:
        """Run gpg in a home of its own."""
        command = ["gpg", "--homedir", str(self.folder / "home"), "--batch", "--quiet", "--yes", *words]
        return subprocess.run(command, input=given, capture_output=True, check=True).stdout

    def ring(self, *names: str) -> Path:
        """A keyring with the public keys of these."""
        path = self.folder / f"{'-'.join(names)}.gpg"
        path.write_bytes(self.gpg("--export", *(f"{name}@example.invalid" for name in names)))
        return path

    def sign(self, text: str, *names: str) -> bytes:
        """An InRelease file."""
        users = [word for name in names for word in ("-u", f"{name}@example.invalid")]
        return self.gpg(*users, "--clearsign", given=text.encode())


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    """Keys whose agent ends with the tests."""
    keys = Keys(tmp_path_factory.mktemp("gpg"))
    (keys.folder / "home").mkdir(mode=0o700)
    protect = ("--passphrase", "", "--pinentry-mode", "loopback")
    for name in ("archive", "stranger"):
        keys.gpg(*protect, "--quick-gen-key", f"{name}@example.invalid", "ed25519", "sign", "never")
    yield keys
    subprocess.run(["gpgconf", "--homedir", keys.folder / "home", "--kill", "all"], check=False)


def test_a_good_signature(keys: Keys) -> None:
    assert read_release(keys.sign(RELEASE, "archive"), "trixie", keys.ring("archive")) == RELEASE


def test_one_good_signature_is_enough_where_the_keyring_has_not_all_keys(keys: Keys) -> None:
    signed = keys.sign(RELEASE, "archive", "stranger")
    assert read_release(signed, "trixie", keys.ring("archive")) == RELEASE


def test_only_what_is_signed_is_read(keys: Keys) -> None:
    signed = b"Codename: sid\n" + keys.sign(RELEASE, "archive") + b"Codename: sid\n"
    assert read_release(signed, "trixie", keys.ring("archive")) == RELEASE


BAD: dict[str, Callable[[Keys], bytes]] = {
    "a changed word": lambda keys: keys.sign(RELEASE, "archive").replace(b"Fri,", b"Sat,"),
    "a key that is not in the keyring": lambda keys: keys.sign(RELEASE, "stranger"),
    "no signature": lambda keys: RELEASE.encode(),
    "nothing": lambda keys: b"",
    "a signature cut off": lambda keys: keys.sign(RELEASE, "archive").partition(b"-----BEGIN PGP SIGNATURE")[0],
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_signed_by_the_archive_is_refused(name: str, keys: Keys) -> None:
    with pytest.raises(FetchError, match="signature of InRelease is not good"):
        read_release(BAD[name](keys), "trixie", keys.ring("archive"))


def test_a_good_signature_on_another_suite_is_refused(keys: Keys) -> None:
    with pytest.raises(FetchError, match="another suite"):
        read_release(keys.sign(RELEASE, "archive"), "forky", keys.ring("archive"))
