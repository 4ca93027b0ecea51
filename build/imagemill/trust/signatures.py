"""Signatures of metadata, and the certificates that root keys come in."""

from __future__ import annotations

import base64
import secrets
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from imagemill.errors import TrustError
from imagemill.trust.keyfiles import elements, tlv
from imagemill.trust.keys import id_of
from imagemill.trust.metadata import Content, PublicKey, Signature, to_sign
from imagemill.trust.signer import Signer

_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_WEAKEST_RSA = 2048
_LEEWAY = timedelta(days=1)  # for clocks that are late, as Notary has it
PublicKeyTypes = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


def sign(content: Content, signers: Mapping[str, Signer]) -> list[Signature]:
    """Signatures over a file's content by these keys, each under the id that metadata knows it by."""
    data = to_sign(content)
    return [Signature(name, "ecdsa", _raw(signers[name].sign(data))) for name in sorted(signers)]


def require(
    content: Content,
    signatures: Sequence[Signature],
    keys: Mapping[str, PublicKey],
    threshold: int,
    what: str,
) -> None:
    """Raise TrustError unless enough of these keys signed; one key counts once, under however many ids it stands."""
    data = to_sign(content)
    good = set()
    for one in signatures:
        key = keys.get(one.keyid)
        if key is not None and is_good(one, key, data):
            good.add(canonical_id(key))
    if len(good) < threshold:
        raise TrustError(
            f"{what}: {len(good)} of {threshold} signatures that it needs are good",
            "it is not from who should have signed it, or was changed since: do not use it",
        )


def is_good(signature: Signature, key: PublicKey, data: bytes) -> bool:
    """Whether a key made this signature over `data`."""
    try:
        raw = base64.b64decode(signature.sig, validate=True)
        public = loaded(key)
        if isinstance(public, ec.EllipticCurvePublicKey) and signature.method == "ecdsa":
            half = (public.curve.key_size + 7) // 8
            if len(raw) != 2 * half:
                return False
            numbers = int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
            public.verify(utils.encode_dss_signature(*numbers), data, ec.ECDSA(hashes.SHA256()))
        elif isinstance(public, ed25519.Ed25519PublicKey) and signature.method == "eddsa":
            public.verify(raw, data)
        elif isinstance(public, rsa.RSAPublicKey) and signature.method == "rsapss":
            if public.key_size < _WEAKEST_RSA:
                return False
            public.verify(raw, data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True


def loaded(key: PublicKey) -> PublicKeyTypes:
    """The key itself. Raises ValueError for what Notary has no word for."""
    if key.keytype == "ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(key.public)
    if key.keytype.endswith("-x509"):
        found = certificate(key).public_key()
    else:
        loaded_key = serialization.load_der_public_key(key.public)
        if not isinstance(loaded_key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise ValueError(f"a key of type {key.keytype} is something else")
        return loaded_key
    if not isinstance(found, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise ValueError("a certificate has a key of another kind")
    return found


def certificate(key: PublicKey) -> x509.Certificate:
    """The certificate of an x509 key: the first one, which is its own. Raises ValueError."""
    return x509.load_pem_x509_certificates(key.public)[0]


def canonical_id(key: PublicKey) -> str:
    """The id of the key in a certificate, by which its file is named; the key's own id where it has none.

    Raises ValueError for a key that cannot be read.
    """
    if not key.keytype.endswith("-x509"):
        return key.id
    der = loaded(key).public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return id_of(key.keytype.removesuffix("-x509"), base64.b64encode(der).decode())


def plain(signer: Signer) -> PublicKey:
    """The public key as targets, snapshots, timestamps and delegations have it."""
    return PublicKey.of("ecdsa", signer.public_key)


def root_key(signer: Signer, gun: str, start: datetime, end: datetime) -> PublicKey:
    """The public key as roots have it: in a certificate of its own, whose name is the GUN.

    `cryptography` wants the private key in memory, so it signs with another one, and that signature is replaced.
    """
    with _long_names():
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, gun, _validate=False)])
    public = serialization.load_der_public_key(signer.public_key)
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise TrustError("a root key is no ECDSA key", "make one with `imagemill trust init`")
    usages = {"digital_signature": True, "key_encipherment": True}
    others = ("content_commitment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")
    usages |= dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
    draft = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(secrets.randbits(127) + 1)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.KeyUsage(**usages), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    body = draft.tbs_certificate_bytes
    der = tlv(0x30, body + _ECDSA_WITH_SHA256 + tlv(0x03, b"\0" + signer.sign(body)))
    pem = x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
    return PublicKey.of("ecdsa-x509", pem)


def belongs(key: PublicKey, gun: str, now: datetime | None) -> bool:
    """Whether a root's key may be one of this GUN: its certificate has that name, and is valid (at any time: None)."""
    try:
        found = certificate(key)
        with _long_names():
            names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        constraints = _constraints(found)
    except (ValueError, IndexError):
        return False
    name = str(names[0].value) if names else ""
    matches = gun.startswith(name.rstrip("*")) if name.endswith("*") else name == gun
    in_time = now is None or found.not_valid_before_utc - _LEEWAY <= now < found.not_valid_after_utc
    return matches and in_time and not (constraints is not None and constraints.ca)


def _constraints(found: x509.Certificate) -> x509.BasicConstraints | None:
    try:
        return found.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return None


@contextmanager
def _long_names() -> Iterator[None]:
    """X.520 has no common name longer than 64 characters, and `cryptography` warns; Notary's GUNs may be longer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _raw(signature: bytes) -> str:
    """A signature (DER) as Notary has it: both numbers in 32 bytes each."""
    first, second = (int.from_bytes(number, "big") for number in elements(elements(signature)[0]))
    return base64.b64encode(first.to_bytes(32, "big") + second.to_bytes(32, "big")).decode()
