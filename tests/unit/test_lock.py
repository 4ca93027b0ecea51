"""Lock files: what is written is read back, a line an input, and what is no lock is an error."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from imagemill import lock as locks
from imagemill.errors import LockError
from imagemill.load import load
from imagemill.lock import BaseImage, DebianPackage, Download, Inputs, Lock, NpmPackage, Wheel
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


words = st.text("abcdefghijklmnopqrstuvwxyz0123456789+.-~:/@_é", min_size=1, max_size=8)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
packages = st.builds(
    DebianPackage, words, words, words, words, words, st.sampled_from(["debian", "debian-security"]), words,
    st.integers(0, 2**40), digests,
)  # fmt: skip
wheels = st.builds(Wheel, words, words, words, digests)
tarballs = st.builds(NpmPackage, words, words, words, words)
files = st.lists(st.builds(Download, words, words, words, st.integers(0, 2**40), digests), max_size=2, unique=True)
images = st.none() | st.builds(BaseImage, words, words, words, words)


def groups(one: st.SearchStrategy[locks.Item]) -> st.SearchStrategy[tuple[tuple[locks.Item, ...], ...]]:
    """Sorted groups, as they are read back."""
    return st.lists(st.lists(one, max_size=3, unique=True).map(sorted).map(tuple), max_size=2).map(tuple)


@st.composite
def whole(draw: st.DrawFn) -> Lock:
    """A lock whose sets agree on versions, as resolved ones do."""
    pool = {
        arch: draw(st.lists(packages, max_size=4, unique_by=lambda package: package.name))
        for arch in ("amd64", "arm64")
    }

    def inputs(arch: str) -> Inputs:
        chosen = draw(st.lists(st.sampled_from(pool[arch]), unique=True)) if pool[arch] else []
        by_name = tuple(sorted(chosen, key=lambda package: package.name))
        return Inputs(by_name, draw(groups(wheels)), draw(groups(tarballs)),  # type: ignore[arg-type]
                      tuple(sorted(draw(files))), draw(images))  # fmt: skip

    names = draw(st.lists(words, min_size=1, max_size=3, unique=True))
    sets = {name: {arch: inputs(arch) for arch in pool} for name in names}
    return Lock(draw(words), draw(st.integers(0, 2**33)), draw(st.dictionaries(words, st.integers(0, 2**33))), sets)


@settings(deadline=None, max_examples=40)  # each writes two files
@given(whole())
def test_any_lock_is_read_back_as_it_was_written(lock: Lock) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = locks.path_of(Path(folder), "base")
        locks.write(lock, path)
        assert locks.read(path) == lock
        text = path.read_bytes()
        locks.write(locks.read(path), path)
        assert path.read_bytes() == text


def test_writing_what_was_read_changes_nothing(tmp_path: Path) -> None:
    for path in (ROOT / "runtimes" / "lock").glob("*.json"):
        locks.write(locks.read(path), tmp_path / path.name)
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_a_write_that_fails_leaves_the_lock_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locks.write(LOCK, tmp_path / "x.json")
    before = (tmp_path / "x.json").read_bytes()

    def full(self: Path, *_: object, **__: object) -> None:
        with self.open("wb") as file:
            file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        locks.write(replace(LOCK, date=1), tmp_path / "x.json")
    assert (tmp_path / "x.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_each_input_has_a_line(tmp_path: Path) -> None:
    locks.write(LOCK, tmp_path / "x.json")
    lines = (tmp_path / "x.json").read_text().splitlines()
    assert len([line for line in lines if '"bash": {' in line and '"sha256"' in line]) == 1


def test_inputs_that_are_not_locked_are_an_error() -> None:
    with pytest.raises(LockError, match=r"runtimes/lock/debian-trixie\.json has no set 'ruby3.3' for amd64"):
        LOCK.inputs("ruby3.3", "amd64")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "is missing"),
        ("{", "is not JSON"),
        ('{"format": 9}', "key 'format' is 9"),
        ('{"format": 1}', "is damaged"),
        ("[]", "is damaged"),
        ('{"format": 1, "debian": 3, "sets": {}}', "is damaged"),
    ],
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


def test_a_manifest_that_asks_for_more_is_seen(checkout: Path) -> None:
    path = checkout / "runtimes" / "provided.al2023.yaml"
    path.write_text(path.read_text().replace("packages: [golang-go]", "packages: [golang-go, rustc]"))
    assert uncovered(checkout, load(checkout)) == [
        "provided.al2023/build for amd64: rustc is not locked",
        "provided.al2023/build for arm64: rustc is not locked",
    ]


def test_a_base_that_cuts_more_is_seen(checkout: Path) -> None:
    """Build images bring back what run images cut, so that has to be locked too."""
    path = checkout / "runtimes" / "bases" / "debian-trixie.yaml"
    path.write_text(path.read_text().replace("without: [debconf,", "without: [emacs, debconf,"))
    assert uncovered(checkout, load(checkout)) == [
        "debian-trixie/toolchain for amd64: emacs is not locked",
        "debian-trixie/toolchain for arm64: emacs is not locked",
    ]


def test_locks_name_no_host() -> None:
    for path in (ROOT / "runtimes" / "lock").glob("*.json"):
        lines = path.read_text().splitlines()
        assert not [line for line in lines if "://" in line and '"url": ' not in line]  # upstreams have their own


def test_the_order_of_sets_and_packages_does_not_show(tmp_path: Path) -> None:
    zlib = replace(BASH, name="zlib", path="pool/z.deb")
    one = replace(LOCK, sets={**LOCK.sets, "debian-trixie": {"amd64": Inputs((BASH, zlib))}})
    other = replace(
        LOCK, sets={**dict(reversed(list(one.sets.items()))), "debian-trixie": {"amd64": Inputs((zlib, BASH))}}
    )
    for name, lock in (("one", one), ("other", other)):
        locks.write(lock, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_new_version_is_one_changed_line(tmp_path: Path) -> None:
    newer = replace(BASH, version="5-2")
    locks.write(LOCK, tmp_path / "one")
    locks.write(
        replace(LOCK, sets={**LOCK.sets, "debian-trixie": {"amd64": Inputs((newer,)), "arm64": Inputs()}}),
        tmp_path / "other",
    )
    before, after = ((tmp_path / name).read_text().splitlines() for name in ("one", "other"))
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert [(a.strip()[:25], b.strip()[:25]) for a, b in changed] == [
        ('"bash": {"version": "5-1"', '"bash": {"version": "5-2"')
    ]
