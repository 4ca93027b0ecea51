"""Keys: made, kept in files, or kept by a program that only signs (a key management service, a token).

Ids are Notary's: the SHA-256 of a key's canonical JSON.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from imagemill.errors import TrustError
from imagemill.oci import canonical
from imagemill.trust import keyfiles
from imagemill.trust.signer import Signer

_SECONDS = 60  # for a program that signs; some ask a person to touch a token
_SHA256 = ec.ECDSA(utils.Prehashed(hashes.SHA256()))


class Key:
    """A private key in memory. `role` and `gun` are what its file says it is for; empty where it says nothing."""

    def __init__(self, private: ec.EllipticCurvePrivateKey, role: str = "", gun: str = "") -> None:
        self._private = private
        self.role = role
        self.gun = gun
        self._public = _der(private.public_key())

    @property
    def public_key(self) -> bytes:
        """The public key as DER."""
        return self._public

    def sign(self, data: bytes) -> bytes:
        """The signature over the SHA-256 of `data`, as DER."""
        return self._private.sign(data, ec.ECDSA(hashes.SHA256()))

    def text(self, passphrase: str, rounds: int = keyfiles.ROUNDS) -> str:
        """The key as the text of a key file."""
        headers = {name: value for name, value in (("role", self.role), ("gun", self.gun)) if value}
        return keyfiles.encrypted(self._private, passphrase, headers, rounds)

    def __repr__(self) -> str:
        return f"<Key {key_id(self)[:12]} {self.role}>"


@dataclass(frozen=True)
class Named:
    """What a key file says without its passphrase."""

    id: str
    role: str
    gun: str
    path: Path


Passphrase = Callable[[Named], str]
"""Asked for the passphrase of a key."""


class KeyFile:
    """A key in a file, opened when it is first needed."""

    def __init__(self, path: Path, passphrase: Passphrase) -> None:
        self.named = look(path)
        self._passphrase = passphrase
        self._key: Key | None = None

    @property
    def public_key(self) -> bytes:
        """The public key as DER. Raises TrustError."""
        return self._opened().public_key

    def sign(self, data: bytes) -> bytes:
        """The signature over the SHA-256 of `data`, as DER. Raises TrustError."""
        return self._opened().sign(data)

    def _opened(self) -> Key:
        if self._key is None:
            self._key = open_key(self.named.path, self._passphrase)
            if re.fullmatch("[0-9a-f]{64}", self.named.id) and key_id(self._key) != self.named.id:
                raise TrustError(f"{self.named.path} holds another key than its name says", "restore it from a backup")
        return self._key


class External:
    """A key that a program keeps. It is called with one word more:

    `public-key`: prints the public key as PEM; `sign`: reads the 32 bytes of a SHA-256 digest from standard input
    and prints the signature, as DER or as base64 of it.
    """

    def __init__(self, command: Sequence[str]) -> None:
        if not command:
            raise TrustError("the command of a key is empty", "name the program that signs")
        self._command = tuple(command)
        self._public = b""

    @staticmethod
    def of(line: str) -> External:
        """The key of a command line, which no shell sees."""
        try:
            return External(shlex.split(line))
        except ValueError as error:
            raise TrustError(f"the command of a key cannot be read: {error}", "close its quotes") from None

    @property
    def public_key(self) -> bytes:
        """The public key as DER. Raises TrustError."""
        if not self._public:
            self._public = public_der(self._asked("public-key", b""), self._command[0])
        return self._public

    def sign(self, data: bytes) -> bytes:
        """The signature over the SHA-256 of `data`, as DER; it is checked. Raises TrustError."""
        digest = hashlib.sha256(data).digest()
        answer = self._asked("sign", digest)
        try:
            signature = answer if answer[:1] == b"\x30" else base64.b64decode(answer.strip(), validate=True)
            _loaded(self.public_key).verify(signature, digest, _SHA256)
        except (InvalidSignature, binascii.Error, ValueError):
            raise TrustError(
                f"{self._command[0]} sign: what it printed is no signature of its own key over the digest",
                "have it sign the 32 bytes as a SHA-256 digest with ECDSA on P-256, and print DER or base64",
            ) from None
        return signature

    def _asked(self, word: str, data: bytes) -> bytes:
        what = f"{self._command[0]} {word}"
        try:
            done = subprocess.run(
                [*self._command, word], input=data, capture_output=True, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            why = f"did not answer within {_SECONDS} s" if isinstance(error, subprocess.TimeoutExpired) else str(error)
            raise TrustError(f"{what}: {why}", "see whether the program runs by hand") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            last = said[-1] if said else "it said nothing"
            raise TrustError(f"{what} ended with {done.returncode}: {last}", "see whether the program runs by hand")
        return done.stdout


def generate(role: str = "", gun: str = "") -> Key:
    """A new key."""
    return Key(ec.generate_private_key(ec.SECP256R1()), role, gun)


def open_key(path: Path, passphrase: Passphrase) -> Key:
    """The key in a file. `passphrase` is asked only where the file is encrypted. Raises TrustError."""
    pem = keyfiles.parse(_read(path), str(path))
    named = look(path)
    word = passphrase(named) if keyfiles.is_encrypted(pem) else ""
    return Key(keyfiles.decrypted(pem, word, str(path)), named.role, named.gun)


def look(path: Path) -> Named:
    """What a key file says in the clear; its id is its name. Raises TrustError."""
    pem = keyfiles.parse(_read(path), str(path))
    return Named(path.stem, pem.headers.get("role", ""), pem.headers.get("gun", ""), path)


def key_id(signer: Signer) -> str:
    """The id that Notary gives a key."""
    return id_of("ecdsa", base64.b64encode(signer.public_key).decode())


def id_of(keytype: str, public: str) -> str:
    """The id of a key as metadata spells it; `public` is base64."""
    data = {"keytype": keytype, "keyval": {"private": None, "public": public}}
    return hashlib.sha256(canonical(data)).hexdigest()


def public_pem(signer: Signer, role: str = "") -> str:
    """The public key as PEM; `role` goes into its header, where docker looks for a signer's name."""
    return keyfiles.spelled(keyfiles.Pem("PUBLIC KEY", {"role": role} if role else {}, signer.public_key))


def public_der(data: bytes, where: str) -> bytes:
    """The public key of a PEM text, as DER. Raises TrustError for what is no ECDSA key on P-256."""
    pem = keyfiles.parse(data.decode("ascii", "replace"), where)
    try:
        if pem.kind == "PUBLIC KEY":
            return _der(_loaded(pem.der))
    except (ValueError, TypeError):
        pass
    raise TrustError(f"{where} is no public key: ECDSA on P-256 is needed", "give a file as `trust key` writes it")


def is_signature(public_key: bytes, signature: bytes, data: bytes) -> bool:
    """Whether a signature (DER) over the SHA-256 of `data` is of this key (DER)."""
    try:
        _loaded(public_key).verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _loaded(der: bytes) -> ec.EllipticCurvePublicKey:
    key = serialization.load_der_public_key(der)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not ECDSA on P-256")
    return key


def _der(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise TrustError(f"{path}: {error.strerror}", "name a key file that is there") from None
