"""Cosign 2 and 3 read what is signed here, refuse what was attacked, and sign beside it without harm to either."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import attacks
import pytest
from places import Place
from signed_images import KEY, OTHER, TAG, Made
from small_registry import SmallRegistry

from imagemill.attest import keyless, statement
from imagemill.attest.attach import Form, Sealer
from imagemill.mirrors import Mirrors
from imagemill.registry.opening import open_repository
from imagemill.registry.push import push
from imagemill.verify.policy import Policy
from imagemill.verify.run import Means, verify
from imagemill.web import Web

pytestmark = pytest.mark.engine

KINDS = ("slsaprovenance1", "spdxjson", "cyclonedx", statement.CONFORMANCE)
UNLOGGED = {"cosign2": "--insecure-ignore-tlog=true", "cosign3": "--private-infrastructure=true"}
NOW = datetime(2026, 11, 21, tzinfo=UTC)
Cosign = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def registry() -> Iterator[SmallRegistry]:
    with closing(SmallRegistry()) as found:
        yield found


@pytest.fixture
def cosign(judges: Path, tmp_path: Path) -> Cosign:
    """Runs one of the two, without any of the services on the internet."""
    environ = {**os.environ, "HOME": str(tmp_path), "COSIGN_PASSWORD": "password", "DOCKER_CONFIG": str(tmp_path)}

    def run(program: str, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        argv = [str(judges / program), *words]
        return subprocess.run(argv, env=env or environ, capture_output=True, text=True, check=False, timeout=60)

    return run


def verified(cosign: Cosign, program: str, made: Made, ref: str, env: dict[str, str] | None = None) -> dict[str, int]:
    """What a cosign says of an image: the exit code for its signature, and for each kind of attestation."""
    words = ["--key", str(made.key_file), UNLOGGED[program], ref]
    found = {"signature": cosign(program, "verify", *words, env=env).returncode}
    for kind in KINDS:
        found[kind] = cosign(program, "verify-attestation", "--type", kind, *words, env=env).returncode
    return found


@pytest.mark.parametrize(
    ("program", "forms"),
    [("cosign2", ["tags"]), ("cosign2", ["tags", "referrers"]), ("cosign3", ["tags", "referrers"]),
     ("cosign3", ["tags"]), ("cosign3", ["referrers"])],
    ids=lambda one: one if isinstance(one, str) else " and ".join(one),
)  # fmt: skip
def test_what_is_signed_here_is_good(
    program: str, forms: Sequence[Form], registry: SmallRegistry, cosign: Cosign, tmp_path: Path
) -> None:
    made = Made(registry, tmp_path / "made").pushed(TAG).signed(forms=forms)
    arm64 = f"{made.repository.name}@{made.images['linux/arm64'].digest}"
    for ref in (made.reference, arm64):
        assert verified(cosign, program, made, ref) == dict.fromkeys(("signature", *KINDS), 0)


ATTACKS = {
    "unsigned": (attacks.unsigned, "signature"),
    "foreign key": (attacks.foreign_key, "signature"),
    "signature of another digest": (attacks.of_another, "signature"),
    "tampered index": (attacks.tampered_index, "signature"),
    "stripped SBOM": (attacks.stripped(statement.SPDX), "spdxjson"),
    "changed report": (attacks.forged(statement.CONFORMANCE, b'"a.check"', b'"b.check"'), statement.CONFORMANCE),
    "changed provenance": (attacks.forged(statement.PROVENANCE, b"c0ffee", b"decade"), "slsaprovenance1"),
}


@pytest.mark.parametrize("program", UNLOGGED)
@pytest.mark.parametrize(("attack", "refused"), ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_refused(
    attack: Callable[[Made], None],
    refused: str,
    program: str,
    registry: SmallRegistry,
    cosign: Cosign,
    tmp_path: Path,
) -> None:
    made = Made(registry, tmp_path / "made").pushed(TAG).signed(forms=["tags"])
    if attack is attacks.foreign_key:
        attacks.unsigned(made)
        made.signed(OTHER, forms=["tags"])
    else:
        attack(made)
    if attack in (attacks.of_another, attacks.tampered_index):  # the tag is another image's now
        assert made.there.tags[TAG] != made.index.digest
    found = verified(cosign, program, made, made.reference)
    assert found[refused] != 0
    if refused != "signature":
        assert found["signature"] == 0, "nothing else was changed"


@pytest.mark.parametrize("program", UNLOGGED)
def test_cosign_signs_beside_it(program: str, registry: SmallRegistry, cosign: Cosign, tmp_path: Path) -> None:
    """Neither takes away what the other has written, and each reads the other's."""
    made = Made(registry, tmp_path / "made").pushed(TAG).signed()
    prefix = str(tmp_path / program)
    assert cosign(program, "generate-key-pair", "--output-key-prefix", prefix).returncode == 0
    quiet = ["--tlog-upload=false"]
    if program == "cosign3":
        assert cosign(program, "signing-config", "create", "--out", f"{prefix}.json").returncode == 0
        quiet = ["--signing-config", f"{prefix}.json"]
    for digest in made.digests:
        done = cosign(program, "sign", "-y", "--key", f"{prefix}.key", *quiet, f"{made.repository.name}@{digest}")
        assert done.returncode == 0, done.stderr
    assert made.attach(Sealer(KEY)) == 0, "what cosign wrote anew still has what was there"
    for key in (str(made.key_file), f"{prefix}.pub"):
        done = cosign(program, "verify", "--key", key, UNLOGGED[program], made.reference)
        assert done.returncode == 0, done.stderr
    theirs = Policy(keys=(Path(f"{prefix}.pub").read_text(),), platforms=tuple(made.platforms))
    (tmp_path / "work").mkdir()
    means = Means(made.repository, None, tmp_path / "work", None, NOW)
    rows = verify(TAG, theirs, means).rows
    assert {row.check for row in rows if row.status == "pass"} >= {"signature", "platforms", "bytes"}, rows
    named = {row.found for row in rows if row.check == "name"}
    cosign3 = {"its signature does not say for which repository it is"}  # what only cosign 3 leaves out, is refused
    assert named == ({f"signed for {made.repository.name}"} if program == "cosign2" else cosign3)


