"""A whole release on one machine, as the workflows make it; `make release-rehearsal` is this test."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pytest
from places import ROOT, Place
from rehearsal import FIRST, SECOND, Rehearsal, rehearse

from notary_server import Notary

pytestmark = pytest.mark.engine


def test_two_releases_are_made_and_what_must_not_be_is_refused(
    place: Place, trust_server: Notary, tmp_path: Path
) -> None:
    state = Path(os.environ.get("IMAGEMILL_STATE") or ROOT / ".imagemill").absolute()
    runtime = os.environ.get("IMAGEMILL_REHEARSE", "provided.al2023")
    one = Rehearsal(tmp_path, place, trust_server.address, runtime)
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    rehearse(one, state)
    assert [path.name for path in sorted((tmp_path / "releases").glob("*.json"))] == [f"{FIRST}.json", f"{SECOND}.json"]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    print(f"{time.monotonic() - started:6.1f} s  in all, {processor:.0f} s of processors")
