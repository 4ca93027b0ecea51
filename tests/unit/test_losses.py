"""A mirror that loses what the lock names, from the lock to the cache: each way of it, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from mirror import Server
from small import BASE, RUNTIME, Checkout

from imagemill import lock as locks
from imagemill.aging import Aging
from imagemill.errors import FetchError, IntegrityError
from imagemill.fetch import Cache, Fetcher, Gone
from imagemill.load import load
from imagemill.lock import DebianPackage, Inputs, Lock
from imagemill.progress import Silent
from imagemill.resolve import refresh

BASH = "/debian/pool/bash_1_amd64.deb"
ZLIB = "/debian-security/pool/zlib_1_amd64.deb"
SNAPSHOT = {"IMAGEMILL_DEBIAN_SNAPSHOT": "{url}/snapshot"}
LOCKED: list[bytes] = []
AT, SIX_HOURS_LATER = "20260102T030405Z", "20260102T090405Z"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagemill.web._pause", lambda _: 0)


@pytest.fixture
def house(mirror: Server, tmp_path: Path) -> Checkout:
    """A locked checkout: bash 1 from the suite, zlib 1 from its security pocket."""
    one = Checkout(tmp_path / "checkout", mirror)
    one.publish("trixie", "bash 1", "zlib 0")
    one.publish("trixie-updates")
    one.publish("trixie-security", "zlib 1")
    path = locks.path_of(one.root, BASE)
    if not LOCKED:  # it names no host, so it is the same one for all
        assert one.mill("lock", "--update").exit_code == 0
        LOCKED.append(path.read_bytes())
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(LOCKED[0])
    return one


def fetched(house: Checkout, locked: bool, settings: dict[str, str]) -> str:
    """Fetch what the lock that holds names, as a build does. Returns what labels say of the lock."""
    mirrors = house.mirror.mirrors(**{key: value.format(url=house.mirror.url) for key, value in settings.items()})
    cache, catalog = Cache(house.root / "cache"), load(house.root)

    def again(lock: Lock, gone: Sequence[DebianPackage]) -> tuple[Lock, list[str]]:
        runtimes = list(catalog.runtimes.values())
        step = Silent().step
        return refresh(lock, gone, catalog.bases[BASE], runtimes, mirrors=mirrors, cache=cache, progress=step)

    aging = Aging(house.root, house.root / "state", locked=locked)
    fetcher = Fetcher(cache, mirrors, Silent().step)
    effective, changed = aging.effective(BASE), True
    while changed:
        items = [item for name in (BASE, RUNTIME) for item in effective.lock.inputs(name, "amd64").items]
        effective, changed = aging.fetch(fetcher, items, effective, again)
    assert all(fetcher.path(item).is_file() for item in items)
    return effective.state


@dataclass(frozen=True)
class Loss:
    """What happens to a mirror, and what comes of it: a state of the lock, or an error, without and with --locked."""

    happens: Callable[[Checkout], object]
    open: str | type[FetchError]
    locked: str | type[FetchError]
    settings: tuple[tuple[str, str], ...] = ()


def gone(house: Checkout) -> bytes:
    """The suite has bash 2 now, and the pool has bash 1 no longer."""
    house.publish("trixie", "bash 2", "zlib 0")
    return house.mirror.files.pop(BASH)


def replaced(house: Checkout) -> None:
    house.publish("trixie-security", "zlib 1.1")
    del house.mirror.files[ZLIB]


def both(house: Checkout) -> None:
    gone(house)
    replaced(house)


def kept(instant: str, spoil: bytes = b"") -> Callable[[Checkout], None]:
    """bash 1 is gone, but a snapshot mirror has it from this instant on."""

    def happens(house: Checkout) -> None:
        house.mirror.files[f"/snapshot/archive/debian/{instant}/pool/bash_1_amd64.deb"] = spoil or gone(house)
        if spoil:
            gone(house)

    return happens


def replaced_but_kept(house: Checkout) -> None:
    content = house.mirror.files[ZLIB]
    replaced(house)
    house.mirror.files[f"/snapshot/archive/debian-security/{AT}/pool/zlib_1_amd64.deb"] = content


REFRESHED = "refreshed: bash 1 → 2 (amd64)"
SNAPSHOTS = tuple(SNAPSHOT.items())
DEAD = (("IMAGEMILL_DEBIAN_SNAPSHOT", "http://127.0.0.1:9/snapshot"),)
LOSSES = {
    "nothing happens": Loss(lambda house: None, "exact", "exact"),
    "the pool dropped it": Loss(gone, REFRESHED, Gone),
    "a security build replaced it": Loss(replaced, "refreshed: zlib 1 → 1.1 (amd64)", Gone),
    "both": Loss(
        both, "refreshed: bash 1 → 2 (amd64); zlib 1 → 1.1 (amd64)", Gone
    ),
    "other bytes of the same length": Loss(
        lambda house: house.mirror.files.update({BASH: b"x" * len(house.mirror.files[BASH])}),
        IntegrityError, IntegrityError,
    ),
    "a truncated file": Loss(
        lambda house: house.mirror.files.update({BASH: house.mirror.files[BASH][:-1]}), IntegrityError, IntegrityError
    ),
    "an error that passes": Loss(lambda house: house.mirror.faults.update({BASH: [500]}), "exact", "exact"),
    "a connection that breaks": Loss(lambda house: house.mirror.cuts.update({BASH: [5]}), "exact", "exact"),
    "a slow mirror": Loss(lambda house: house.mirror.pauses.update({BASH: 0.2}), "exact", "exact"),
    "a snapshot has it": Loss(kept(AT), "exact", "exact", SNAPSHOTS),
    "a snapshot has it in its next state": Loss(kept(SIX_HOURS_LATER), "exact", "exact", SNAPSHOTS),
    "a snapshot has the security build": Loss(replaced_but_kept, "exact", "exact", SNAPSHOTS),
    "a snapshot has it not": Loss(gone, REFRESHED, Gone, SNAPSHOTS),
    "a snapshot has other bytes": Loss(kept(AT, b"x" * 12), IntegrityError, IntegrityError, SNAPSHOTS),
    "a snapshot does not answer": Loss(gone, REFRESHED, Gone, DEAD),
}  # fmt: skip


@pytest.mark.parametrize("locked", [False, True], ids=["", "locked"])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss(name: str, locked: bool, house: Checkout) -> None:
    loss = LOSSES[name]
    committed = locks.path_of(house.root, BASE).read_bytes()
    loss.happens(house)
    expected = loss.locked if locked else loss.open
    if isinstance(expected, str):
        assert fetched(house, locked, dict(loss.settings)) == expected
    else:
        with pytest.raises(expected, match=r"bash 1|zlib 1"):
            fetched(house, locked, dict(loss.settings))
        assert not list((house.root / "state").rglob("refreshed/*"))
    assert locks.path_of(house.root, BASE).read_bytes() == committed
    assert not list((house.root / "cache").rglob(".*"))  # nothing half-written


def test_a_snapshot_that_does_not_answer_is_asked_for_one_package_only(house: Checkout) -> None:
    house.mirror.files.clear()
    lock = locks.read(locks.path_of(house.root, BASE))
    said: list[str] = []
    settings = {"IMAGEMILL_DEBIAN_SNAPSHOT": "http://127.0.0.1:9/snapshot"}
    fetcher = Fetcher(Cache(house.root / "cache"), house.mirror.mirrors(**settings), said.append)
    with pytest.raises(Gone):
        fetcher.fetch(lock.inputs(BASE, "amd64").items, lock.date)
    assert len([line for line in said if "the snapshot mirror is left out" in line]) <= 2  # two packages at once


@pytest.mark.parametrize("locked", [False, True], ids=["", "locked"])
@pytest.mark.parametrize("kind", ["wheel", "npm"])
def test_what_a_registry_dropped_has_no_successor_of_its_own(kind: str, locked: bool, house: Checkout) -> None:
    wheel, tarball = house.mirror.wheel("boto3"), house.mirror.npm("left-pad")
    inputs = Inputs(pypi=((wheel,),)) if kind == "wheel" else Inputs(npm=((tarball,),))
    lock = locks.read(locks.path_of(house.root, BASE))
    locks.write(Lock(BASE, lock.date, lock.releases, {**lock.sets, RUNTIME: {"amd64": inputs}}),
                locks.path_of(house.root, BASE))  # fmt: skip
    for path in [path for path in house.mirror.files if path.endswith((".whl", ".tgz"))]:
        del house.mirror.files[path]
    with pytest.raises(Gone, match="boto3 1" if kind == "wheel" else "left-pad 1.0.0") as caught:
        fetched(house, locked, {})
    assert caught.value.remedy == "run `imagemill lock --update`"


CODES = {"the pool dropped it": (15, "no longer have: bash 1"), "a truncated file": (16, "bash 1 (bash_1_amd64.deb)")}


@pytest.mark.parametrize("name", CODES)
def test_the_command_line_ends_with_the_code_of_the_loss(name: str, house: Checkout) -> None:
    code, message = CODES[name]
    LOSSES[name].happens(house)
    args = ("--locked", "--no-load", "--dist", str(house.root / "dist"))
    result = house.mill("build", "provided.al2023", *args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr and "Traceback" not in result.stderr
    assert not (house.root / "dist" / "digests.json").exists()
