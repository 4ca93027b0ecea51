"""The CA bundle, as update-ca-certificates(8) and `openssl rehash` would make it, and the same for Java."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from collections.abc import Iterator, Mapping

from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Tree

_SOURCE = "usr/share/ca-certificates/"
_CERTS = "etc/ssl/certs"
BUNDLE = f"/{_CERTS}/ca-certificates.crt"
_AMAZON = ("etc/pki/tls/certs/ca-bundle.crt", "etc/pki/tls/cert.pem")
"""Where Amazon Linux has the bundle, and programs made for it look."""

JAVA = f"/{_CERTS}/java/cacerts"
_AMAZON_JAVA = "etc/pki/java/cacerts"
_PASSWORD = "changeit"  # noqa: S105 - the one of every JDK's trust store: it protects nothing

# ASN.1 tags of strings in names -> their encoding; T61String is read as Latin-1, as OpenSSL does
_STRINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1A: "ascii", 0x1E: "utf-16-be"}


def bundle(tree: Tree, mtime: int) -> Tree:
    """The bundle and the links that point into it, from the certificates of the package ca-certificates."""
    names = sorted(path.removeprefix(_SOURCE) for path in tree if path.startswith(_SOURCE) and path.endswith(".crt"))
    made: Tree = {}
    texts = []
    taken: dict[str, int] = {}
    for name in names:
        text = tree[_SOURCE + name].read()
        texts.append(text if text.endswith(b"\n") else text + b"\n")
        link = re.sub(r"[ ,]", "_", re.sub(r"[()]", "=", name.rpartition("/")[2].removesuffix(".crt"))) + ".pem"
        made[f"{_CERTS}/{link}"] = Entry("symlink", 0o777, mtime=mtime, target=f"/{_SOURCE}{name}")
        key = subject_hash(text, name)
        number = taken[key] = taken.get(key, -1) + 1
        made[f"{_CERTS}/{key}.{number}"] = Entry("symlink", 0o777, mtime=mtime, target=link)
    made[BUNDLE.lstrip("/")] = Entry("file", mtime=mtime, content=b"".join(texts))
    made["etc/ca-certificates.conf"] = Entry(
        "file", mtime=mtime, content="".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
    )
    for path in _AMAZON:
        made[path] = Entry("symlink", 0o777, mtime=mtime, target=BUNDLE)
    made[JAVA.lstrip("/")] = Entry(
        "file", mtime=mtime, content=trust_store(dict(zip(names, texts, strict=True)), mtime)
    )
    made[_AMAZON_JAVA] = Entry("symlink", 0o777, mtime=mtime, target=JAVA)
    return made


def trust_store(certificates: Mapping[str, bytes], time: int) -> bytes:
    """A Java key store (JKS) that trusts these certificates (name -> PEM), added at `time`, in seconds since 1970.

    Java reads no PEM. Every Java from 8 on reads this format, whatever its default is. Source of the format:
    engineStore in OpenJDK's sun.security.provider.JavaKeyStore.
    """
    rows = b"".join(
        struct.pack(">I", 2)  # a trusted certificate
        + _utf(f"debian:{name.rpartition('/')[2].removesuffix('.crt').lower()}")
        + struct.pack(">Q", time * 1000)
        + _utf("X.509")
        + struct.pack(">I", len(der))
        + der
        for name, pem in certificates.items()
        for der in [_decoded(pem)]
    )
    store = struct.pack(">III", 0xFEEDFEED, 2, len(certificates)) + rows
    # the digest that JKS has is SHA-1
    keyed = _PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + store
    return store + hashlib.sha1(keyed, usedforsecurity=False).digest()


def _utf(text: str) -> bytes:
    """DataOutput.writeUTF, for what has no characters beyond the basic plane."""
    data = text.encode("utf-8", "surrogateescape")
    return struct.pack(">H", len(data)) + data


def _decoded(pem: bytes) -> bytes:
    """The DER of the first certificate in a PEM text; empty where there is none."""
    match = re.search(rb"-----BEGIN CERTIFICATE-----(.*?)-----END", pem, re.DOTALL)
    return base64.b64decode(match[1] if match else b"", validate=False)


def subject_hash(pem: bytes, name: str) -> str:
    """The hash of a certificate's subject that OpenSSL finds it by in a directory.

    Source: X509_NAME_hash_ex and x509_name_canon in OpenSSL's crypto/x509: SHA-1 of the name's parts in DER,
    strings as UTF-8 in lower case with single spaces. Raises AssembleError for what is no certificate.
    """
    try:
        [(_, certificate)] = _parts(_decoded(pem))
        signed = next(_parts(certificate))[1]
        fields = [part for part in _parts(signed) if part[0] != 0xA0]  # the version is optional
        subject = fields[4][1]
    except (ValueError, IndexError, StopIteration) as error:
        raise AssembleError(f"/{_SOURCE}{name} is not a certificate: {error}") from None
    canonical = b"".join(
        _der(0x31, b"".join(_attribute(pair) for _, pair in _parts(group))) for _, group in _parts(subject)
    )
    return hashlib.sha1(canonical, usedforsecurity=False).digest()[3::-1].hex()


def _attribute(pair: bytes) -> bytes:
    (kind, identifier), (tag, value) = _parts(pair)
    if tag in _STRINGS:
        text = value.decode(_STRINGS[tag]).encode()
        # only ASCII is lowered, and only ASCII space counts
        tag, value = 0x0C, b" ".join(text.lower().split())
    return _der(0x30, _der(kind, identifier) + _der(tag, value))


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements of a DER sequence: tag and content."""
    position = 0
    while position < len(data):
        tag, length = data[position], data[position + 1]
        position += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[position : position + count], "big")
            position += count
        if position + length > len(data):
            raise ValueError("an element is longer than what holds it")
        yield tag, data[position : position + length]
        position += length


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
