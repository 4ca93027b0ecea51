"""Upstream downloads: pinned by the lock, checked against what upstream publishes, fetched from it or a mirror."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from mirror import Server
from small import BASE, RUNTIME, Checkout

from imagemill import lock as locks
from imagemill.errors import IntegrityError
from imagemill.fetch import Cache, Fetcher, Gone
from imagemill.progress import Silent

URL = "https://up.example/{version}/ruby-{version}.tar.gz"
EACH = "https://up.example/{version}/node-{machine}-{arch}-{npm}"
PLACE = "/mirror/up.example/3.4.7/ruby-3.4.7.tar.gz"


@pytest.fixture
def house(mirror: Server, tmp_path: Path) -> Checkout:
    """A checkout on two architectures, and a mirror that has ruby 3.4.7 of up.example."""
    one = Checkout(tmp_path / "checkout", mirror, "amd64", "arm64")
    for suite in ("trixie", "trixie-updates", "trixie-security"):
        one.publish(suite, "bash 1", "zlib 1")
    mirror.files[PLACE] = b"ruby"
    return one


def mill(house: Checkout, *args: str) -> tuple[int, str, str]:
    result = house.mill(*args, settings=[("IMAGEMILL_DOWNLOAD_MIRROR", f"{house.mirror.url}/mirror")])
    return result.exit_code, result.stdout, result.stderr


def ask(house: Checkout, **downloads: dict[str, object]) -> None:
    house.language(downloads=downloads)


def pins(house: Checkout) -> dict[str, tuple[locks.Download, ...]]:
    lock = locks.read(locks.path_of(house.root, BASE))
    return {arch: inputs.downloads for arch, inputs in lock.sets[RUNTIME].items()}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_lock_pins_what_is_there(house: Checkout) -> None:
    ask(house, ruby={"version": "3.4.7", "url": URL})
    assert mill(house, "lock", "--update")[0] == 0
    pin = locks.Download("ruby", "3.4.7", URL.format(version="3.4.7"), 4, sha256(b"ruby"))
    assert pins(house) == {"amd64": (pin,), "arm64": (pin,)}
    assert house.mirror.requests.count(PLACE) == 1
    assert mill(house, "lock", "--check", "--offline")[0] == 0


def test_files_that_differ_by_architecture(house: Checkout) -> None:
    files = {"x86_64-amd64-x64": b"intel", "aarch64-arm64-arm64": b"arm"}
    house.mirror.files |= {f"/mirror/up.example/24/node-{name}": content for name, content in files.items()}
    published = {"linux/amd64": sha256(b"intel"), "linux/arm64": sha256(b"arm")}
    ask(house, node={"version": "24", "url": EACH, "sha256": published})
    assert mill(house, "lock", "--update")[0] == 0
    assert {arch: [pin.sha256 for pin in found] for arch, found in pins(house).items()} == {
        "amd64": [sha256(b"intel")],
        "arm64": [sha256(b"arm")],
    }


def test_what_upstream_published_has_to_be_what_is_there(house: Checkout) -> None:
    ask(house, ruby={"version": "3.4.7", "url": URL, "sha256": "0" * 64})
    code, _, message = mill(house, "lock", "--update")
    assert code == 16
    assert f"the manifest has sha256 {'0' * 64}, found {sha256(b'ruby')}" in message
    assert not locks.path_of(house.root, BASE).exists()


def test_a_version_keeps_its_hash_and_another_one_gets_its_own(house: Checkout) -> None:
    ask(house, ruby={"version": "3.4.7", "url": URL})
    assert mill(house, "lock", "--update")[0] == 0
    house.mirror.files[PLACE] = b"evil"
    assert mill(house, "lock", "--update")[1] == f"{BASE}: nothing changed\n"
    house.mirror.files[PLACE.replace("3.4.7", "3.4.8")] = b"newer"
    ask(house, ruby={"version": "3.4.8", "url": URL})
    code, _, message = mill(house, "lock", "--check", "--offline")
    assert (code, "provided.al2023 for arm64: download ruby 3.4.8 is not locked" in message) == (1, True)
    assert "  ruby (upstream) 3.4.7 → 3.4.8 (amd64, arm64)" in mill(house, "lock", "--update")[1]


def test_what_the_lock_has_and_no_manifest_asks_for_is_seen(house: Checkout) -> None:
    ask(house, ruby={"version": "3.4.7", "url": URL})
    mill(house, "lock", "--update")
    ask(house, ruby={"version": "3.4.7", "url": URL, "sha256": "0" * 64})
    assert "is locked with another sha256" in mill(house, "lock", "--check", "--offline")[2]
    ask(house)
    assert "is locked, but not asked for" in mill(house, "lock", "--check", "--offline")[2]


def fetcher(house: Checkout, tmp_path: Path, mirror: str = "/mirror") -> Fetcher:
    setting = {"IMAGEMILL_DOWNLOAD_MIRROR": f"{house.mirror.url}{mirror}"} if mirror else {}
    return Fetcher(Cache(tmp_path / "other"), house.mirror.mirrors(**setting), Silent().step)


def test_a_download_is_fetched_verified_and_kept(house: Checkout, tmp_path: Path) -> None:
    pin = locks.Download("ruby", "3.4.7", URL.format(version="3.4.7"), 4, sha256(b"ruby"))
    one = fetcher(house, tmp_path)
    one.fetch([pin])
    one.fetch([pin])
    assert one.path(pin).read_bytes() == b"ruby"
    assert house.mirror.requests == [PLACE]


def test_without_a_mirror_upstream_is_asked(house: Checkout, tmp_path: Path) -> None:
    pin = locks.Download("ruby", "3.4.7", house.mirror.url + PLACE, 4, sha256(b"ruby"))
    one = fetcher(house, tmp_path, "")
    one.fetch([pin])
    assert one.path(pin).read_bytes() == b"ruby"


def test_other_bytes_and_none_at_all(house: Checkout, tmp_path: Path) -> None:
    pin = locks.Download("ruby", "3.4.7", URL.format(version="3.4.7"), 4, sha256(b"ruby"))
    house.mirror.files[PLACE] = b"evil"
    with pytest.raises(IntegrityError, match=r"ruby 3\.4\.7"):
        fetcher(house, tmp_path).fetch([pin])
    del house.mirror.files[PLACE]
    with pytest.raises(Gone, match=r"ruby 3\.4\.7") as caught:
        fetcher(house, tmp_path).fetch([pin])
    assert "set IMAGEMILL_DOWNLOAD_MIRROR" in caught.value.remedy


MISTAKES: dict[str, tuple[dict[str, object], str]] = {
    "plain http without a hash": ({"version": "1", "url": "http://up.example/x"}, "can be changed on the way"),
    "a login": ({"version": "1", "url": "https://me:pw@up.example/x"}, "url' is"),
    "a word that stands for nothing": ({"version": "1", "url": "https://up.example/{os}"}, "{os} stands for nothing"),
    "half a brace": ({"version": "1", "url": "https://up.example/{version"}, "a brace has no partner"),
    "an unknown platform": (
        {"version": "1", "url": "https://up.example/x", "sha256": {"linux/vax": "0" * 64}}, "unknown architecture",
    ),
    "a short hash": ({"version": "1", "url": "https://up.example/x", "sha256": "0"}, "sha256"),
    "no version": ({"url": "https://up.example/x"}, "version' is missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_manifest(name: str, house: Checkout) -> None:
    wanted, message = MISTAKES[name]
    ask(house, ruby=wanted)
    result = house.mill("validate")
    assert result.exit_code == 11
    assert message in result.stderr, result.stderr


def test_locks_without_downloads_read_as_before(house: Checkout) -> None:
    assert mill(house, "lock", "--update")[0] == 0
    assert "downloads" not in locks.path_of(house.root, BASE).read_text()
