"""Fetching: verified, once, in parallel; faults that pass are retried, definitive answers are not."""

from __future__ import annotations

import base64
import http.server
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mirror import Server
from msgspec.structs import replace

from imagemill.errors import FetchError, IntegrityError
from imagemill.fetch import Cache, Fetcher, Gone
from imagemill.lock import Item
from imagemill.mirrors import Mirrors
from imagemill.progress import Silent
from imagemill.web import Web


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagemill.web.time.sleep", lambda _: None)


def fetcher(mirror: Server, tmp_path: Path, **settings: str) -> Fetcher:
    return Fetcher(Cache(tmp_path / "cache"), mirror.mirrors(**settings), Silent().step)


def cached(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file())


def items(mirror: Server) -> list[Item]:
    return [mirror.package("bash"), mirror.wheel("boto3"), mirror.npm("npm"), mirror.npm("@scope/x", b"scoped")]


def test_every_kind_is_fetched_and_verified(mirror: Server, tmp_path: Path) -> None:
    one = fetcher(mirror, tmp_path)
    wanted = items(mirror)
    one.fetch(wanted)
    assert [one.path(item).read_bytes() for item in wanted] == [b"bash 1 amd64", b"wheel", b"tarball", b"scoped"]


def test_what_is_there_is_not_asked_for_again(mirror: Server, tmp_path: Path) -> None:
    fetcher(mirror, tmp_path).fetch(items(mirror))
    mirror.requests.clear()
    fetcher(mirror, tmp_path).fetch(items(mirror))
    assert mirror.requests == []


def test_an_index_that_has_only_html(mirror: Server, tmp_path: Path) -> None:
    wheel = mirror.wheel("boto3", page="html")
    one = fetcher(mirror, tmp_path)
    one.fetch([wheel])
    assert one.path(wheel).read_bytes() == b"wheel"


def test_many_at_once(mirror: Server, tmp_path: Path) -> None:
    wanted = [mirror.package(f"p{number}") for number in range(100)]
    one = fetcher(mirror, tmp_path)
    one.fetch(wanted)
    assert all(one.path(item).is_file() for item in wanted)
    assert len(mirror.requests) == 100


@pytest.mark.parametrize("kind", range(4), ids=["deb", "wheel", "npm", "scoped npm"])
def test_other_bytes_than_the_lock_names_are_refused(kind: int, mirror: Server, tmp_path: Path) -> None:
    item = items(mirror)[kind]
    path = next(p for p, content in mirror.files.items() if content and p.endswith((".deb", ".whl", ".tgz"))
                and item.name.rpartition("/")[2] in p)  # fmt: skip
    mirror.files[path] = b"x" * len(mirror.files[path])
    with pytest.raises(IntegrityError, match=rf"{item.name} 1.*: expected sha\d+ .*, found"):
        fetcher(mirror, tmp_path).fetch([item])
    assert cached(tmp_path) == []


def test_a_package_of_another_size_is_refused(mirror: Server, tmp_path: Path) -> None:
    package = mirror.package("bash")
    mirror.files["/debian/" + package.path] += b"more"
    with pytest.raises(IntegrityError):
        fetcher(mirror, tmp_path).fetch([package])


@pytest.mark.parametrize("status", [429, 500, 503])
def test_faults_that_pass_are_tried_again(status: int, mirror: Server, tmp_path: Path) -> None:
    package = mirror.package("bash")
    mirror.faults["/debian/" + package.path] = [status, status]
    one = fetcher(mirror, tmp_path)
    one.fetch([package])
    assert one.path(package).is_file()


def test_a_fault_that_stays_is_an_error(mirror: Server, tmp_path: Path) -> None:
    package = mirror.package("bash")
    mirror.faults["/debian/" + package.path] = [503] * 9
    with pytest.raises(FetchError, match="503"):
        fetcher(mirror, tmp_path).fetch([package])
    assert len(mirror.requests) == 4


def test_a_definitive_answer_is_not_tried_again(mirror: Server, tmp_path: Path) -> None:
    package = mirror.package("bash")
    mirror.faults["/debian/" + package.path] = [403] * 9
    with pytest.raises(FetchError, match="403"):
        fetcher(mirror, tmp_path).fetch([package])
    assert len(mirror.requests) == 1


def test_all_that_is_gone_is_named_and_the_rest_is_fetched(mirror: Server, tmp_path: Path) -> None:
    wanted = [mirror.package(name) for name in ("a", "b", "c")]
    for item in wanted[:2]:
        del mirror.files["/debian/" + item.path]
    one = fetcher(mirror, tmp_path)
    with pytest.raises(Gone, match="no longer have: a 1, b 1") as caught:
        one.fetch(wanted)
    assert list(caught.value.items) == wanted[:2]
    assert one.path(wanted[2]).is_file()


