"""A whole release on one machine, as the workflows make it; `make release-rehearsal` is this test."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from pathlib import Path

import pytest
from places import ROOT, Place
from rehearsal import FIRST, SECOND, Rehearsal, rehearse

from notary_server import Notary

pytestmark = pytest.mark.engine


def test_two_releases_are_made_and_what_must_not_be_is_refused(place: Place, trust_server: Notary) -> None:
    state = Path(os.environ.get("IMAGEMILL_STATE") or ROOT / ".imagemill").absolute()
    runtime = os.environ.get("IMAGEMILL_REHEARSE", "provided.al2023")
    with tempfile.TemporaryDirectory(prefix="imagemill-rehearsal-") as folder:  # pytest would keep three of them
        one = Rehearsal(Path(folder), place, trust_server.address, runtime)
        started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        rehearse(one, state)
        records = [path.name for path in sorted(one.top.glob("releases/*.json"))]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    print(f"{time.monotonic() - started:6.1f} s  in all, {processor:.0f} s of processors")
    assert records == [f"{FIRST}.json", f"{SECOND}.json"]
