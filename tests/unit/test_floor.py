"""What fails stops only what needs it, and is told: at the end, in a log an image, and by the exit code."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import tiny_factory
from tiny_factory import IMAGES, LOCK, ROOT, Tiny

from imagemill.dist import Dist
from imagemill.errors import AssembleError, SpaceError
from imagemill.factory import BuildFailed, Paths
from imagemill.fetch import Gone
from imagemill.layers import LayerStore, Order, grown
from imagemill.limits import MOST, Limits
from imagemill.lock import Item, Lock
from imagemill.oci import sha256
from imagemill.plan import select
from imagemill.progress import Plain, Silent
from imagemill.room import room

Fault = Callable[[Order], None]


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Fault]]:
    """What is put into the list is called before each layer is made."""
    faults: list[Fault] = []

    def do(self: object, job: Order) -> object:
        for each in faults:
            each(job)
        return tiny_factory.work(job)

    monkeypatch.setattr(Tiny, "here", True)
    monkeypatch.setattr(tiny_factory.Here, "do", do)
    monkeypatch.setattr(LayerStore, "_assemble", LayerStore._assemble)
    yield faults


def breaks(recipe: str, arch: str = "amd64", error: Exception | None = None) -> Fault:
    def fail(order: Order) -> None:
        if (order.job.recipe.set, order.job.platform.arch) == (recipe, arch):
            raise error or AssembleError("two packages disagree", "lock it anew")

    return fail


def make(
    tmp_path: Path, *words: str, fail_fast: bool = False, fetch: Callable[[Lock, Sequence[Item]], None] | None = None
) -> Dist:
    dist = Dist(tmp_path / "dist")
    factory = Tiny(Paths(ROOT, tmp_path / "state"), dist, Silent())
    stale, _ = factory.pending(select(IMAGES, words), LOCK)
    factory.make(stale, LOCK, limits=Limits(1, MOST), fail_fast=fail_fast, fetch=fetch)
    return dist


def test_what_does_not_depend_on_a_failure_is_finished(fault: list[Fault], tmp_path: Path) -> None:
    fault.append(breaks("python3.13"))
    with pytest.raises(BuildFailed) as caught:
        make(tmp_path, "nodejs24.x", "provided.al2023", "python3.13", "serve-python3.13")
    failed = caught.value
    assert {failure.image for failure in failed.failures} == {"python3.13-debian", "serve-python3.13-debian"}
    made = {"nodejs24.x-debian", "provided.al2023-debian"}
    assert {result.artifact.name for result in failed.results} == set(Dist(tmp_path / "dist").read()) == made
    assert failed.exit_code == AssembleError.exit_code
    assert str(failed).startswith("2 images could not be made:\n  python3.13-debian (layer python3.13 for amd64 (")
    log = tmp_path / "dist" / "logs" / "python3.13-debian.log"
    assert f"two packages disagree\n      lock it anew\n    log: {log}" in str(failed)


def test_a_later_run_makes_what_failed(fault: list[Fault], tmp_path: Path) -> None:
    fault.append(breaks("python3.13"))
    with pytest.raises(BuildFailed):
        make(tmp_path, "python3.13", "nodejs24.x")
    fault.clear()
    assert set(make(tmp_path, "python3.13", "nodejs24.x").read()) == {"python3.13-debian", "nodejs24.x-debian"}


def test_failures_of_several_kinds_have_an_exit_code_of_their_own(fault: list[Fault], tmp_path: Path) -> None:
    fault += [breaks("python3.13"), breaks("nodejs24.x", error=SpaceError("full"))]
    with pytest.raises(BuildFailed) as caught:
        make(tmp_path, "python3.13", "nodejs24.x")
    assert caught.value.exit_code == 40


def test_fail_fast_says_what_was_not_tried(fault: list[Fault], tmp_path: Path) -> None:
    fault.append(breaks("debian-trixie"))
    fault.append(breaks("debian-trixie", "arm64"))
    fault.append(breaks("python3.13"))
    with pytest.raises(BuildFailed) as caught:
        make(tmp_path, "python3.13", "nodejs24.x", fail_fast=True)
    failed = caught.value
    named = {failure.image for failure in failed.failures}
    assert 1 <= len(named) <= 2
    assert failed.results == ()
    if len(named) == 1:
        assert "not tried, because of --fail-fast: nodejs24.x-debian" in str(failed)


def test_a_log_has_each_step_with_its_time(fault: list[Fault], tmp_path: Path) -> None:
    dist = make(tmp_path, "python3.13", "serve-python3.13")
    artifact = dist.read()["python3.13-debian"]
    text = (dist.logs / "python3.13-debian.log").read_text()
    first, facts, *steps = text.splitlines()
    assert re.fullmatch(r"imagemill [\d.]+, python3.13-debian, [\dT:+-]+, process \d+", first)
    assert facts == f"engine embedded, lock exact, input hash {artifact.input_hash}"
    assert all(re.match(r"\d\d:\d\d:\d\d ", step) for step in steps)
    assert len([step for step in steps if " layer " in step]) == 8
    assert artifact.digest in steps[-1]
    assert "layer python3.13 for arm64" in (dist.logs / "serve-python3.13-debian.log").read_text()


def test_a_log_has_the_traceback_of_a_failure(fault: list[Fault], tmp_path: Path) -> None:
    fault.append(breaks("python3.13"))
    with pytest.raises(BuildFailed):
        make(tmp_path, "python3.13", "nodejs24.x")
    text = (tmp_path / "dist" / "logs" / "python3.13-debian.log").read_text()
    assert "FAILED after" in text and "in fail\n" in text and "not made: python3.13-debian" in text
    assert "FAILED" not in (tmp_path / "dist" / "logs" / "nodejs24.x-debian.log").read_text()


def test_a_log_has_what_was_fetched(fault: list[Fault], tmp_path: Path) -> None:
    fetched: list[str] = []
    dist = make(tmp_path, "python3.13", fetch=lambda _, items: fetched.extend(item.name for item in items))
    text = (dist.logs / "python3.13-debian.log").read_text()
    assert "bash" in fetched and "inputs of debian-trixie for amd64" in text
    assert re.search(r"fetched: .*\bbash 5\.", text)


def test_what_is_gone_from_mirrors_is_known_with_its_images(fault: list[Fault], tmp_path: Path) -> None:
    def fetch(lock: Lock, items: Sequence[Item]) -> None:
        gone = [item for item in items if item.name == "bash"]
        if gone:
            raise Gone(gone)

    with pytest.raises(BuildFailed) as caught:
        make(tmp_path, "python3.13", fetch=fetch)
    assert {(image, type(error)) for image, error in caught.value.causes} == {("python3.13-debian", Gone)}
    assert caught.value.exit_code == Gone.exit_code


# --- a full disk ------------------------------------------------------------------------------------------


def test_a_full_disk_is_said_with_its_place_and_what_is_needed(tmp_path: Path) -> None:
    words = r"x/y: No space left.*: about 7 MB are needed, \d+ MB are free\n  make room"
    with pytest.raises(SpaceError, match=words), room(tmp_path / "x" / "y", 7_000_000):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_other_errors_are_left_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), room(tmp_path):
        raise PermissionError(errno.EACCES, "no")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("cannot mount a small file system here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_breaks_nothing(fault: list[Fault], small: Path) -> None:
    big = small / "something big"

    def fill(order: Order) -> None:
        if order.job.recipe.set == "python3.13":
            try:
                with big.open("wb") as file:
                    for _ in range(1024):
                        file.write(b"x" * 1024)
                        file.flush()
            except OSError as error:
                assert error.errno == errno.ENOSPC
            order = Order(order.job, order.store, order.root, order.cache, order.scratch)
            with room(order.scratch, order.job.size):
                (order.scratch / "layer").write_bytes(b"x" * 100_000)

    def build() -> None:
        with room(small / "dist"):
            make(small, "python3.13")

    fault.append(fill)
    with pytest.raises((BuildFailed, SpaceError), match="No space left on device") as caught:
        build()
    assert getattr(caught.value, "exit_code", 0) == SpaceError.exit_code
    fault.clear()
    big.unlink()
    build()
    dist = Dist(small / "dist")
    assert dist.holds(dist.read()["python3.13-debian"], verify=True)


# --- what is there is looked at before it is used ------------------------------------------------------------


def damage(path: Path, *, longer: bool) -> None:
    """Another file in its place, of the same size or not."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data + b"x" if longer else bytes([data[0] ^ 1]) + data[1:])


