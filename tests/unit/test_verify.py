"""Verifying images as a stranger: what is good passes, and every attack is refused for its own reason."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import attacks
import jsonschema
import pytest
import yaml
from attacks import AMD64, ARM64
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registry_images import Make
from signed_images import CREATED, KEY, ORIGIN, OTHER, TAG, Made

from imagemill.attest import statement, tagged
from imagemill.attest.attach import Sealer
from imagemill.cli import main
from imagemill.errors import VerifyError
from imagemill.oci import INDEX, MANIFEST, canonical
from imagemill.verify.policy import SCHEMA, Policy, load
from imagemill.verify.run import Means, verify
from imagemill.verify.verdict import Verdict

KEYS = ("manifests", "config", "layers", "digest", "size", "platform", "os", "architecture", "annotations")
ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 21, tzinfo=UTC)
POLICY = Policy(keys=(Sealer(KEY).key.pem,))


def verified(made: Made, policy: Policy = POLICY, reference: str = TAG, now: datetime = NOW) -> Verdict:
    folder = made.folder / f"work{len(list(made.folder.glob('work*')))}"
    folder.mkdir()
    return verify(reference, policy, Means(made.repository, None, folder, made.folder.parent / "memory", now))


def failures(verdict: Verdict) -> dict[str, str]:
    """Check and thing -> why it failed."""
    return {f"{row.check} {row.about}".strip(): row.found for row in verdict.failures}


@pytest.fixture
def made(make: Make, tmp_path: Path) -> Made:
    return Made(make(), tmp_path / "made").pushed(TAG, f"20261101-{TAG}").signed()


@pytest.mark.parametrize(
    ("policy", "reference"),
    [
        (POLICY, TAG),
        (POLICY, f"20261101-{TAG}"),
        (Policy(keys=(Sealer(OTHER).key.pem, *POLICY.keys)), TAG),
        (Policy(keys=POLICY.keys, platforms=(AMD64, ARM64), days=30, lock="cd" * 32), TAG),
        (Policy(keys=POLICY.keys, builders=(ORIGIN.builder,), source=ORIGIN.repository, revision=ORIGIN.revision), TAG),
    ],
    ids=["key alone", "tag of a day", "one of two keys", "platforms, age, lock", "builder, source, revision"],
)
def test_what_is_good_passes(policy: Policy, reference: str, made: Made) -> None:
    verdict = verified(made, policy, reference)
    assert failures(verdict) == {}
    assert verdict.passed and verdict.digest == made.index.digest
    passed = {row.check for row in verdict.rows if row.status == "pass"}
    assert passed >= {"signature", "name", "tag", "platforms", "provenance", "report", "bytes", "sbom", "rollback"}


@pytest.mark.parametrize("form", ["tags", "referrers"])
@pytest.mark.parametrize("listing", [True, False], ids=["referrers are listed", "referrers are not"])
def test_one_form_of_signatures_is_enough(form: str, listing: bool, make: Make, tmp_path: Path) -> None:
    made = Made(make(referrers=listing), tmp_path / "made").pushed(TAG).signed(forms=[form])  # type: ignore[list-item]
    assert failures(verified(made)) == {}


def test_a_digest_and_one_platform_pass(made: Made) -> None:
    made.there.tags[f"{TAG}-amd64"] = made.images[AMD64].digest
    for reference in (made.index.digest, made.images[ARM64].digest, f"{TAG}-amd64"):
        assert failures(verified(made, reference=reference)) == {}


def test_a_platform_has_its_own_tag_whatever_an_index_must_have(made: Made) -> None:
    made.there.tags[f"{TAG}-amd64"] = made.images[AMD64].digest
    policy = Policy(keys=POLICY.keys, platforms=(AMD64, ARM64))
    assert failures(verified(made, policy, f"{TAG}-amd64")) == {}
    made.there.tags[TAG] = made.images[AMD64].digest
    assert list(failures(verified(made, policy))) == ["platforms"]


# --- attacks ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attack:
    """What is done to a good image in its registry, and which checks refuse it with which words."""

    do: Callable[[Made], None]
    refused: Mapping[str, str]
    policy: Policy = POLICY
    reference: str = TAG
    now: datetime = field(default=NOW)


NOT_SIGNED = {"signature index": "nothing is signed", f"signature {AMD64}": "", f"signature {ARM64}": ""}
ATTACKS = {
    "tampered index": Attack(
        attacks.tampered_index, {"signature index": "nothing is signed", "provenance index": "no prov"}
    ),
    "tampered manifest": Attack(attacks.other_bytes, {"image": "has other bytes"}),
    "tampered config": Attack(
        attacks.tampered("config"), {f"bytes {AMD64}": "is not what is there", "sbom": "not looked at"}
    ),
    "tampered layer": Attack(
        attacks.tampered("layer"), {f"bytes {AMD64}": "is not what is there", "sbom": "not looked at"}
    ),
    "missing layer": Attack(attacks.missing_layer, {f"bytes {ARM64}": "404", "sbom": "not looked at"}),
    "longer layer": Attack(attacks.longer_layer, {f"bytes {ARM64}": "is not what is there", "sbom": "not looked at"}),
    "unsigned": Attack(attacks.unsigned, NOT_SIGNED),
    "unsigned platform": Attack(attacks.unsigned_platform, {f"signature {ARM64}": "nothing is signed"}),
    "foreign key": Attack(
        attacks.foreign_key, {"signature index": "by another key", "provenance index": "by another key"}
    ),
    "swapped signature": Attack(attacks.swapped_signature, {f"signature {ARM64}": "a signature is of sha256"}),
    "claimed signature": Attack(attacks.claimed_signature, {f"signature {ARM64}": "by another key, or of other bytes"}),
    "signature of another digest": Attack(attacks.of_another, {"signature index": "a signature is of sha256"}),
    "tag of another image": Attack(attacks.moved_tag, {f"tag {TAG}": "was published as nodejs24.x"}),
    "one platform for all": Attack(attacks.one_platform, {"platforms": "linux/arm64 missing"}),
    "missing platform": Attack(attacks.missing_platform, {"platforms": "linux/arm64 missing"}),
    "platform that the policy asks for": Attack(
        attacks.missing_platform,
        {"platforms": "linux/arm64 missing"},
        Policy(keys=POLICY.keys, platforms=(AMD64, ARM64)),
    ),
    "stripped SBOM": Attack(
        attacks.stripped(statement.SPDX, statement.CYCLONEDX),
        {f"sbom {AMD64} SPDX": "it has none", f"sbom {AMD64} CycloneDX": "it has none"},
    ),
    "stripped SPDX": Attack(attacks.stripped(statement.SPDX), {f"sbom {ARM64} SPDX": "it has none"}),
    "stripped provenance": Attack(
        attacks.stripped(statement.PROVENANCE), {"provenance index": "no provenance", "platforms": "nothing says which"}
    ),
    "stripped report": Attack(attacks.stripped(statement.CONFORMANCE), {f"report {AMD64}": "no conformance report"}),
    "changed report": Attack(
        attacks.forged(statement.CONFORMANCE, b'"a.check"', b'"b.check"'), {f"report {AMD64}": "of other bytes"}
    ),
    "changed provenance": Attack(
        attacks.forged(statement.PROVENANCE, b"c0ffee", b"decade"), {"provenance index": "of other bytes"}
    ),
    "failing report": Attack(
        attacks.failing_report, {f"report {AMD64}": "1 failures", f"report {ARM64}": "1 failures"}
    ),
    "report that claims to pass": Attack(attacks.claims_to_pass, {f"report {AMD64}": "1 failures in 1 checks"}),
    "report of another digest": Attack(attacks.report_of_another, {f"report {AMD64}": "its report is of sha256:0000"}),
    "report without findings": Attack(attacks.empty_report, {f"report {AMD64}": "0 failures in 0 checks"}),
    "package hidden": Attack(attacks.package_hidden, {f"sbom {AMD64} SPDX": "does not have pkg:deb/debian/dash@0.5"}),
    "package invented": Attack(
        attacks.package_invented, {f"sbom {ARM64} CycloneDX": "has pkg:deb/debian/x@1, which is not"}
    ),
    "file changed": Attack(attacks.file_changed, {f"sbom {AMD64} SPDX": "other files: /"}),
    "input not locked": Attack(
        attacks.unlocked, {f"sbom {AMD64} SPDX": "the provenance does not have pkg:deb/debian/dash"}
    ),
    "another kind of build": Attack(attacks.other_type, {"provenance index": "https://example.org/other"}),
    "typo-squatted repository": Attack(
        attacks.typo, {"name index": "not for 127.0.0.1", f"name {AMD64}": "team/lambda"}
    ),
    "no manifest": Attack(attacks.no_index, {"image": "not JSON"}),
    "index in itself": Attack(attacks.endless_index, {"image": "no image for a platform"}),
    "damaged signatures": Attack(attacks.damaged_attestations, {"signature index": "is damaged"}),
    "no such tag": Attack(attacks.no_tag, {"image": "404"}),
    "other builder": Attack(
        lambda _: None, {"provenance index": "built by https://ci"}, Policy(keys=POLICY.keys, builders=("https://me",))
    ),
    "other source": Attack(
        lambda _: None, {"provenance index": "from https://git"}, Policy(keys=POLICY.keys, source="https://me")
    ),
    "other revision": Attack(
        lambda _: None, {"provenance index": "commit c0ffee"}, Policy(keys=POLICY.keys, revision="0" * 40)
    ),
    "other lock": Attack(lambda _: None, {"provenance index": "lock cdcd"}, Policy(keys=POLICY.keys, lock="0" * 64)),
    "too old": Attack(lambda _: None, {f"age {AMD64}": "20 days ago"}, Policy(keys=POLICY.keys, days=19)),
    "of the future": Attack(lambda _: None, {f"age {AMD64}": "future"}, now=datetime(2026, 1, 1, tzinfo=UTC)),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_refused_for_its_reason(attack: Attack, made: Made) -> None:
    attack.do(made)
    made.__dict__.pop("repository", None)  # its name may be another now
    verdict = verified(made, attack.policy, attack.reference, attack.now)
    found = failures(verdict)
    assert not verdict.passed
    for check, words in attack.refused.items():
        assert words in found.get(check, "nothing"), found
    assert "cannot be read" not in str(found), "somebody looked at what he had not checked"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([INDEX, MANIFEST]),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(sorted(KEYS)) | st.text(max_size=3), one),
    max_leaves=12,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    data=st.fixed_dictionaries(
        {"mediaType": st.sampled_from([INDEX, MANIFEST]) | JSON}, optional=dict.fromkeys(KEYS, JSON)
    )
)
@pytest.mark.parametrize("kind", ["", "sig", "att"])
def test_whatever_is_served_is_refused_in_words(kind: Literal["", "sig", "att"], data: object, made: Made) -> None:
    """What no registry should say, in place of the image and of what is signed of it."""
    digest = made.index.digest
    made.there.tags.pop(digest.replace(":", "-"), None)
    attacks.put(made, tagged.tag(digest, kind) if kind else TAG, json.dumps(data).encode(), MANIFEST)
    assert not verified(made).passed


def test_every_byte_counts(make: Make, tmp_path: Path) -> None:
    """Whatever is changed or taken away, of the image or of what is signed, is missed."""
    made = Made(make(), tmp_path / "made").pushed(TAG).signed(forms=["tags"])
    assert verified(made).passed
    manifests = {digest: json.loads(data) for digest, (_, data) in made.there.manifests.items()}
    signed = {made.there.tags[tag] for tag in made.there.tags if tag.startswith("sha256-")}
    unread = {manifests[digest]["config"]["digest"] for digest in signed}  # of what is no image: nobody needs it
    unread |= manifests.keys()  # of which the registry has blobs, too
    assert len(made.there.blobs.keys() - unread) == 4 + 3 + 7, "configurations and layers, signatures, statements"
    for digest, data in list(made.there.blobs.items()):
        if digest not in unread:
            made.there.blobs[digest] = data[:-1] + bytes([data[-1] ^ 1])
            assert not verified(made).passed, digest
            del made.there.blobs[digest]
            assert not verified(made).passed, digest
            made.there.blobs[digest] = data
    for digest, (media_type, data) in list(made.there.manifests.items()):
        del made.there.manifests[digest]
        assert not verified(made).passed, digest
        made.there.manifests[digest] = media_type, data
    assert verified(made).passed


# --- what was there before --------------------------------------------------------------------------------


@pytest.mark.parametrize("created", [CREATED, "2026-10-01T00:00:00Z"], ids=["of the same day", "older"])
def test_a_replayed_old_tag_is_refused(created: str, made: Made) -> None:
    old = Made(made.registry, made.folder.parent / "old", created=created, text="old").pushed().signed()
    if created == CREATED:
        made.there.tags[TAG] = old.index.digest
        assert verified(old).passed
        made.there.tags[TAG] = made.index.digest
    assert verified(made).passed
    made.there.tags[TAG] = old.index.digest
    assert list(failures(verified(old))) == [f"rollback {TAG}"]
    made.there.tags[TAG] = made.index.digest
    assert verified(made).passed


def test_a_tag_of_a_day_never_moves(made: Made) -> None:
    tag = f"20261101-{TAG}"
    assert verified(made, reference=tag).passed
    newer = Made(made.registry, made.folder.parent / "new", created="2026-11-02T00:00:00Z", text="n").pushed(tag)
    newer.signed()
    assert "never moved" in failures(verified(newer, reference=tag))[f"rollback {tag}"]


def test_a_newer_one_is_taken_and_what_is_refused_is_not_remembered(made: Made) -> None:
    assert verified(made).passed
    newer = Made(made.registry, made.folder.parent / "new", created="2026-11-20T00:00:00Z", text="n").pushed(TAG)
    newer.signed(OTHER)
    assert not verified(newer).passed
    made.there.tags[TAG] = made.index.digest
    assert verified(made).passed
    made.there.tags[TAG] = newer.index.digest
    newer.signed()
    assert verified(newer).passed


def test_a_damaged_memory_is_no_excuse(made: Made) -> None:
    assert verified(made).passed
    [path] = (made.folder.parent / "memory" / "verified").iterdir()
    path.write_text("{}")
    assert list(failures(verified(made))) == ["rollback"]


def test_without_a_key_nothing_is_verified(made: Made) -> None:
    with pytest.raises(VerifyError, match="no key"):
        verified(made, Policy())


# --- the commands -----------------------------------------------------------------------------------------


def run(made: Made, *words: str) -> tuple[int, str, str]:
    env = {"IMAGEMILL_STATE": str(made.folder.parent / "state"), "HOME": str(made.folder), "DOCKER_CONFIG": ""}
    done = CliRunner().invoke(main, [*words, "--key", str(made.key_file)], env=env)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_the_command_says_what_it_checked(made: Made) -> None:
    code, out, err = run(made, "verify", made.reference)
    assert (code, err) == (0, ""), err
    assert out.splitlines()[0] == f"{made.reference} {made.index.digest}"
    code, out, _ = run(made, "verify", made.reference, "--format", "json")
    [row] = json.loads(out)
    assert code == 0 and row["passed"] and row["digest"] == made.index.digest
    code, out, _ = run(made, "verify", made.reference, "--format", "table")
    assert code == 0 and "rollback" in out


def test_the_command_refuses_with_its_exit_code(made: Made) -> None:
    attacks.one_platform(made)
    code, out, err = run(made, "verify", made.reference)
    assert code == 53 and "FAIL  platforms: linux/arm64 missing" in out
    assert "is not verified: platforms: linux/arm64 missing" in err
    assert run(made, "verify", "python3.13")[0] == 53  # neither a registry nor a tag is named


def test_what_a_registry_says_does_nothing_to_a_terminal(made: Made) -> None:
    digest = made.images[AMD64].digest
    row = {"mediaType": MANIFEST, "digest": digest, "size": 1}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
    index["manifests"] = [{**row, "platform": {"os": "linux", "architecture": "\x1b[2J\x1b]0;owned\x07"}}]
    attacks.put(made, TAG, canonical(index), INDEX)
    for form in ("plain", "table"):
        code, out, err = run(made, "verify", made.reference, "--format", form)
        assert code == 53 and "\x1b" not in out + err and "\x07" not in out + err


def test_the_command_imports_no_more_than_it_needs(made: Made) -> None:
    script = "import sys\nfrom imagemill.cli import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    words = ["verify", made.reference, "--key", str(made.key_file), "--format", "json"]
    environ = {**os.environ, "IMAGEMILL_STATE": str(made.folder / "state"), "HOME": str(made.folder)}
    done = subprocess.run(
        [sys.executable, "-c", script, *words], env=environ, capture_output=True, text=True, check=True
    )
    assert set(done.stderr.split()) & {"docker", "jinja2", "packaging", "requests", "rich", "yaml"} == set()


def test_a_bundle_verifies_without_a_registry(made: Made) -> None:
    out = made.folder / "image.bundle"
    assert run(made, "bundle", made.reference, "--out", str(out))[:2] == (0, f"{out}\n")
    first = out.read_bytes()
    assert run(made, "bundle", made.reference, "--out", str(out))[0] == 0
    assert out.read_bytes() == first, "the same image gives the same bytes"
    made.registry.close()
    code, said, err = run(made, "verify", made.reference, "--offline", str(out))
    assert code == 0, said + err
    assert run(made, "verify", made.reference.replace("lambda", "lamda"), "--offline", str(out))[0] == 53
    assert run(made, "verify", f"{made.reference}-amd64", "--offline", str(out))[0] == 53
    made.registry.close = lambda: None  # type: ignore[method-assign]


def test_what_is_not_good_gets_no_bundle(made: Made) -> None:
    attacks.unsigned(made)
    out = made.folder / "image.bundle"
    code, said, err = run(made, "bundle", made.reference, "--out", str(out))
    assert (code, said) == (53, "") and "nothing is signed" in err and not out.exists()


def test_a_bundle_that_cannot_be_written_is_said(made: Made) -> None:
    code, said, err = run(made, "bundle", made.reference, "--out", str(made.folder / "none" / "image.bundle"))
    assert (code, said) == (53, "") and "No such file or directory" in err


def test_where_nothing_can_be_written_nothing_passes(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, *words: object, **more: object) -> None:
        raise OSError(28, "No space left on device", "/tmp/x")

    monkeypatch.setattr("imagemill.verify.content.Layers", full)
    assert failures(verified(made)) == {"sbom": "/tmp/x: No space left on device"}
    monkeypatch.undo()
    monkeypatch.setattr("imagemill.verify.rollback.replace_file", full)
    assert failures(verified(made)) == {"rollback": "/tmp/x: No space left on device"}


def test_a_truncated_bundle_is_refused(made: Made) -> None:
    out = made.folder / "image.bundle"
    assert run(made, "bundle", made.reference, "--out", str(out))[0] == 0
    whole = out.read_bytes()
    end = len(whole.rstrip(b"\0"))
    for size in [*range(0, end, end // 37), end, end + 512]:
        out.write_bytes(whole[:size])
        code, said, err = run(made, "verify", made.reference, "--offline", str(out))
        assert code == 53, f"{size}: {said}"
        assert "Traceback" not in err


def test_a_changed_bundle_is_refused(made: Made) -> None:
    out = made.folder / "image.bundle"
    assert run(made, "bundle", made.reference, "--out", str(out))[0] == 0
    whole = out.read_bytes()
    with tarfile.open(out) as tar:
        rows = [(row.name, row.offset_data, row.size) for row in tar if row.name.startswith("blobs/")]
    for name, place, size in rows:
        spoiled = bytearray(whole)
        spoiled[place + size // 2] ^= 1
        out.write_bytes(spoiled)
        code, said, err = run(made, "verify", made.reference, "--offline", str(out))
        assert code == 53, f"{name}: {said} {err}"


def test_a_bundle_with_what_no_bundle_has_is_refused(made: Made) -> None:
    out = made.folder / "image.bundle"
    assert run(made, "bundle", made.reference, "--out", str(out))[0] == 0
    with tarfile.open(out, "a") as tar:
        row = tarfile.TarInfo("../../etc/passwd")
        tar.addfile(row)
    code, _, err = run(made, "verify", made.reference, "--offline", str(out))
    assert code == 53 and "which no bundle has" in err


POLICIES = {
    "keys: [k.pub]\ndayz: 3\n": "key 'dayz' is unknown; did you mean 'days'?",
    "keys: [k.pub]\ndays: 0\n": "at `$.days`",
    "keys: [none.pub]\n": "there is no public key",
    "platforms: [linux/vax]\n": "unknown architecture 'linux/vax'",
    "trust: {server: 'ftp://x', roots: []}\n": "trust.server",
    "without: [signature]\n": "without",
    "[]": "holds no keys",
}


@pytest.mark.parametrize(("text", "words"), POLICIES.items(), ids=list(POLICIES.values()))
def test_a_policy_with_a_mistake_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(text)
    (tmp_path / "k.pub").write_text(POLICY.keys[0])
    done = CliRunner().invoke(main, ["verify", "example.org/x:1", "--policy", str(tmp_path / "policy.yaml")])
    assert done.exit_code == 53 and words in done.stderr, done.stderr


def test_the_documented_policy_is_one_with_every_key(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "provenance.md").read_text()
    [block] = re.findall(r"```yaml\n(keys:.*?)```", text, re.DOTALL)
    (tmp_path / "policy.yaml").write_text(block)
    (tmp_path / "imagemill.pub").write_text(POLICY.keys[0])
    found = load(tmp_path / "policy.yaml")
    assert found.keys == POLICY.keys
    assert set(yaml.safe_load(block)) == set(Policy.__struct_fields__)
    jsonschema.validate(yaml.safe_load(block), json.loads((ROOT / SCHEMA).read_text()))


def test_a_policy_is_read_with_its_keys(made: Made) -> None:
    made.key_file.rename(made.folder / "k.pub")
    (made.folder / "policy.yaml").write_text(f"keys: [k.pub]\nbuilders: [{ORIGIN.builder}]\nwithout: [report]\n")
    env = {"IMAGEMILL_STATE": str(made.folder / "state"), "HOME": str(made.folder)}
    words = ["verify", made.reference, "--policy", str(made.folder / "policy.yaml")]
    done = CliRunner().invoke(main, words, env=env)
    assert done.exit_code == 0 and "report: the policy does without" in done.stdout, done.output
