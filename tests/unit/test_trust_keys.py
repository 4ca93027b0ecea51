"""Keys: their files, their passphrases, and programs that keep them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from imagemill.errors import TrustError
from imagemill.trust import keyfiles
from imagemill.trust.keys import (
    External,
    Key,
    KeyFile,
    Named,
    generate,
    is_signature,
    key_id,
    look,
    open_key,
    public_der,
    public_pem,
)
from imagemill.trust.passphrases import Passphrases

WORD = "correct horse battery"
ROUNDS = 2048  # as docker's; the tests have no secrets


@pytest.fixture(scope="module")
def key() -> Key:
    return generate("targets", "example.com/lambda")


def kept(key: Key, folder: Path) -> Path:
    path = folder / f"{key_id(key)}.key"
    keyfiles.write_private(path, key.text(WORD, ROUNDS))
    return path


# --- files ------------------------------------------------------------------------------------------------


def test_a_key_comes_back_from_its_file(key: Key, tmp_path: Path) -> None:
    path = kept(key, tmp_path / "private")
    back = open_key(path, lambda named: WORD)
    assert (back.public_key, back.role, back.gun) == (key.public_key, "targets", "example.com/lambda")
    assert look(path) == Named(key_id(key), "targets", "example.com/lambda", path)


def test_only_its_owner_reads_it(key: Key, tmp_path: Path) -> None:
    path = kept(key, tmp_path / "private")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_a_key_file_is_never_replaced(key: Key, tmp_path: Path) -> None:
    path = kept(key, tmp_path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        keyfiles.write_private(path, "other")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_openssl_reads_it_too(key: Key, tmp_path: Path) -> None:
    lines = key.text(WORD, ROUNDS).splitlines()
    plain = [line for line in lines if ":" not in line and line]
    (tmp_path / "key.pem").write_text("\n".join(plain) + "\n")
    command = ["openssl", "pkey", "-in", str(tmp_path / "key.pem"), "-passin", "env:WORD", "-pubout", "-outform", "DER"]
    done = subprocess.run(command, env={**os.environ, "WORD": WORD}, capture_output=True, check=True)
    assert done.stdout == key.public_key


WRONG = {
    "no PEM": ("nothing", "holds no PEM block"),
    "not base64": ("-----BEGIN PRIVATE KEY-----\n!!!\n-----END PRIVATE KEY-----\n", "is not base64"),
    "no key": ("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", "is no private key"),
    "a certificate": ("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "holds a certificate"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_what_is_no_key_file(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.key").write_text(text)
    with pytest.raises(TrustError, match=said):
        open_key(tmp_path / "x.key", lambda named: WORD)


def test_a_wrong_passphrase_is_not_repeated(key: Key, tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="wrong passphrase") as caught:
        open_key(kept(key, tmp_path), lambda named: "wrong horse")
    assert "wrong horse" not in str(caught.value)


def test_a_key_on_another_curve_is_refused(tmp_path: Path) -> None:
    command = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]
    (tmp_path / "x.key").write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    with pytest.raises(TrustError, match="no ECDSA key on P-256"):
        open_key(tmp_path / "x.key", lambda named: "")


# --- public keys ------------------------------------------------------------------------------------------


OF_NOTARY = """-----BEGIN ENCRYPTED PRIVATE KEY-----
role: root

MIHuMEkGCSqGSIb3DQEFDTA8MBsGCSqGSIb3DQEFDDAOBAhlVbH3DNlfCAICCAAw
HQYJYIZIAWUDBAEqBBB1EO5uH6o3Bgx8wKuq0xDNBIGgRmSy0VRxEmNA514vmnHv
FSyjXUDQG45f622Z3je2kwYKap4FTjL1QpHyBp1Nsclza7EcSNy6A8dOB1fmeOvN
F/7KLY4QVG9JaJSd9jluVL24zHKEDJwGtxfZNS/i6ZDmwRz6qn5/55msm/nXs0o3
VU/pkmISQzrNgecVmYFoBGiTV5IqDI9pfbB29Y6+H379G3n8pP2oWdoUjk3zqihM
xQ==
-----END ENCRYPTED PRIVATE KEY-----
"""  # by `notary key generate` 0.7.0, with the passphrase "passphrase"
ID_OF_NOTARY = "30b3a499dec7a407d3970917340d220952306f24d8c344ee86400ec6c2872a90"


def test_keys_of_notary_are_read_and_have_its_ids(tmp_path: Path) -> None:
    path = tmp_path / f"{ID_OF_NOTARY}.key"
    path.write_text(OF_NOTARY)
    key = open_key(path, lambda named: "passphrase")
    assert (key_id(key), key.role) == (ID_OF_NOTARY, "root")
    with pytest.raises(TrustError, match="wrong passphrase"):
        open_key(path, lambda named: "another")


def test_a_public_key_comes_back_from_pem(key: Key) -> None:
    text = public_pem(key, "alice")
    assert "role: alice" in text
    assert public_der(text.encode(), "alice.pub") == key.public_key


def test_a_private_key_is_no_public_key(key: Key) -> None:
    with pytest.raises(TrustError, match="no public key"):
        public_der(key.text(WORD, ROUNDS).encode(), "x.pub")


# --- programs that sign -----------------------------------------------------------------------------------

PROGRAM = """
import base64, subprocess, sys
key, word, how = sys.argv[1], sys.argv[3], sys.argv[2]
if word == "public-key":
    sys.exit(subprocess.run(["openssl", "pkey", "-in", key, "-pubout"]).returncode)