@pytest.mark.parametrize("longer", [True, False], ids=["another size", "another byte"])
def test_damage_is_found_and_made_good(longer: bool, fault: list[Fault], tmp_path: Path) -> None:
    dist = make(tmp_path, "python3.13")
    before = dist.read()["python3.13-debian"]
    store = next((tmp_path / "state" / "layers").glob("*.tar.gz"))
    name = sha256(store.read_bytes()).partition(":")[2]
    layout = next(path for path in dist.path.glob(f"python3.13-debian-*/blobs/sha256/{name}"))
    damage(layout, longer=longer)
    damage(store, longer=longer)
    factory = Tiny(Paths(ROOT, tmp_path / "state"), dist, Silent(), verify=not longer)
    if not longer:
        quick = Tiny(Paths(ROOT, tmp_path / "state"), dist, Silent())
        assert quick.pending(select(IMAGES, ["python3.13"]), LOCK)[0] == [], "a look at sizes does not see it"
    stale, _ = factory.pending(select(IMAGES, ["python3.13"]), LOCK)
    assert len(stale) == 1
    [result] = factory.make(stale, LOCK)
    assert result.artifact == before
    assert dist.holds(before, verify=True)


@pytest.mark.parametrize(("pages", "expected"), [(10_000, False), (100_000, True)])
def test_a_process_that_kept_much_memory_is_done(pages: int, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "statm").write_text(f"200000 {pages} 4000 1 0 50000 0\n")
    assert grown(tmp_path / "statm") is expected
    assert not grown(tmp_path / "none")


