"""Lock files: what is written is read back, a line an input, and what is no lock is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagemill import lock as locks
from imagemill.errors import LockError
from imagemill.load import load
from imagemill.lock import DebianPackage, Inputs, Lock, NpmPackage, Wheel
from imagemill.plan import plan
from imagemill.relock import uncovered
from imagemill.render import Renderer

ROOT = Path(__file__).parents[2]

BASH = DebianPackage("bash", "5-1", "amd64", "bash", "5-1", "debian", "pool/b.deb", 3, "ab" * 32)
LOCK = Lock(
    "debian-trixie",
    1767323045,
    {"trixie": 1767323045},
    {
        "debian-trixie": {"amd64": Inputs(debian=(BASH,)), "arm64": Inputs()},
        "python3.13": {
            "amd64": Inputs(
                pypi=((Wheel("boto3", "1", "boto3-1-py3-none-any.whl", "cd" * 32),), ()),
                npm=((NpmPackage("node_modules/@a/b", "@a/b", "1.0.0", "sha512-AAAA"),),),
            )
        },
    },
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    locks.write(LOCK, tmp_path / "x.json")
    assert locks.read(tmp_path / "x.json") == LOCK


def test_writing_what_was_read_changes_nothing(tmp_path: Path) -> None:
    for path in (ROOT / "runtimes" / "lock").glob("*.json"):
        locks.write(locks.read(path), tmp_path / path.name)
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_each_input_has_a_line(tmp_path: Path) -> None:
    locks.write(LOCK, tmp_path / "x.json")
    lines = (tmp_path / "x.json").read_text().splitlines()
    assert len([line for line in lines if '"bash": {' in line and '"sha256"' in line]) == 1


def test_inputs_that_are_not_locked_are_an_error() -> None:
    with pytest.raises(LockError, match=r"runtimes/lock/debian-trixie\.json has no set 'ruby3.3' for amd64"):
        LOCK.inputs("ruby3.3", "amd64")


@pytest.mark.parametrize(
    ("text", "problem"), [(None, "is missing"), ("{", "is not JSON"), ('{"format": 9}', "key 'format' is 9")]
)
def test_what_is_no_lock_is_an_error(text: str | None, problem: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "x.json").write_text(text)
    with pytest.raises(LockError, match=problem):
        locks.read(tmp_path / "x.json")


def test_the_committed_lock_covers_every_manifest() -> None:
    catalog = load(ROOT)
    assert uncovered(ROOT, catalog) == []
    renderer = Renderer(ROOT)
    for image in plan(catalog):
        lock = locks.read(locks.path_of(ROOT, image.base.name))
        assert len(renderer.input_hash(renderer.render(image), lock)) == 64


def test_a_manifest_that_asks_for_more_is_seen(tmp_path: Path) -> None:
    import shutil

    for name in ("runtimes", "templates", "build"):
        shutil.copytree(ROOT / name, tmp_path / name)
    path = tmp_path / "runtimes" / "provided.al2023.yaml"
    path.write_text(path.read_text().replace("packages: [golang-go]", "packages: [golang-go, rustc]"))
    assert uncovered(tmp_path, load(tmp_path)) == [
        "provided.al2023/build for amd64: rustc is not locked",
        "provided.al2023/build for arm64: rustc is not locked",
    ]


def test_locks_name_no_host() -> None:
    for path in (ROOT / "runtimes" / "lock").glob("*.json"):
        assert "://" not in path.read_text()
