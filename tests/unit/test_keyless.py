"""Signing as a workflow: what cosign is told, and what becomes of what it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from imagemill.attest import keyless, statement
from imagemill.attest.keyless import Cosign
from imagemill.attest.statement import Statement
from imagemill.errors import TrustError

INDEX, AMD64 = "sha256:" + "a" * 64, "sha256:" + "b" * 64
SAID = [
    Statement({INDEX: "x", AMD64: "x"}, statement.PROVENANCE, {"made": 1}),
    Statement({AMD64: "x"}, statement.SPDX, {"listed": 2}),
]
FAKE = """import json, os, sys
words = sys.argv[1:]
if os.environ.get("FAIL") == words[0]:
    sys.exit("no identity token")
said = json.load(open(words[words.index("--predicate") + 1])) if "--predicate" in words else None
with open(os.environ["LOG"], "a") as log:
    log.write(json.dumps([words, said, sorted(os.environ)]) + "\\n")
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """One that has a cosign which writes down what it is told."""
    program = tmp_path / "bin" / "cosign"
    program.parent.mkdir()
    (tmp_path / "fake.py").write_text(FAKE)
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{tmp_path}/fake.py' \"$@\"\n")  # paths may have spaces
    program.chmod(0o755)
    return {"PATH": str(program.parent), "LOG": str(tmp_path / "log"), "ACTIONS_ID_TOKEN_REQUEST_URL": "https://id"}


def test_each_manifest_is_signed_and_has_what_is_said_of_it(environ: dict[str, str], tmp_path: Path) -> None:
    assert keyless.attach_all("example.org/x", [INDEX, AMD64], SAID, Cosign.find(environ), tmp_path) == 5
    rows = [json.loads(line) for line in Path(environ["LOG"]).read_text().splitlines()]
    told = [([word for word in words if not word.endswith(".json")], said) for words, said, _ in rows]
    assert told == [
        (["sign", "--yes", f"example.org/x@{INDEX}"], None),
        (_attest(statement.PROVENANCE, INDEX), {"made": 1}),
        (["sign", "--yes", f"example.org/x@{AMD64}"], None),
        (_attest(statement.PROVENANCE, AMD64), {"made": 1}),
        (_attest(statement.SPDX, AMD64), {"listed": 2}),
    ]
    assert all("ACTIONS_ID_TOKEN_REQUEST_URL" in names for _, _, names in rows)
    assert "key" not in " ".join(word for words, _, _ in rows for word in words if word.startswith("-"))


def _attest(kind: str, digest: str) -> list[str]:
    return ["attest", "--yes", "--type", kind, "--predicate", f"example.org/x@{digest}"]


@pytest.mark.parametrize("step", ["sign", "attest"])
def test_what_cosign_says_is_said(step: str, environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(TrustError, match=f"cosign {step} failed: no identity token"):
        keyless.attach_all("example.org/x", [INDEX], SAID, Cosign.find({**environ, "FAIL": step}), tmp_path)


def test_without_cosign_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="not installed"):
        Cosign.find({"PATH": str(tmp_path)})