# --- progress ------------------------------------------------------------------------------------------------


def test_plain_progress_has_a_line_for_each_job_that_ended(fault: list[Fault], tmp_path: Path) -> None:
    with (tmp_path / "said").open("w") as stream:
        factory = Tiny(Paths(ROOT, tmp_path / "state"), Dist(tmp_path / "dist"), Plain(stream))
        stale, _ = factory.pending(select(IMAGES, ["provided.al2023"]), LOCK)
        factory.make(stale, LOCK)
    lines = (tmp_path / "said").read_text().splitlines()
    count = len(lines)
    assert [line.partition("] ")[2].partition(" ")[0] for line in lines] == [
        f"{n}/{count}" for n in range(1, count + 1)
    ]
    assert "image provided.al2023-debian: sha256:" in lines[-1]


def test_live_progress_has_a_line_for_each_job_that_runs() -> None:
    from rich.console import Console

    from imagemill.progress import Live

    live = Live(Console(file=None, quiet=True))
    live.begin("a", "layer [x] for amd64")
    live.begin("b", "image y")
    live.total(1, 3)
    assert re.fullmatch(
        r" +0\.\ds  layer \[x\] for amd64\n +0\.\ds  image y\n\[ +0\.\ds\] 1 of 3 done", str(live.__rich__())
    )
    live.end("a", "done")
    live.step("fetching")
    assert re.fullmatch(r" +0\.\ds  image y\n\[ +0\.\ds\] 1 of 3 done, fetching", str(live.__rich__()))
