"""Signing without a key of one's own, as a workflow: cosign gets a certificate for the workflow's identity.

What it takes for that, identity tokens and public logs, cosign does best itself; here is only what it is told. It works
where the environment has a workflow's identity, as in GitHub Actions with `id-token: write`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagemill.attest.statement import Statement
from imagemill.errors import TrustError

_SECONDS = 300


@dataclass(frozen=True)
class Cosign:
    """The cosign that is on the PATH of `environ`, which has the workflow's identity too."""

    program: str
    environ: Mapping[str, str]

    @staticmethod
    def find(environ: Mapping[str, str]) -> Cosign:
        """It, or TrustError where it is not installed."""
        program = shutil.which("cosign", path=environ.get("PATH", ""))
        if program is None:
            raise TrustError("cosign is not installed", "install it, version 2 or later; or sign with --key")
        return Cosign(program, environ)

    def run(self, words: Sequence[str]) -> None:
        """Run it. TrustError with its own last words where it fails."""
        try:
            done = subprocess.run(
                [self.program, *words],
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TrustError(f"cosign {words[0]} took more than {_SECONDS} seconds", "run it again") from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-3:]
            raise TrustError(
                f"cosign {words[0]} failed: {' '.join(said)}", "see whether the job may ask for an identity token"
            )


def sign(ref: str) -> list[str]:
    """What cosign is told to sign `REPOSITORY@sha256:…`, and nothing below it."""
    return ["sign", "--yes", ref]


def attest(ref: str, kind: str, predicate: Path) -> list[str]:
    """What cosign is told to attest a predicate, which is in a file."""
    return ["attest", "--yes", "--type", kind, "--predicate", str(predicate), ref]


def attach_all(
    repository: str, digests: Iterable[str], statements: Sequence[Statement], cosign: Cosign, folder: Path
) -> int:
    """Have cosign sign these manifests of a repository, and attest to each what is said of it. How many it made.

    Predicates are written below `folder`. Raises TrustError.
    """
    count = 0
    for digest in digests:
        ref = f"{repository}@{digest}"
        cosign.run(sign(ref))
        count += 1
        for number, one in enumerate(one for one in statements if digest in one.subjects):
            file = folder / f"{digest.replace(':', '-')}-{number}.json"
            file.write_text(json.dumps(one.predicate, sort_keys=True), encoding="utf-8")
            cosign.run(attest(ref, one.kind, file))
            count += 1
    return count