def test_a_snapshot_mirror_still_has_it(mirror: Server, tmp_path: Path) -> None:
    package = mirror.package("bash")
    content = mirror.files.pop("/debian/" + package.path)
    mirror.files[f"/snapshot/archive/debian/20260102T030405Z/{package.path}"] = content
    one = fetcher(mirror, tmp_path, IMAGEMILL_DEBIAN_SNAPSHOT=f"{mirror.url}/snapshot")
    one.fetch([package], date=1767323045)
    assert one.path(package).read_bytes() == content


SNAPSHOTS = {"that has it not": "{url}/snapshot", "that does not answer": "http://127.0.0.1:9/snapshot"}


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_snapshot_mirror_does_not_stop_a_build(name: str, mirror: Server, tmp_path: Path) -> None:
    package = mirror.package("bash")
    del mirror.files["/debian/" + package.path]
    one = fetcher(mirror, tmp_path, IMAGEMILL_DEBIAN_SNAPSHOT=SNAPSHOTS[name].format(url=mirror.url))
    with pytest.raises(Gone):
        one.fetch([package], date=1767323045)


def test_a_snapshot_mirror_is_not_trusted_either(mirror: Server, tmp_path: Path) -> None:
    package = mirror.package("bash")
    content = mirror.files.pop("/debian/" + package.path)
    mirror.files[f"/snapshot/archive/debian/20260102T030405Z/{package.path}"] = b"x" * len(content)
    one = fetcher(mirror, tmp_path, IMAGEMILL_DEBIAN_SNAPSHOT=f"{mirror.url}/snapshot")
    with pytest.raises(IntegrityError):
        one.fetch([package], date=1767323045)
    assert cached(tmp_path) == []


def test_a_tarball_with_two_places_is_fetched_once(mirror: Server, tmp_path: Path) -> None:
    package = mirror.npm("a")
    fetcher(mirror, tmp_path).fetch([package, replace(package, place="node_modules/b/node_modules/a")])
    assert len(mirror.requests) == 1


def test_a_login_in_the_address_goes_to_its_host_and_into_no_message() -> None:
    heard: list[tuple[str, str | None]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append((self.path, self.headers.get("Authorization")))
            self.send_response(403 if self.path == "/secret" else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    login = "Basic " + base64.b64encode(b"me:s@cret").decode()
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            web, host = Web(Mirrors({})), f"127.0.0.1:{server.server_address[1]}"
            web.read(f"http://{host}/before")
            web.read(f"http://me:s%40cret@{host}/simple/a/")
            web.read(f"http://{host}/files/a.whl")  # links on a page have no login
            with pytest.raises(FetchError) as caught:
                web.read(f"http://me:s%40cret@{host}/secret")
        finally:
            server.shutdown()
            thread.join()
    assert heard == [("/before", None), ("/simple/a/", login), ("/files/a.whl", login), ("/secret", login)]
    assert "cret@" not in str(caught.value) and "s@cret" not in str(caught.value)


def test_a_body_without_end_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError):
        Cache(tmp_path / "cache").keep(itertools.repeat(b"more"), "sha256", "0" * 64, "endless", 1000)
    assert cached(tmp_path) == []


def test_what_an_interrupted_run_has_fetched_stays(mirror: Server, tmp_path: Path) -> None:
    def cut() -> Iterator[bytes]:
        yield b"first half"
        raise KeyboardInterrupt

    one = fetcher(mirror, tmp_path)
    there = mirror.package("bash")
    one.fetch([there])
    with pytest.raises(KeyboardInterrupt):
        Cache(tmp_path / "cache").keep(cut(), "sha256", "0" * 64, "cut")
    assert cached(tmp_path) == [one.path(there)]


def test_concurrent_runs_do_not_collide(mirror: Server, tmp_path: Path) -> None:
    wanted = [mirror.package(f"p{number}") for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(fetcher(mirror, tmp_path).fetch, wanted) for _ in range(4)]:
            done.result()
    assert cached(tmp_path) == sorted(Cache(tmp_path / "cache").item(item) for item in wanted)


def test_a_mirror_that_is_not_there(tmp_path: Path, mirror: Server) -> None:
    package = mirror.package("bash")
    one = fetcher(mirror, tmp_path, IMAGEMILL_DEBIAN_MIRROR="http://127.0.0.1:9/debian")
    with pytest.raises(FetchError) as caught:
        one.fetch([package])
    assert caught.value.transient
