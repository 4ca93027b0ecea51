"""`imagemill reproduce`: the same, or which file of which layer differs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import tiny_layers
from click.testing import CliRunner

from imagemill import reproduce as again
from imagemill.aging import Effective
from imagemill.cli import main
from imagemill.dist import Dist
from imagemill.errors import SelectionError
from imagemill.factory import Factory, Paths
from imagemill.layers import LayerStore
from imagemill.load import load
from imagemill.lock import read
from imagemill.plan import plan, select
from imagemill.progress import Silent
from imagemill.reproduce import reproduce, surroundings

ROOT = Path(__file__).parents[2]
IMAGES = select(plan(load(ROOT)), ["python3.13"])


def build(place: Path, names: Sequence[str], engine: str, platforms: Sequence[str]) -> Dist:
    dist = Dist(place / "dist")
    factory = Factory(Paths(ROOT, place / "state"), dist, Silent(), engine=engine)
    lock_of = {"debian-trixie": Effective(read(ROOT / "runtimes/lock/debian-trixie.json"))}
    stale, _ = factory.pending(select(IMAGES, names), lock_of, platforms)
    factory.make(stale, lock_of, platforms=platforms)
    return dist


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dist:
    """python3.13, built from tiny layers."""
    tiny_layers.stand_in(monkeypatch)
    return build(tmp_path / "before", ["python3.13"], "embedded", ())


@pytest.fixture
def stamp(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have the builder put a time stamp into a file of the system layer from now on."""

    def spoil() -> None:
        honest, clock = LayerStore._assemble, itertools.count(1000)

        def assemble(self: LayerStore, job: object, *rest: object) -> object:
            made = honest(self, job, *rest)  # type: ignore[arg-type]
            if "debian-trixie" in job.words:  # type: ignore[attr-defined]
                made.tree["etc/stamp"] = made.tree["name"].__class__("file", content=b"made at %d" % next(clock))
            return made

        monkeypatch.setattr(LayerStore, "_assemble", assemble)

    return spoil


def test_what_is_the_same_is_reproduced(dist: Dist, tmp_path: Path) -> None:
    [outcome] = reproduce(IMAGES, dist, build, tmp_path / "again")
    assert outcome.same
    assert outcome.got == dist.read()["python3.13-debian"].digest


def test_a_time_stamp_is_found_in_its_file_and_layer(
    stamp: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_layers.stand_in(monkeypatch)
    stamp()
    before = build(tmp_path / "before", ["python3.13"], "embedded", ())
    [outcome] = reproduce(IMAGES, before, build, tmp_path / "again")
    assert not outcome.same
    assert outcome.same_inputs
    assert [str(one) for one in outcome.differences["linux/amd64"]] == [
        "layer 1 (ADD system-${TARGETARCH}.tar /): /etc/stamp: content at byte 11: b'0' → b'2'"
    ]
    assert sorted(outcome.differences) == ["linux/amd64", "linux/arm64"]


def test_a_published_digest(dist: Dist, tmp_path: Path) -> None:
    artifact = dist.read()["python3.13-debian"]
    nothing = Dist(tmp_path / "nothing")
    platform = artifact.platforms["linux/arm64"].digest
    for number, digest in enumerate((artifact.digest, platform)):
        [outcome] = reproduce(IMAGES, nothing, build, tmp_path / str(number), digest)
        assert (outcome.same, outcome.got) == (True, digest)
    [outcome] = reproduce(IMAGES, nothing, build, tmp_path / "other", "sha256:" + "0" * 64)
    assert (outcome.same, outcome.got, outcome.differences) == (False, artifact.digest, {})


def test_one_platform_is_compared_with_one(dist: Dist, tmp_path: Path) -> None:
    one = build(tmp_path / "one", ["python3.13"], "embedded", ("linux/arm64",))
    [outcome] = reproduce(IMAGES, one, build, tmp_path / "again")
    assert outcome.same


def test_nothing_to_compare_with(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match=r"python3\.13: not in"):
        reproduce(IMAGES, Dist(tmp_path), build, tmp_path / "again")


def test_nothing_around_is_as_it_was() -> None:
    environ = {"TZ": "UTC", "LANG": "C", "PATH": "/bin"}
    once = surroundings(environ)
    assert (once["PATH"], set(once) - set(environ)) == ("/bin", {"LC_ALL", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE"})
    for name in ("TZ", "LANG"):
        assert once[name] != environ[name]
        assert surroundings(once)[name] != once[name]


def test_exit_codes(dist: Dist, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(again, "elsewhere", lambda paths, environ: build)
    arguments = ["--root", str(ROOT), "reproduce", "python3.13", "--dist", str(dist.path)]
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.stdout.split()[-1]) == (0, "reproduced")
    done = CliRunner().invoke(main, [*arguments, "--digest", "sha256:" + "0" * 64])
    assert done.exit_code == 1
    assert "differs from sha256:0000" in done.stdout
    assert "cannot be compared" in done.stderr
    assert CliRunner().invoke(main, [*arguments, "nodejs24.x", "--digest", "sha256:0"]).exit_code == 2
