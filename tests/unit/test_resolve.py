"""Resolving Debian packages: versions, closures, signatures, and what a refresh changes."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mirror import Server
from msgspec import structs

from imagemill.errors import FetchError, LockError
from imagemill.fetch import Cache, Fetcher, Gone
from imagemill.load import load
from imagemill.lock import DebianPackage, Lock
from imagemill.manifest import Base, Example, Layer, Offer, Runtime
from imagemill.progress import Silent
from imagemill.resolve import diff, refresh, releases_of, resolve
from imagemill.resolve.debversion import compare
from imagemill.web import Web

ROOT = Path(__file__).parents[2]
DATE = "Fri, 02 Jan 2026 03:04:05 UTC"

# Debian Policy 5.6.12, deb-version(7), and versions that are in the archive
ORDER = [
    ["1.0~beta1~svn1245", "1.0~beta1", "1.0"],
    ["1.0~~", "1.0~~a", "1.0~", "1.0", "1.0a"],
    ["0.9", "0.10", "0.10.1", "1"],
    ["2.41-12", "2.41-12+deb13u1", "2.41-13"],
    ["1.0-1", "1.0-1+b1", "1.0-1.1", "1.0-2"],
    ["9", "1:1", "2:0"],
    ["1.0a", "1.0+"],
    ["3.13.5-2", "3.13.5-2+deb13u5"],
    ["20250419", "20250419+deb13u1"],
]
SAME = [("1.0", "0:1.0"), ("1.0-0", "1.0"), ("1.00", "1.0"), ("01.2", "1.2")]

versions = st.from_regex(r"([0-9]:)?[0-9][0-9a-z.+~]{0,6}(-[0-9a-z.+~]{1,3})?", fullmatch=True)


@pytest.mark.parametrize("row", ORDER, ids=lambda row: row[0])
def test_older_versions_come_first(row: list[str]) -> None:
    for number, version in enumerate(row):
        assert compare(version, version) == 0
        for newer in row[number + 1 :]:
            assert compare(version, newer) < 0 < compare(newer, version), (version, newer)


@pytest.mark.parametrize("pair", SAME, ids=lambda pair: pair[0])
def test_versions_that_are_the_same(pair: tuple[str, str]) -> None:
    assert compare(*pair) == 0


@given(versions, versions, versions)
def test_versions_are_in_a_total_order(a: str, b: str, c: str) -> None:
    assert (compare(a, b) > 0) == (compare(b, a) < 0)
    x, y, z = sorted([a, b, c], key=functools.cmp_to_key(compare))
    assert compare(x, y) <= 0 >= compare(y, z)
    assert compare(x, z) <= 0


# --- closures ---------------------------------------------------------------------------------------------


@pytest.fixture
def base() -> Base:
    one = load(ROOT).bases["debian-trixie"]
    return structs.replace(
        one, pockets=(), platforms=("linux/amd64",), system=Layer(packages=("bash",)), toolchain=Layer()
    )


def locked(mirror: Server, tmp_path: Path, base: Base, *runtimes: Runtime) -> Lock:
    return resolve(base, runtimes, mirrors=mirror.mirrors(), cache=Cache(tmp_path / "cache"), progress=Silent().step)


def names(lock: Lock, name: str = "debian-trixie") -> list[str]:
    return [package.name for package in lock.sets[name]["amd64"].debian]


Rows = list[dict[str, str]]

CLOSURES: dict[str, tuple[dict[str, dict[str, str]], Mapping[str, object], list[str] | str]] = {
    "dependencies": ({"bash": {"Depends": "libc6 (>= 2)"}, "libc6": {}}, {}, ["bash", "libc6"]),
    "pre-dependencies": ({"bash": {"Pre_Depends": "libc6"}, "libc6": {}}, {}, ["bash", "libc6"]),
    "first alternative": ({"bash": {"Depends": "a | b"}, "a": {}, "b": {}}, {}, ["a", "bash"]),
    "the alternative that is there": ({"bash": {"Depends": "b, a | b"}, "a": {}, "b": {}}, {}, ["b", "bash"]),
    "the alternative that exists": ({"bash": {"Depends": "gone | b"}, "b": {}}, {}, ["b", "bash"]),
    "a virtual package": ({"bash": {"Depends": "awk"}, "mawk": {"Provides": "awk"}}, {}, ["bash", "mawk"]),
    "a provided version": (
        {"bash": {"Depends": "x (>= 2)"}, "a": {"Provides": "x"}, "b": {"Provides": "x (= 3)"}}, {}, ["b", "bash"]
    ),
    "architecture qualifiers": ({"bash": {"Depends": "python3:any"}, "python3": {}}, {}, ["bash", "python3"]),
    "a circle": ({"bash": {"Depends": "a"}, "a": {"Depends": "bash"}}, {}, ["a", "bash"]),
    "cut": ({"bash": {"Depends": "perl, libc6"}, "libc6": {}, "perl": {}}, {"without": ("perl",)}, ["bash", "libc6"]),
    "cut with its alternatives": (
        {"bash": {"Depends": "perl | sed, libc6"}, "libc6": {}, "perl": {}, "sed": {}}, {"without": ("perl",)},
        ["bash", "libc6"],
    ),
    "not there": ({"bash": {"Depends": "gone"}}, {}, "nothing satisfies gone, which bash depends on"),
    "too old": ({"bash": {"Depends": "libc6 (>= 9)"}, "libc6": {}}, {}, r"nothing satisfies libc6 \(>= 9\)"),
    "asked for and not there": ({"x": {}}, {}, "has no package 'bash' for amd64 .asked for by the manifest"),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSURES)
def test_closure(name: str, mirror: Server, tmp_path: Path, base: Base) -> None:
    packages, system, expected = CLOSURES[name]
    mirror.publish("trixie", {"amd64": [mirror.deb(n, "2.0", **fields) for n, fields in packages.items()]}, DATE)
    base = structs.replace(base, system=Layer(packages=("bash",), **system))  # type: ignore[arg-type]
    if isinstance(expected, str):
        with pytest.raises(LockError, match=expected):
            locked(mirror, tmp_path, base)
    else:
        assert names(locked(mirror, tmp_path, base)) == expected


def runtime(language: Layer, build: Layer) -> Runtime:
    offer = Offer(base="debian-trixie", language=language, build=build)
    return Runtime(
        name="python3.13",
        family="python",
        released=datetime.date(2026, 1, 1),
        platforms=("linux/amd64",),
        bases={"debian": offer},
        example=Example("x", "x", "x", "x"),
    )


def test_a_set_leaves_out_what_lies_below(mirror: Server, tmp_path: Path, base: Base) -> None:
    rows = [mirror.deb("bash", "1"), mirror.deb("gcc", "1", Depends="bash"), mirror.deb("py", "1", Depends="bash")]
    mirror.publish("trixie", {"amd64": rows}, DATE)
    base = structs.replace(base, toolchain=Layer(packages=("gcc",)))
    lock = locked(
        mirror, tmp_path, base, runtime(language=Layer(packages=("py",)), build=Layer(packages=("py", "gcc")))
    )
    assert {name: names(lock, name) for name in lock.sets} == {
        "debian-trixie": ["bash"],
        "debian-trixie/toolchain": ["gcc"],
        "python3.13": ["py"],
        "python3.13/build": [],
    }
    assert lock.date == 1767323045


def test_pockets_win_by_version(mirror: Server, tmp_path: Path, base: Base) -> None:
    mirror.publish("trixie", {"amd64": [mirror.deb("bash", "1.0")]}, DATE)
    mirror.publish("trixie-updates", {"amd64": [mirror.deb("bash", "1.0+deb13u1")]}, DATE)
    lock = locked(mirror, tmp_path, structs.replace(base, pockets=("updates",)))
    assert lock.sets["debian-trixie"]["amd64"].debian[0].version == "1.0+deb13u1"


def test_an_index_that_is_not_signed_is_refused(mirror: Server, tmp_path: Path, base: Base) -> None:
    mirror.publish("trixie", {"amd64": [mirror.deb("bash", "1")]}, DATE)
    path = "/debian/dists/trixie/InRelease"
    mirror.files[path] = mirror.files[path].replace(b"Signed: yes", b"Signed: no")
    with pytest.raises(FetchError, match="the signature of InRelease is not good"):
        locked(mirror, tmp_path, base)


def test_an_index_that_was_exchanged_is_refused(mirror: Server, tmp_path: Path, base: Base) -> None:
    mirror.publish("trixie", {"amd64": [mirror.deb("bash", "1")]}, DATE)
    for path in [path for path in mirror.files if "by-hash" in path]:
        mirror.files[path] = b"other"
    with pytest.raises(FetchError):
        locked(mirror, tmp_path, base)


def test_a_signed_index_of_another_suite_is_refused(mirror: Server, tmp_path: Path, base: Base) -> None:
    mirror.publish("bookworm", {"amd64": [mirror.deb("bash", "1")]}, DATE)
    mirror.files |= {path.replace("bookworm", "trixie"): content for path, content in mirror.files.items()}
    with pytest.raises(FetchError, match="the Release of another suite"):
        locked(mirror, tmp_path, base)


def test_a_mirror_without_by_hash(mirror: Server, tmp_path: Path, base: Base) -> None:
    mirror.publish("trixie", {"amd64": [mirror.deb("bash", "1")]}, DATE)
    for path in [path for path in mirror.files if "by-hash" in path]:
        mirror.files[path.partition("by-hash")[0] + "Packages.xz"] = mirror.files.pop(path)
    assert names(locked(mirror, tmp_path, base)) == ["bash"]


def test_an_index_is_tried_again_after_a_fault_that_passes(
    mirror: Server, tmp_path: Path, base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagemill.web.time.sleep", lambda _: None)
    mirror.publish("trixie", {"amd64": [mirror.deb("bash", "1")]}, DATE)
    mirror.faults |= {path: [503, 503] for path in mirror.files if "by-hash" in path}
    assert names(locked(mirror, tmp_path, base)) == ["bash"]


def test_without_keys_nothing_is_trusted(mirror: Server, tmp_path: Path, base: Base) -> None:
    mirror.publish("trixie", {"amd64": [mirror.deb("bash", "1")]}, DATE)
    mirror.keyring.unlink()
    with pytest.raises(LockError, match="no keys"):
        locked(mirror, tmp_path, base)


VALID: dict[str, tuple[str, str, bool]] = {  # what is stale, until when it is valid, and whether the base allows it
    "valid": ("trixie", "Sat, 03 Jan 2026 00:00:00 UTC", False),
    "expired": ("trixie", "Fri, 02 Jan 2026 23:59:59 UTC", False),
    "an expired pocket": ("trixie-updates", "Fri, 02 Jan 2026 23:59:59 UTC", False),
    "expired and allowed": ("trixie", "Fri, 02 Jan 2026 23:59:59 UTC", True),
}
NOW = 1767398400.0  # 3 January 2026, 00:00 UTC


@pytest.mark.parametrize("name", VALID)
def test_a_release_is_valid_for_a_time(name: str, mirror: Server, base: Base) -> None:
    suite, until, allowed = VALID[name]
    for one in ("trixie", "trixie-updates"):
        mirror.publish(one, {"amd64": []}, DATE)
    mirror.files[f"/debian/dists/{suite}/InRelease"] += f"Valid-Until: {until}\n".encode()
    base = structs.replace(base, pockets=("updates",), allow_expired=allowed)
    mirrors = mirror.mirrors()
    if name == "valid" or allowed:
        assert len(releases_of(base, Web(mirrors), mirrors, lambda: NOW)) == 2
        return
    with pytest.raises(FetchError, match=rf"^{suite}: .* no longer valid: it was until Fri, 02 Jan 2026") as caught:
        releases_of(base, Web(mirrors), mirrors, lambda: NOW)
    assert "set 'allow_expired: true' in runtimes/bases/debian-trixie.yaml" in caught.value.remedy


def test_a_date_that_is_none_is_an_error(mirror: Server, tmp_path: Path, base: Base) -> None:
    mirror.publish("trixie", {"amd64": [mirror.deb("bash", "1")]}, "yesterday")
    with pytest.raises(LockError, match="trixie: its Release has the date 'yesterday'"):
        locked(mirror, tmp_path, base)


# --- refresh ----------------------------------------------------------------------------------------------


def refreshed(
    mirror: Server, tmp_path: Path, base: Base, lock: Lock, gone: list[DebianPackage]
) -> tuple[Lock, list[str]]:
    return refresh(
        lock, gone, base, [], mirrors=mirror.mirrors(), cache=Cache(tmp_path / "cache"), progress=Silent().step
    )


def test_a_refresh_changes_what_is_gone_and_its_source_and_nothing_else(
    mirror: Server, tmp_path: Path, base: Base
) -> None:
    def rows(version: str, other: str) -> Rows:
        return [
            mirror.deb("bash", other, Depends="openssl, zlib"),
            mirror.deb("openssl", version, Depends=f"libssl (= {version})" + (", new" if version == "2" else "")),
            mirror.deb("libssl", version, source="openssl"),
            mirror.deb("zlib", other),
            mirror.deb("new", "1"),
        ]

    mirror.publish("trixie", {"amd64": rows("1", "1")}, DATE)
    lock = locked(mirror, tmp_path, base)
    mirror.publish("trixie", {"amd64": rows("2", "5")}, DATE)
    gone = [package for package in lock.sets["debian-trixie"]["amd64"].debian if package.name == "openssl"]
    renewed, changes = refreshed(mirror, tmp_path, base, lock, gone)
    found = {package.name: package.version for package in renewed.sets["debian-trixie"]["amd64"].debian}
    assert found == {"bash": "1", "openssl": "2", "libssl": "2", "zlib": "1", "new": "1"}
    assert changes == ["libssl 1 → 2 (amd64)", "new 1 added (amd64)", "openssl 1 → 2 (amd64)"]


# what is locked at first, what the archive has then, what of it is gone, and what the lock has afterwards
MOVES: dict[str, tuple[dict[str, dict[str, str]], dict[str, dict[str, str]], str, dict[str, str]]] = {
    "what stays keeps what it needed": (
        {"bash 1": {"Depends": "openssl, helper"}, "openssl 1": {}, "helper 1": {}},
        {"bash 2": {"Depends": "openssl"}, "openssl 2": {}, "helper 1": {}},
        "openssl",
        {"bash": "1", "helper": "1", "openssl": "2"},
    ),
    "what stays gets nothing that only its newer version needs": (
        {"bash 1": {"Depends": "openssl"}, "openssl 1": {}, "new 1": {}},
        {"bash 2": {"Depends": "openssl, new"}, "openssl 2": {}, "new 1": {}},
        "openssl",
        {"bash": "1", "openssl": "2"},
    ),
    "another source that it needs newer": (
        {"bash 1": {"Depends": "nss"}, "nss 1": {"Depends": "nspr (>= 1)"}, "nspr 1": {}},
        {"bash 1": {"Depends": "nss"}, "nss 2": {"Depends": "nspr (>= 2)"}, "nspr 2": {}},
        "nss",
        {"bash": "1", "nss": "2", "nspr": "2"},
    ),
    "another source that is new enough stays": (
        {"bash 1": {"Depends": "nss"}, "nss 1": {"Depends": "nspr"}, "nspr 1": {}},
        {"bash 1": {"Depends": "nss"}, "nss 2": {"Depends": "nspr (>= 1)"}, "nspr 2": {}},
        "nss",
        {"bash": "1", "nss": "2", "nspr": "1"},
    ),
    "what follows its exact version": (
        {"bash 1": {"Depends": "gcc (= 1)"}, "gcc 1": {}},
        {"bash 2": {"Depends": "gcc (= 2)"}, "gcc 2": {}},
        "gcc",
        {"bash": "2", "gcc": "2"},
    ),
    "who provides what it needs in a newer version": (
        {"bash 1": {"Depends": "a"}, "a 1": {"Depends": "api (= 1)"}, "p 1": {"Provides": "api (= 1)"}},
        {"bash 1": {"Depends": "a"}, "a 2": {"Depends": "api (= 2)"}, "p 2": {"Provides": "api (= 2)"}},
        "a",
        {"bash": "1", "a": "2", "p": "2"},
    ),
    "an alternative that is there is enough": (
        {"bash 1": {"Depends": "a, y"}, "a 1": {"Depends": "y | z"}, "y 1": {}, "z 1": {}},
        {"bash 1": {"Depends": "a, y"}, "a 2": {"Depends": "z (>= 9) | y"}, "y 2": {}, "z 2": {}},
        "a",
        {"bash": "1", "a": "2", "y": "1"},
    ),
    "everything, when the archive has it no longer at all": (
        {"bash 1": {"Depends": "lib1, sed"}, "lib1 1": {}, "sed 1": {}},
        {"bash 2": {"Depends": "lib2, sed"}, "lib2 1": {}, "sed 2": {}},
        "lib1",
        {"bash": "2", "lib2": "1", "sed": "2"},
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_what_moves_with_a_package_that_is_gone(name: str, mirror: Server, tmp_path: Path, base: Base) -> None:
    before, after, lost, expected = MOVES[name]

    def publish(packages: dict[str, dict[str, str]]) -> None:
        rows = [mirror.deb(*package.split(), **fields) for package, fields in packages.items()]
        mirror.publish("trixie", {"amd64": rows}, DATE)

    publish(before)
    lock = locked(mirror, tmp_path, base)
    publish(after)
    gone = [package for package in lock.sets["debian-trixie"]["amd64"].debian if package.name == lost]
    renewed, changes = refreshed(mirror, tmp_path, base, lock, gone)
    assert {package.name: package.version for package in renewed.sets["debian-trixie"]["amd64"].debian} == expected
    assert changes == diff(lock, renewed) != []


def test_sets_keep_agreeing_on_versions(mirror: Server, tmp_path: Path, base: Base) -> None:
    """What a moved package newly needs, and another set keeps, comes in the version that is kept."""

    def publish(version: str) -> None:
        rows = [
            mirror.deb("bash", "1"),
            mirror.deb("py", version, Depends="shared" if version == "2" else "bash"),
            mirror.deb("gcc", "1", Depends="shared"),
            mirror.deb("shared", version),
        ]
        mirror.publish("trixie", {"amd64": rows}, DATE)

    publish("1")
    base = structs.replace(base, toolchain=Layer(packages=("gcc",)))
    python = runtime(language=Layer(packages=("py",)), build=Layer())
    lock = locked(mirror, tmp_path, base, python)
    publish("2")
    gone = [package for package in lock.sets["python3.13"]["amd64"].debian if package.name == "py"]
    renewed, _ = refresh(
        lock, gone, base, [python],
        mirrors=mirror.mirrors(), cache=Cache(tmp_path / "cache"), progress=Silent().step,
    )  # fmt: skip
    found = {
        name: {package.name: package.version for package in renewed.sets[name]["amd64"].debian} for name in renewed.sets
    }
    assert found["python3.13"] == {"py": "2", "shared": "1"}
    assert found["debian-trixie/toolchain"] == {"gcc": "1", "shared": "1"}


def test_a_lock_that_aged_is_fetched_after_a_refresh(mirror: Server, tmp_path: Path, base: Base) -> None:
    mirror.publish("trixie", {"amd64": [mirror.deb("bash", "1")]}, DATE)
    lock = locked(mirror, tmp_path, base)
    (package,) = lock.sets["debian-trixie"]["amd64"].debian
    del mirror.files["/debian/" + package.path]
    mirror.publish("trixie", {"amd64": [mirror.deb("bash", "2")]}, DATE)
    fetcher = Fetcher(Cache(tmp_path / "cache"), mirror.mirrors(), Silent().step)
    with pytest.raises(Gone) as caught:
        fetcher.fetch([package])
    gone = [item for item in caught.value.items if isinstance(item, DebianPackage)]
    renewed, changes = refreshed(mirror, tmp_path, base, lock, gone)
    assert changes == ["bash 1 → 2 (amd64)"]
    (package,) = renewed.sets["debian-trixie"]["amd64"].debian
    fetcher.fetch([package])
    assert fetcher.path(package).read_bytes() == b"bash 2 amd64"


def test_a_refresh_that_finds_nothing_newer_is_an_error(mirror: Server, tmp_path: Path, base: Base) -> None:
    mirror.publish("trixie", {"amd64": [mirror.deb("bash", "1")]}, DATE)
    lock = locked(mirror, tmp_path, base)
    with pytest.raises(LockError, match="still lists bash 1"):
        refreshed(mirror, tmp_path, base, lock, list(lock.sets["debian-trixie"]["amd64"].debian))


def test_a_diff_says_what_changed(mirror: Server, tmp_path: Path, base: Base) -> None:
    mirror.publish("trixie", {"amd64": [mirror.deb("bash", "1", Depends="a"), mirror.deb("a", "1")]}, DATE)
    old = locked(mirror, tmp_path, base)
    mirror.publish("trixie", {"amd64": [mirror.deb("bash", "2")]}, DATE)
    new = locked(mirror, tmp_path, base)
    assert diff(old, new) == ["a 1 removed (amd64)", "bash 1 → 2 (amd64)"]
    assert diff(new, old) == ["a 1 added (amd64)", "bash 2 → 1 (amd64)"]
    assert diff(new, new) == []


def test_a_diff_names_what_has_other_bytes_in_the_same_version(mirror: Server, tmp_path: Path, base: Base) -> None:
    mirror.publish("trixie", {"amd64": [mirror.deb("bash", "1")]}, DATE)
    old = locked(mirror, tmp_path, base)
    inputs = old.sets["debian-trixie"]["amd64"]
    other = structs.replace(inputs, debian=(structs.replace(inputs.debian[0], sha256="0" * 64),))
    new = structs.replace(old, sets={"debian-trixie": {"amd64": other}})
    assert diff(old, new) == ["bash 1: other bytes of the same version (amd64)"]


def test_build_images_bring_back_what_run_images_do_without(mirror: Server, tmp_path: Path, base: Base) -> None:
    """Else apt in a build image finds dependencies missing, and installs nothing."""
    rows = [
        mirror.deb("bash", "1", Depends="perl"),
        mirror.deb("perl", "1", Depends="perl-base"),
        mirror.deb("perl-base", "1"),
    ]
    mirror.publish("trixie", {"amd64": rows}, DATE)
    base = structs.replace(base, system=Layer(packages=("bash",), without=("perl",)))
    lock = locked(mirror, tmp_path, base)
    assert (names(lock), names(lock, "debian-trixie/toolchain")) == (["bash"], ["perl", "perl-base"])
