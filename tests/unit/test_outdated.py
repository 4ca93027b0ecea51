"""`imagemill lock`: what the lock lacks, what is newer than it, security updates first, and making it again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mirror import Server
from small import BASE, Checkout

from imagemill.lock import DebianPackage, Inputs, Lock, NpmPackage, Wheel
from imagemill.resolve.outdated import Newer, newer


@pytest.fixture
def house(mirror: Server, tmp_path: Path) -> Checkout:
    """A locked checkout: bash 1 from the suite, zlib 1 from its security pocket."""
    one = Checkout(tmp_path / "checkout", mirror)
    one.publish("trixie", "bash 1", "zlib 0")
    one.publish("trixie-updates")
    one.publish("trixie-security", "zlib 1")
    first = one.mill("lock", "--update")
    assert (first.exit_code, first.stdout) == (0, f"{BASE}: 1 changed\n  4 sets, locked for the first time\n")
    return one


def test_a_lock_that_is_the_newest(house: Checkout) -> None:
    for args in ([], ["--security"], ["--offline"]):
        result = house.mill("lock", "--check", *args)
        assert (result.exit_code, result.stdout) == (0, ""), result.stderr


def table(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()[1:]]


def test_security_updates_come_first_and_the_rest_after(house: Checkout) -> None:
    house.publish("trixie", "bash 2", "zlib 0")
    house.publish("trixie-security", "zlib 1.1")
    result = house.mill("lock", "--check")
    assert result.exit_code == 0
    assert table(result.stdout) == [
        ["security", "zlib", "1", "1.1", "amd64", BASE],
        ["debian", "bash", "1", "2", "amd64", BASE],
    ]
    assert "1 security updates, 1 other newer versions" in result.stderr


def test_a_missing_security_update_fails_the_check_for_them(house: Checkout) -> None:
    house.publish("trixie", "bash 2", "zlib 0")
    assert house.mill("lock", "--check", "--security").exit_code == 0
    house.publish("trixie-security", "zlib 1.1")
    result = house.mill("lock", "--check", "--security")
    assert (result.exit_code, table(result.stdout)) == (1, [["security", "zlib", "1", "1.1", "amd64", BASE]])


def test_a_security_update_that_a_point_release_took_over_still_counts(house: Checkout) -> None:
    house.publish("trixie", "bash 1", "zlib 1.1")
    house.publish("trixie-security", "zlib 1.1")
    assert house.mill("lock", "--check", "--security").exit_code == 1


def test_offline_asks_nobody(house: Checkout) -> None:
    house.mirror.requests.clear()
    assert house.mill("lock", "--check", "--offline").exit_code == 0
    assert house.mirror.requests == []


def test_what_the_lock_lacks_is_said_before_any_mirror_is_asked(house: Checkout) -> None:
    house.language(packages=["ruby"])
    house.mirror.requests.clear()
    result = house.mill("lock", "--check")
    assert (result.exit_code, house.mirror.requests) == (1, [])
    assert "ruby is not locked" in result.stderr


def test_an_update_says_what_changed_package_by_package(house: Checkout) -> None:
    house.publish("trixie", "bash 2", "zlib 0")
    result = house.mill("lock", "--update", BASE)
    assert result.stdout == f"{BASE}: 1 changed\n  bash 1 → 2 (amd64)\n"
    assert house.mill("lock", "--update").stdout == f"{BASE}: nothing changed\n"


def test_an_update_of_one_base_leaves_the_others(house: Checkout) -> None:
    other = house.read(f"bases/{BASE}") | {"name": "debian-forky", "suite": "forky", "pockets": []}
    house.write("bases/debian-forky", other)
    house.publish("forky", "bash 3", "zlib 3")
    house.publish("trixie", "bash 2", "zlib 0")
    result = house.mill("lock", "--update", "debian-forky")
    assert result.stdout == "debian-forky: 1 changed\n  2 sets, locked for the first time\n"
    locked = json.loads((house.root / "runtimes/lock" / f"{BASE}.json").read_text())
    assert locked["debian"]["amd64"]["bash"]["version"] == "1"


# --- comparing two locks ----------------------------------------------------------------------------------


def deb(version: str) -> DebianPackage:
    return DebianPackage("bash", version, "amd64", "bash", version, "debian", f"pool/{version}", 1, "0" * 64)


def lock(**sets: Inputs) -> Lock:
    return Lock(BASE, 0, {}, {name: {"amd64": inputs, "arm64": inputs} for name, inputs in sets.items()})


def wheels(version: str) -> Inputs:
    return Inputs(pypi=((Wheel("boto3", version, "f", "0"),),))


def npm(*versions: str) -> Inputs:
    return Inputs(npm=(tuple(NpmPackage(f"at/{version}", "a", version, "x") for version in versions),))


BOTH = ("amd64", "arm64")
PAIRS: dict[str, tuple[Inputs, Inputs, list[Newer]]] = {
    "the same": (wheels("1"), wheels("1"), []),
    "a newer wheel": (wheels("1"), wheels("2"), [Newer("pypi", "boto3", "1", "2", BOTH, ("a", "b"))]),
    "a newer tarball": (npm("1"), npm("2"), [Newer("npm", "a", "1", "2", BOTH, ("a", "b"))]),
    "one of two": (npm("1", "2"), npm("1", "3"), [Newer("npm", "a", "1, 2", "1, 3", BOTH, ("a", "b"))]),
    "a newer package": (
        Inputs(debian=(deb("1.9"),)), Inputs(debian=(deb("1.10"),)),
        [Newer("debian", "bash", "1.9", "1.10", BOTH, ("a", "b"))],
    ),
    "an older package": (Inputs(debian=(deb("1.10"),)), Inputs(debian=(deb("1.9"),)), []),
    "what is not there any more": (wheels("1"), Inputs(), []),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_newer_in_a_later_lock(name: str) -> None:
    old, new, expected = PAIRS[name]
    assert newer(lock(a=old, b=old), lock(a=new, b=new)) == expected
