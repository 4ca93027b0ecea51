"""Programs of others that judge what is signed and published here, and servers that it is published to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from debian_programs import Wanted, install

STABLE = Wanted(
    "trixie",
    {
        "cosign": {"usr/bin/cosign": "cosign2"},
        "docker-registry": {"usr/bin/docker-registry": "docker-registry"},
        "notary": {
            "usr/bin/notary": "notary",
            "usr/bin/notary-server": "notary-server",
            "usr/bin/notary-signer": "notary-signer",
        },
    },
)
NEWER = Wanted(
    "forky",
    {
        "cosign": {"usr/bin/cosign": "cosign3"},
        "crane": {"usr/bin/crane": "crane"},
        "notation": {"usr/bin/notation": "notation"},
        "oras": {"usr/bin/oras": "oras"},
    },
)


def all_of(state: Path, environ: Mapping[str, str]) -> Path:
    """A folder with all of them. Those of a suite that is no release yet change with it."""
    stable, newer = install(STABLE, "judges", state, environ), install(NEWER, "judges", state, environ)
    folder = state / "tests" / f"{stable.name}-{newer.name}"
    folder.mkdir(exist_ok=True)
    for source in (stable, newer):
        for program in source.iterdir():
            link = folder / program.name
            if not link.exists():
                link.symlink_to(program)
    return folder
