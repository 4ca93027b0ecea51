"""Packages from another suite than the base's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from mirror import Server
from msgspec import structs

from imagemill.cache import Cache
from imagemill.errors import FetchError, LockError
from imagemill.load import load
from imagemill.lock import Lock
from imagemill.manifest import Base, Layer, Suite
from imagemill.progress import Silent
from imagemill.resolve import resolve, suites

ROOT = Path(__file__).parents[2]
DATE = "Fri, 02 Jan 2026 00:00:00 UTC"
LATER = "Sat, 03 Jan 2026 00:00:00 UTC"


def locked(mirror: Server, tmp_path: Path, base: Base, *packages: str, allow_expired: bool = False) -> Lock:
    """A base of whose suites the second, sid, gives `packages`; the layer asks for jre."""
    layer = structs.replace(
        base.system, packages=("jre",), suites={"sid": Suite(packages, allow_expired=allow_expired)}, without=()
    )
    cache = Cache(tmp_path / "cache")
    return resolve(
        structs.replace(base, system=layer), [], mirrors=mirror.mirrors(), cache=cache, progress=Silent().step
    )


@pytest.fixture
def base() -> Base:
    one = load(ROOT).bases["debian-trixie"]
    return structs.replace(one, pockets=(), platforms=("linux/amd64",), system=Layer(), toolchain=Layer())


@pytest.fixture
def both(mirror: Server) -> Server:
    mirror.publish("trixie", {"amd64": [mirror.deb("libc", "2"), mirror.deb("bash", "1")]}, DATE)
    rows = [
        mirror.deb("jre", "8", Depends="libc (>= 2), only-there"),
        mirror.deb("libc", "3"),
        mirror.deb("only-there", "1", Depends="libc"),
        mirror.deb("new-jre", "9", Depends="libc (>= 3)"),
    ]
    mirror.publish("sid", {"amd64": rows}, LATER)
    return mirror


def versions(lock: Lock) -> dict[str, str]:
    return {one.name: one.version for one in lock.sets["debian-trixie"]["amd64"].debian}


def test_what_is_named_comes_from_the_other_suite_and_the_rest_from_the_base(
    both: Server, tmp_path: Path, base: Base
) -> None:
    lock = locked(both, tmp_path, base, "jre")
    assert versions(lock) == {"jre": "8", "libc": "2", "only-there": "1"}
    assert sorted(lock.releases) == ["sid", "trixie"]
    assert lock.date == lock.releases["sid"]  # the newest: at that time both were as the lock has them


def test_a_dependency_is_taken_from_there_when_it_is_named_too(both: Server, tmp_path: Path, base: Base) -> None:
    assert versions(locked(both, tmp_path, base, "jre", "libc"))["libc"] == "3"


def test_a_package_that_the_other_suite_lacks(both: Server, tmp_path: Path, base: Base) -> None:
    with pytest.raises(LockError, match="sid has no package 'bash' for amd64"):
        locked(both, tmp_path, base, "jre", "bash")


def test_a_suite_that_has_expired(both: Server, tmp_path: Path, base: Base) -> None:
    both.files["/debian/dists/sid/InRelease"] += b"Valid-Until: Sat, 04 Jan 2020 00:00:00 UTC\n"
    with pytest.raises(FetchError, match=r"sid: .* no longer valid") as caught:
        locked(both, tmp_path, base, "jre")
    assert "set 'allow_expired: true' in the manifest that names sid" in caught.value.remedy
    assert versions(locked(both, tmp_path, base, "jre", allow_expired=True))["jre"] == "8"


def test_two_layers_of_one_suite_are_joined_and_two_suites_of_one_package_are_an_error() -> None:
    one = Layer(suites={"sid": Suite(("aa",), allow_expired=True)})
    other = Layer(suites={"sid": Suite(("bb",), pockets=("updates",))})
    assert suites.wanted([one, Layer(), other]) == {"sid": Suite(("aa", "bb"), ("updates",), True)}
    with pytest.raises(LockError, match="'aa' is wanted from sid and from forky"):
        suites.wanted([one, Layer(suites={"forky": Suite(("aa",))})])
