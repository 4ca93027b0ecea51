"""A fetch that is interrupted: it ends at once, and what is in the cache is whole."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mirror import Server
from msgspec.structs import asdict

from imagemill.cache import Cache

SCRIPT = """
import json, sys
from pathlib import Path
from imagemill.fetch import Cache, Fetcher
from imagemill.lock import DebianPackage
from imagemill.mirrors import Mirrors
root, environ, rows = json.loads(sys.argv[1])
items = [DebianPackage(**row) for row in rows]
Fetcher(Cache(Path(root)), Mirrors(environ), print).fetch(items)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_an_interrupted_fetch_leaves_only_whole_files(number: signal.Signals, mirror: Server, tmp_path: Path) -> None:
    packages = [mirror.package(name) for name in ("quick", "slow", "slower")]
    for package in packages[1:]:
        mirror.pauses["/debian/" + package.path] = 0.5  # in the middle, after the first half
    cache = Cache(tmp_path / "cache")
    argument = json.dumps([str(cache.root), dict(mirror.mirrors().environ), [asdict(p) for p in packages]])
    command = [sys.executable, "-c", SCRIPT, argument]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 20
        while not (cache.item(packages[0]).is_file() and len(mirror.requests) == 3) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
        process.send_signal(number)
        process.communicate(timeout=20)
    there = [path for path in cache.root.rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert there == [cache.item(packages[0])]
    if number == signal.SIGINT:
        assert not list(cache.root.rglob(".*"))
    mirror.pauses.clear()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "fetching 2 inputs" in again.stdout
    assert all(cache.item(package).is_file() for package in packages)
