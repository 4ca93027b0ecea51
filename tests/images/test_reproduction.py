"""Images built again elsewhere are the same to the bit, and hold nothing of the machine that built them.

The second build has a directory, umask, time zone, language and store of its own (imagemill.reproduce).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from imagemill.dist import Dist
from imagemill.filetree import Entry, Tree
from imagemill.oci import Layout
from imagemill.platforms import native
from imagemill.spool import spool
from imagemill.tarwalk import walk

ROOT = Path(__file__).parents[2]
TAG = "provided.al2023"
STAMPED = """    import time

    tree = {"etc/stamp": Entry("file", 0o644, mtime=OUR_EPOCH, content=str(time.time_ns()).encode())}
    return tree | {"""

pytestmark = pytest.mark.network  # where downloads are not in the cache yet


def mill(root: Path, *arguments: str | Path, state: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "imagemill", "--root", root, *arguments],
        env={**os.environ, "PYTHONPATH": str(root / "build"), "IMAGEMILL_STATE": str(state)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_builder_with_a_time_stamp_is_found_out_and_all_else_is_the_same(tmp_path: Path) -> None:
    """Both builds are whole and real; the one file that holds a time is the one difference."""
    root, dist = tmp_path / "checkout", tmp_path / "dist"
    for name in ("runtimes", "templates", "build"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    path = root / "build" / "imagemill" / "toolchain.py"
    text = path.read_text()
    assert text.count("    return {\n") == 1
    path.write_text(text.replace("    return {", STAMPED))
    state = tmp_path / "state"
    state.mkdir()
    cache = Path(os.environ.get("IMAGEMILL_STATE") or ROOT / ".imagemill").absolute() / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (state / "cache").symlink_to(cache)
    here = ("--platform", str(native()))
    built = mill(root, "build", TAG, "--no-load", "--dist", dist, *here, state=state)
    assert built.returncode == 0, built.stderr
    done = mill(root, "reproduce", TAG, "--dist", dist, state=state)
    assert done.returncode == 1, done.stdout + done.stderr
    first, line = done.stdout.splitlines()
    assert " differs from sha256:" in first
    told = re.compile(r"  linux/\w+: layer 2 \(ADD init-\$\{TARGETARCH\}\.tar /\): /etc/stamp: content at byte \d+: .*")
    assert told.fullmatch(line), line


LEFTOVERS = re.compile(
    r"(var/cache|var/log|tmp|var/tmp|run|root/\.cache|var/lib/apt/lists)/.+|"
    r"etc/(machine-id|hostname|mtab|adjtime)|var/lib/(dbus/machine-id|systemd/random-seed)|.*/\.wh\..*|etc/ssh/.*_key"
)


def leftovers(tree: Tree, host: str = "") -> list[str]:
    """Paths that tell of a machine or of a run: caches, logs and identities that hold anything, the host's name."""
    name = re.compile(rb"\b" + re.escape(host.encode()) + rb"\b")
    found = []
    for path, entry in sorted(tree.items()):
        if entry.kind != "file" or not entry.size:
            continue
        if LEFTOVERS.fullmatch(path) or (len(host) > 4 and path.startswith("etc/") and name.search(entry.read())):
            found.append(path)
    return found


def test_no_layer_holds_caches_logs_or_identities(tmp_path: Path) -> None:
    dist = Dist(ROOT / "dist")
    seen: set[str] = set()
    for artifact in dist.read().values():
        for platform, built in artifact.platforms.items():
            layout = Layout(dist.layout(artifact.name, platform.partition("/")[2]))
            for layer in layout.read_json(built.digest)["layers"]:
                if layer["digest"] in seen:
                    continue
                seen.add(layer["digest"])
                plain = spool(layout.blob_path(layer["digest"]), layer["digest"], tmp_path)
                assert leftovers(dict(walk(plain.read_bytes(), plain)), socket.gethostname()) == [], (
                    artifact.name,
                    platform,
                )
                plain.unlink()
    assert seen, "build the images first"


@pytest.mark.parametrize(
    "path", ["var/log/dpkg.log", "etc/machine-id", "var/cache/apt/pkgcache.bin", "root/.cache/pip/x", "tmp/x"]
)
def test_leftovers_are_seen(path: str) -> None:
    assert leftovers({path: Entry("file", content=b"x"), "etc/ok": Entry("file", content=b"x")}) == [path]
    assert leftovers({path: Entry("file")}) == []
    assert leftovers({"etc/x": Entry("file", content=b"made at builder7\n")}, "builder7") == ["etc/x"]
