"""What nothing needs goes, what is needed stays, and the figures are true."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_factory
from click.testing import CliRunner
from test_killed import EFFECTS, in_child
from tiny_factory import ROOT

from imagemill import prune as pruning
from imagemill.cli import main
from imagemill.cli.shared import catalog_of, workshop_of
from imagemill.dist import Dist
from imagemill.errors import BusyError
from imagemill.fetch import Cache
from imagemill.layers import LayerStore
from imagemill.lock import path_of, read
from imagemill.occupancy import occupied

OLD = time.time() - 30 * 86400
BASH = next(
    package for package in read(path_of(ROOT, "debian-trixie")).inputs("debian-trixie", "amd64").debian
    if package.name == "bash"
)  # fmt: skip


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dist and a state with one image in them."""
    monkeypatch.setattr(LayerStore, "_assemble", tiny_factory.tiny)
    monkeypatch.setenv("IMAGEMILL_STATE", str(tmp_path / "state"))
    tiny_factory.build(tmp_path, "python3.13")
    return tmp_path


def prune(house: Path, *options: str) -> tuple[list[str], str]:
    """What it lists, and what it says at the end."""
    done = CliRunner().invoke(main, ["--root", str(ROOT), "prune", "--dist", str(house / "dist"), *options])
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines(), done.stderr.strip()


def files(house: Path) -> set[Path]:
    """All but what commands keep of the manifests that they have read."""
    return {path for path in house.rglob("*") if path.is_file() and path.parent != house / "state" / "parsed"}


def aged(path: Path, data: bytes = b"x" * 1_000_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (OLD, OLD))
    return path


def test_what_is_needed_stays(house: Path) -> None:
    for path in files(house):
        os.utime(path, (OLD, OLD))
    aged(Cache(house / "state" / "cache").item(BASH))
    for layer in (house / "dist" / "python3.13-debian-amd64" / "blobs" / "sha256").iterdir():
        aged(facts(house, layer.name))
    before = files(house)
    assert prune(house, "--keep-days", "0") == ([], "freed 0.00 GB: 0 things")
    assert files(house) - {house / "state" / ".lock"} == before


def stale_layer(house: Path) -> set[Path]:
    return {aged(house / "state" / "layers" / f"{'0' * 64}.{kind}") for kind in ("tar.gz", "json", "records.json")}


def stale_form(house: Path) -> set[Path]:
    return {aged(house / "state" / "recompressed" / f"{'0' * 64}.zstd-19.{kind}") for kind in ("tar", "json")}


def stale_download(house: Path) -> set[Path]:
    return {aged(house / "state" / "cache" / "00" / ("0" * 64))}


def facts(house: Path, digest: str) -> Path:
    return house / "state" / "cache" / "layer-facts" / f"sha256-{digest}.0123"


def stale_facts(house: Path) -> set[Path]:
    return {aged(facts(house, "0" * 64))}


def dead_run(house: Path) -> set[Path]:
    return {aged(house / "state" / "scratch" / "run-x" / "half")}


def dead_layer(house: Path) -> set[Path]:
    return {aged(house / "state" / "layers" / ".scratch-x" / "layer"), aged(house / "state" / "python" / "tmpx" / "x")}


def dead_image(house: Path) -> set[Path]:
    return {aged(house / "dist" / ".python3.13-debian.1" / "oci-layout")}


def unplanned_image(house: Path) -> set[Path]:
    dist = Dist(house / "dist")
    record = dist.read()
    dist.write(record | {"perl5-debian": replace(record["python3.13-debian"], name="perl5-debian")})
    places = (dist.index("perl5-debian"), dist.layout("perl5-debian", "amd64"))
    parts = ("oci-layout", "blobs/sha256/0123", "index.json")
    return {*(aged(place / part) for place in places for part in parts), aged(dist.logs / "perl5-debian.log")}


USELESS: dict[str, tuple[Callable[[Path], set[Path]], str]] = {
    "a layer": (stale_layer, "a layer that no lock and no manifest names"),
    "its other forms": (stale_form, "another compression of a layer"),
    "a download": (stale_download, "a download that no lock names"),
    "what is known of a layer": (stale_facts, "what was found in a layer that is no more"),
    "scratch of a dead run": (dead_run, "left by a run that is no more"),
    "what a dead run unpacked": (dead_layer, "left by a run that is no more"),
    "an image that a dead run wrote": (dead_image, "left by a run that is no more"),
    "an image that is not planned": (unplanned_image, "no manifest plans it"),
}


