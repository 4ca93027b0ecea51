"""Notation verifies what is signed here with a certificate, and refuses what is not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from places import Place
from signed_images import KEY, Made
from small_registry import SmallRegistry

from imagemill.attest import notation
from imagemill.attest.attach import Sealer
from imagemill.errors import TrustError
from imagemill.mirrors import Mirrors
from imagemill.publish.release import for_notation
from imagemill.registry.opening import open_repository
from imagemill.registry.push import push
from imagemill.web import Web

pytestmark = pytest.mark.engine
SUBJECT = {
    NameOID.COUNTRY_NAME: "AT",
    NameOID.STATE_OR_PROVINCE_NAME: "W",
    NameOID.ORGANIZATION_NAME: "imagemill",
    NameOID.COMMON_NAME: "imagemill signer",
}


class Certified:
    """A key with a certificate that it has signed itself."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(kind, value) for kind, value in SUBJECT.items()])
        now = datetime.now(UTC)
        usage = x509.KeyUsage(True, *[False] * 8)
        self.certificate = (
            x509.CertificateBuilder(name, name, self._key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=10))
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )

    @property
    def public_key(self) -> bytes:
        """See Signer."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(serialization.Encoding.DER, form)

    def sign(self, data: bytes) -> bytes:
        """See Signer."""
        return self._key.sign(data, ec.ECDSA(hashes.SHA256()))


def trusting(key: Certified, scope: str, place: Place, folder: Path) -> dict[str, str]:
    """The environment of somebody whose notation trusts a certificate for a repository."""
    home = folder / "config" / "notation"
    (home / "truststore" / "x509" / "ca" / "ours").mkdir(parents=True)
    (home / "truststore" / "x509" / "ca" / "ours" / "ours.crt").write_bytes(key.certificate)
    policy = {
        "name": "ours",
        "registryScopes": [scope],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:ours"],
        "trustedIdentities": ["x509.subject: C=AT, ST=W, O=imagemill, CN=imagemill signer"],
    }
    (home / "trustpolicy.json").write_text(json.dumps({"version": "1.0", "trustPolicies": [policy]}))
    (home / "trustpolicy.json").chmod(0o600)
    return {**place.environ, "XDG_CONFIG_HOME": str(folder / "config")}


def verified(judges: Path, ref: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    argv = [str(judges / "notation"), "verify", ref]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=False, timeout=60)


def test_notation_verifies_what_is_signed_here(judges: Path, place: Place, tmp_path: Path) -> None:
    registry = SmallRegistry()
    registry.close()  # the image goes to a real one
    made = Made(registry, tmp_path / "made")
    repository = open_repository(f"{place.host}/notation/tiny", Web(Mirrors(place.environ)), place.environ)
    push(made.layout, made.layout.entries()[0], repository)
    made.__dict__["repository"] = repository
    key, other = Certified(), Certified()
    chain = notation.Chain.from_pem(key.certificate, key)
    now = datetime.now(UTC)
    environ = trusting(key, repository.name, place, tmp_path)
    refs = [f"{repository.name}@{digest}" for digest in made.digests]
    assert verified(judges, refs[0], environ).returncode != 0, "nothing is signed yet"
    with pytest.raises(TrustError, match="another key"):
        notation.Chain.from_pem(other.certificate, key)
    notation.sign(repository, made.digests, other, notation.Chain.from_pem(other.certificate, other), now)
    assert verified(judges, refs[0], environ).returncode != 0, "signed with a certificate that is not trusted"
    made.signed()  # cosign's signatures are in the same lists of referrers
    sign = for_notation(key, key.certificate)
    assert for_notation(key, b"")(repository, made.digests) == 0, "without a certificate nothing is"
    assert sign(repository, made.digests) == 3
    assert notation.sign(repository, made.digests, key, chain, now + timedelta(seconds=9)) == 0, "once is enough"
    for ref in refs:
        done = verified(judges, ref, environ)
        assert done.returncode == 0, done.stderr
    assert made.attach(Sealer(KEY)) == 0, "what cosign reads is still there"