digest = sys.stdin.buffer.read()
assert len(digest) == 32
if how == "fails":
    sys.exit("the token is locked")
digest = digest if how != "wrong" else bytes(32)
open(key + ".digest", "wb").write(digest)
made = subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", key, "-in", key + ".digest"], stdout=-1).stdout
sys.stdout.buffer.write(made if how != "base64" else base64.b64encode(made) + b"\\n")
"""


def external(folder: Path, how: str) -> External:
    (folder / "program").write_text(PROGRAM)
    command = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    (folder / "own key").write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    return External.of(f"'{sys.executable}' '{folder}/program' '{folder}/own key' {how}")


@pytest.mark.parametrize("how", ["der", "base64"])
def test_a_program_signs(how: str, tmp_path: Path) -> None:
    signer = external(tmp_path, how)
    assert is_signature(signer.public_key, signer.sign(b"data"), b"data")


@pytest.mark.parametrize(("how", "said"), [("wrong", "no signature of its own key"), ("fails", "the token is locked")])
def test_a_program_that_does_not(how: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(TrustError, match=said):
        external(tmp_path, how).sign(b"data")


@pytest.mark.parametrize(("line", "said"), [("", "empty"), ("'x", "cannot be read"), ("/no/such sign", "No such")])
def test_commands_that_are_none(line: str, said: str) -> None:
    with pytest.raises(TrustError, match=said):
        External.of(line).sign(b"")


# --- passphrases ------------------------------------------------------------------------------------------

ROOT = Named("ab" * 32, "root", "", Path("x"))
ALICE = Named("cd" * 32, "alice", "", Path("x"))
OWN, DOCKERS = "IMAGEMILL_TRUST_PASSPHRASE_ALICE", "DOCKER_CONTENT_TRUST"
ENVIRON = {
    "own variable": (ALICE, {OWN: "a", f"{DOCKERS}_REPOSITORY_PASSPHRASE": "b"}),
    "docker's": (ALICE, {f"{DOCKERS}_REPOSITORY_PASSPHRASE": "a", f"{DOCKERS}_ROOT_PASSPHRASE": "b"}),
    "docker's for the root": (ROOT, {f"{DOCKERS}_ROOT_PASSPHRASE": "a", OWN: "b"}),
}


@pytest.mark.parametrize(("named", "environ"), ENVIRON.values(), ids=ENVIRON)
def test_passphrases_of_the_environment(named: Named, environ: dict[str, str]) -> None:
    assert Passphrases(environ)(named) == "a"


def test_passphrases_of_a_descriptor() -> None:
    reads, writes = os.pipe()
    os.write(writes, f"{WORD}\nother\n".encode())
    os.close(writes)
    words = Passphrases({}, fd=reads)
    assert [words(ROOT), words(ALICE), words.new("targets")] == [WORD] * 3
    os.close(reads)
    with pytest.raises(TrustError, match="cannot be read"):
        Passphrases({}, fd=reads)(ROOT)


def test_a_person_is_asked_last() -> None:
    asked: list[tuple[str, bool]] = []

    def ask(question: str, new: bool) -> str:
        asked.append((question, new))
        return WORD

    words = Passphrases({"IMAGEMILL_TRUST_PASSPHRASE_ALICE": "a" * 8}, ask=ask)
    assert [words(ALICE), words(ROOT), words.new("targets")] == ["a" * 8, WORD, WORD]
    assert [new for _, new in asked] == [False, True]


def test_nobody_knows_it() -> None:
    with pytest.raises(TrustError, match="no passphrase for the root key") as caught:
        Passphrases({})(ROOT)
    assert "IMAGEMILL_TRUST_PASSPHRASE_ROOT" in caught.value.remedy


def test_short_passphrases_are_for_no_new_key() -> None:
    with pytest.raises(TrustError, match="shorter than 8") as caught:
        Passphrases({"IMAGEMILL_TRUST_PASSPHRASE_ROOT": "hunter2"}).new("root")
    assert "hunter2" not in str(caught.value)


def test_a_key_file_is_opened_once_and_late(key: Key, tmp_path: Path) -> None:
    asked: list[str] = []

    def passphrase(named: Named) -> str:
        asked.append(named.role)
        return WORD

    signer = KeyFile(kept(key, tmp_path), passphrase)
    assert asked == []
    assert is_signature(signer.public_key, signer.sign(b"x"), b"x")
    assert not is_signature(signer.public_key, signer.sign(b"x"), b"y")
    assert asked == ["targets"]