@pytest.mark.parametrize("program", UNLOGGED)
def test_a_registry_with_tokens_keeps_it_for_cosign(
    program: str, place: Place, cosign: Cosign, registry: SmallRegistry, tmp_path: Path
) -> None:
    """From end to end: pushed, signed, verified here and there, over TLS, as somebody who is logged in."""
    made = Made(registry, tmp_path / "made")
    web = Web(Mirrors(place.environ))
    repository = open_repository(f"{place.host}/cosign/{program}", web, place.environ)
    made.__dict__["repository"] = repository
    push(made.layout, made.layout.entries()[0], repository)
    made.signed()
    repository.push_manifest(TAG, made.index.media_type, made.layout.read_blob(made.index.digest))
    assert made.attach(Sealer(KEY)) == 0
    env = dict(place.environ)
    assert verified(cosign, program, made, made.reference, env) == dict.fromkeys(("signature", *KINDS), 0)
    (tmp_path / "work").mkdir()
    stranger = open_repository(repository.name, web, place.as_user("", tmp_path))
    means = Means(stranger, None, tmp_path / "work", tmp_path / "memory", NOW)
    verdict = verify(TAG, Policy(keys=(Sealer(KEY).key.pem,)), means)
    assert verdict.passed, verdict.failures


@pytest.mark.parametrize("program", UNLOGGED)
def test_what_workflows_tell_it_is_what_it_knows(program: str, cosign: Cosign, tmp_path: Path) -> None:
    """Signing as a workflow needs services on the internet; that its options are there does not."""
    for words in (keyless.sign("x"), keyless.attest("x", statement.SPDX, tmp_path)):
        known = cosign(program, words[0], "--help").stdout
        for option in (word for word in words if word.startswith("--")):
            assert f"{option}=" in known or f"{option} " in known, option
