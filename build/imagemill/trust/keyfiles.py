"""Private keys in files as docker's trust store has them: PKCS#8 in PEM, encrypted, the role and name in its headers.

Notary reads one kind of encryption: PBES2 (RFC 8018) with PBKDF2 over HMAC-SHA-1 and AES-256-CBC, which nothing in
`cryptography` writes; therefore it is put together here. The number of rounds is ours to choose.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from imagemill.errors import TrustError

ROUNDS = 300_000  # 0.1 s a key; docker's own 2048 are of another age
_PLAIN, _ENCRYPTED = "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"
_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----\n(.*?)-----END \1-----", re.DOTALL)
_PBES2, _PBKDF2, _AES256_CBC = (
    bytes.fromhex(oid)
    for oid in ("06092a864886f70d01050d", "06092a864886f70d01050c", "060960864801650304012a")
)  # fmt: skip


@dataclass(frozen=True)
class Pem:
    """One block of a PEM file: its kind, what stands in front, and the DER."""

    kind: str
    headers: Mapping[str, str]
    der: bytes


def parse(text: str, where: str) -> Pem:
    """The first block of a PEM file. Raises TrustError."""
    return parse_all(text, where)[0]


def parse_all(text: str, where: str) -> list[Pem]:
    """The blocks of a PEM file, at least one. Raises TrustError."""
    blocks = _BLOCK.findall(text.replace("\r\n", "\n"))
    if not blocks:
        raise TrustError(f"{where} holds no PEM block", "give a key file as `imagemill trust` writes it")
    found = []
    for kind, body in blocks:
        lines = [line.strip() for line in body.splitlines()]
        headers = {key.strip(): value.strip() for key, sep, value in (line.partition(":") for line in lines) if sep}
        try:
            der = base64.b64decode("".join(line for line in lines if ":" not in line), validate=True)
        except ValueError:
            raise TrustError(f"{where} is damaged: its text is not base64", "restore it from a backup") from None
        found.append(Pem(kind, headers, der))
    return found


def spelled(pem: Pem) -> str:
    """The block as text."""
    headers = "".join(f"{key}: {value}\n" for key, value in sorted(pem.headers.items()))
    body = base64.encodebytes(pem.der).decode().replace("\n", "")
    rows = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN {pem.kind}-----\n{headers}{chr(10) if headers else ''}{rows}\n-----END {pem.kind}-----\n"


def encrypted(
    key: ec.EllipticCurvePrivateKey, passphrase: str, headers: Mapping[str, str], rounds: int = ROUNDS
) -> str:
    """A key as the text of a key file."""
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    salt, start = secrets.token_bytes(16), secrets.token_bytes(16)
    derived = PBKDF2HMAC(hashes.SHA1(), 32, salt, rounds).derive(passphrase.encode())  # noqa: S303 - Notary's
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES256(derived), modes.CBC(start)).encryptor()
    body = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    number = rounds.to_bytes(rounds.bit_length() // 8 + 1, "big")
    derivation = tlv(0x30, _PBKDF2 + tlv(0x30, tlv(0x04, salt) + tlv(0x02, number)))
    scheme = tlv(0x30, _PBES2 + tlv(0x30, derivation + tlv(0x30, _AES256_CBC + tlv(0x04, start))))
    return spelled(Pem(_ENCRYPTED, headers, tlv(0x30, scheme + tlv(0x04, body))))


def decrypted(pem: Pem, passphrase: str, where: str) -> ec.EllipticCurvePrivateKey:
    """The key of a key file. Raises TrustError for a wrong passphrase, and for what is no ECDSA key on P-256."""
    if pem.kind not in (_PLAIN, _ENCRYPTED):
        raise TrustError(f"{where} holds a {pem.kind.lower()}, not a PKCS#8 private key", "convert it with openssl")
    word = passphrase.encode() if pem.kind == _ENCRYPTED else None
    try:
        try:
            key = serialization.load_der_private_key(pem.der, word)
        except ValueError:
            key = serialization.load_der_private_key(_of_notary(pem.der, word), None)
    except (ValueError, TypeError, IndexError):
        if pem.kind == _PLAIN:
            raise TrustError(f"{where} is no private key", "restore it from a backup") from None
        raise TrustError(f"{where}: wrong passphrase, or a damaged file", "give the passphrase of this key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise TrustError(f"{where} is no ECDSA key on P-256", "make one with `imagemill trust init`")
    return key


def is_encrypted(pem: Pem) -> bool:
    """Whether a passphrase is needed."""
    return pem.kind == _ENCRYPTED


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all; FileExistsError where one is there already."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = path.parent / f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(scratch, path)  # unlike a rename it never replaces
    finally:
        with suppress(FileNotFoundError):
            scratch.unlink()


def _of_notary(der: bytes, passphrase: bytes | None) -> bytes:
    """The plain PKCS#8 of what Notary wrote: it calls version 0 of the format 1, which `cryptography` refuses."""
    if passphrase is not None:
        scheme, body = elements(elements(der)[0])
        derivation, cipher = elements(elements(scheme)[1])
        salt, rounds = elements(elements(derivation)[1])[:2]
        derived = PBKDF2HMAC(hashes.SHA1(), 32, salt, int.from_bytes(rounds, "big")).derive(passphrase)  # noqa: S303
        decryptor = Cipher(algorithms.AES256(derived), modes.CBC(elements(cipher)[1])).decryptor()
        unpadder = padding.PKCS7(128).unpadder()
        der = unpadder.update(decryptor.update(body) + decryptor.finalize()) + unpadder.finalize()
    content = elements(der)[0]
    return tlv(0x30, tlv(0x02, b"\0") + content[3:])


def elements(der: bytes) -> list[bytes]:
    """The contents of the elements that stand side by side in DER. Raises ValueError for what is cut off."""
    found = []
    while der:
        start, size = 2, der[1]
        if size >= 0x80:
            start += size & 0x7F
            size = int.from_bytes(der[2:start], "big")
        if len(der) < start + size:
            raise ValueError("DER is cut off")
        found.append(der[start : start + size])
        der = der[start + size :]
    return found


def tlv(tag: int, content: bytes) -> bytes:
    """One element of DER (X.690): tag, length, content."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