@pytest.mark.parametrize("name", USELESS)
def test_what_is_not_goes(name: str, house: Path) -> None:
    leave, why = USELESS[name]
    kept = files(house)
    useless = leave(house)
    lines, said = prune(house, "--dry-run")
    assert useless <= files(house), "a dry run removes nothing"
    assert any(why in line for line in lines)
    assert said.startswith(f"would free {len(useless) / 1e3:.2f} GB: {len(lines)} thing")
    assert prune(house) == (lines, said.replace("would free", "freed"))
    assert not useless & files(house)
    assert kept <= files(house)
    assert set(Dist(house / "dist").read()) == {"python3.13-debian"}
    assert prune(house)[0] == []


@pytest.mark.parametrize("name", ["a layer", "a download", "its other forms", "what is known of a layer"])
def test_what_is_young_stays(name: str, house: Path) -> None:
    useless = USELESS[name][0](house)
    assert prune(house, "--keep-days", "31")[0] == []
    assert useless <= files(house)


def test_what_has_another_name_elsewhere_frees_nothing(house: Path) -> None:
    for path in stale_layer(house):
        os.link(path, house / f"other {path.name}")
    lines, said = prune(house)
    assert len(lines) == 1 and said == "freed 0.00 GB: 1 thing"


POINTS = 10


def test_a_run_killed_anywhere_is_finished_by_the_next(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, catalog, total = {path.relative_to(house) for path in files(house)}, catalog_of(ROOT), 0
    for leave, _ in USELESS.values():
        leave(house)
    for point in range(POINTS + 1):
        copy = house.with_name(f"{house.name}-{point}")
        shutil.copytree(house, copy)
        monkeypatch.setenv("IMAGEMILL_STATE", str(copy / "state"))
        workshop = workshop_of(ROOT, copy / "dist")
        found = pruning.useless(workshop, catalog, time.time())
        stop = 1 + (point - 1) * total // POINTS if point else -1

        def act(stop: int = stop, found: list[pruning.Useless] = found, copy: Path = copy) -> None:
            count = 0

            def see(event: str, _: object) -> None:
                nonlocal count
                count += event in EFFECTS
                if count == stop:
                    os._exit(9)

            workshop = workshop_of(ROOT, copy / "dist")
            workshop.dist.read()  # imports what it needs
            sys.addaudithook(see)
            pruning.remove(workshop, found)
            (copy.parent / "count").write_text(str(count))
            os._exit(0)

        assert in_child(act) == (9 if point else 0)
        total = total or int((copy.parent / "count").read_text())
        assert total > 20
        record = workshop.dist.read()
        assert workshop.dist.holds(record["python3.13-debian"], verify=True)
        pruning.remove(workshop, pruning.useless(workshop, catalog, time.time()))
        assert {path.relative_to(copy) for path in files(copy)} == kept, f"killed before effect {stop} of {total}"


def test_it_makes_room_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = tmp_path / "small"
    small.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", small], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        monkeypatch.setattr(LayerStore, "_assemble", tiny_factory.tiny)
        monkeypatch.setenv("IMAGEMILL_STATE", str(small / "state"))
        tiny_factory.build(small, "python3.13")
        useless = {aged(small / "state" / "layers" / f"{'0' * 64}.tar.gz", b"x" * 100_000)}
        record = Dist(small / "dist").read()
        Dist(small / "dist").write(record | {"perl5-debian": replace(record["python3.13-debian"], name="perl5-debian")})
        useless |= {aged(small / "dist" / "perl5-debian" / "oci-layout", b"x")}
        with pytest.raises(OSError, match="No space left"), (small / "full").open("wb", 0) as file:
            while True:
                file.write(b"x" * 4096)
        assert len(prune(small)[0]) == 2
        assert not any(path.exists() for path in useless)
        assert set(Dist(small / "dist").read()) == {"python3.13-debian"}
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize(("place", "shared"), [("state", True), ("dist", False)])
def test_it_waits_for_a_build_and_a_build_for_it(place: str, shared: bool, house: Path) -> None:
    useless, waits = stale_layer(house), threading.Event()
    workshop = workshop_of(ROOT, house / "dist")
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        waits.set()

    def run() -> None:
        with pruning.alone(workshop, say):
            with pytest.raises(BusyError), occupied(house / place, say, wait=False, shared=shared):
                pass
            pruning.remove(workshop, pruning.useless(workshop, catalog_of(ROOT), time.time()))

    thread = threading.Thread(target=run)
    with occupied(house / place, say, shared=shared):
        thread.start()
        assert waits.wait(20)
        assert useless <= files(house)
    thread.join(60)
    assert len(said) == 1 and str(house / place) in said[0]
    assert not useless & files(house)


def test_nothing_is_built_anew_after_it(house: Path) -> None:
    stale_layer(house)
    prune(house, "--keep-days", "0")
    assert [result.reused for result in tiny_factory.build(house, "python3.13")] == [True]
