"""Checkouts in which a runtime that is compiled from upstream's source is to be had, from a tarball that is at hand.

The manifest is the committed one of python3.12, ruby3.4 …: only what it is compiled from is another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from copies import copied

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Proof:
    """A runtime that is compiled from the tarball in Debian's pool, by the manifest of another version of it."""

    runtime: str
    like: str
    version: str
    tarball: str
    sha256: str
    base: str = "debian-trixie"

    @property
    def manifest(self) -> str:
        """The manifest of `like`, of this version."""
        old, new = (re.sub(r"^[a-z]+", "", name) for name in (self.like, self.runtime))
        text = (ROOT / "runtimes" / f"{self.like}.yaml").read_text(encoding="utf-8").replace(old, new)
        return available(text, version=self.version, url=f'"debian:{self.tarball}"', sha256=self.sha256)


PROOFS = {
    "python3.13": Proof(
        "python3.13",
        "python3.12",
        "3.13.5",
        "pool/main/p/python3.13/python3.13_3.13.5.orig.tar.xz",
        "93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640",
    ),
    # the nearest to python3.8 and 3.10 that is to be had: setup.py configures its extensions, as theirs
    "python3.9": Proof(
        "python3.9",
        "python3.8",
        "3.9.2",
        "pool/main/p/python3.9/python3.9_3.9.2.orig.tar.xz",
        "3c2034c54f811448f516668dce09d24008a0716c3a794dd8639b5388cbde247d",
        "debian-bullseye",
    ),
    "ruby3.3": Proof(
        "ruby3.3",
        "ruby3.4",
        "3.3.8",
        "pool/main/r/ruby3.3/ruby3.3_3.3.8.orig.tar.xz",
        "e2e1233ad275b7623a05edf23a01192626d1da454bdfe353a28a87acd8ef015c",
    ),
}


def available(manifest: str, **download: str) -> str:
    """The manifest without its reason not to be had, and with another version, url or sha256 of its download."""
    text, count = re.subn(r"(?m)^ *(# where upstream|unavailable:).*\n", "", manifest)
    assert count == 2, manifest
    for key, value in download.items():
        text, count = re.subn(rf"(?m)^(          {key}: ).*$", rf"\g<1>{value}", text)
        assert count == 1, (key, manifest)
    return text


def make(top: Path, runtime: str, manifest: str, base: str = "debian-trixie") -> Path:
    """A checkout below `top` that has this one runtime on one base; not locked yet."""
    copied(top)
    for path in (*(top / "runtimes" / "bases").glob("*.yaml"), *(top / "runtimes" / "lock").glob("*.json")):
        if path.stem != base:
            path.unlink()
    (top / "runtimes" / f"{runtime}.yaml").write_text(manifest, encoding="utf-8")
    return top
