"""What goes wrong between a push and a registry: every fault that passes is got over, every other one is an error."""

from __future__ import annotations

import signal
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registry_images import NAME, Make, basic, layout_in, repository, whole_in
from small_registry import LOGIN, Fault, Request, SmallRegistry

from certificates import issue
from imagemill.credentials import is_here
from imagemill.errors import IntegrityError, MirrorError, RegistryError
from imagemill.mirrors import Mirrors
from imagemill.oci import Descriptor, Layout, sha256
from imagemill.registry.faults import Busy, Denied, Torn
from imagemill.registry.push import push
from imagemill.registry.repository import Repository
from imagemill.web import Web

SPOILED = b'{"errors":[{"code":"DIGEST_INVALID"}]}'
UNKNOWN = b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}'
PASSING: dict[str, Callable[[SmallRegistry, Request], Fault | None]] = {
    "a reset before the request": lambda registry, one: Fault(reset="before"),
    "a reset in the middle of the request": lambda registry, one: Fault(reset="during"),
    "a reset in place of the answer": lambda registry, one: Fault(reset="after"),
    "a 500": lambda registry, one: Fault(500),
    "a 502 of a proxy": lambda registry, one: Fault(502, body=b"<html>"),
    "a 503 that says when": lambda registry, one: Fault(503, {"Retry-After": "7"}),
    "a 429 that says when": lambda registry, one: Fault(429, {"Retry-After": "7"}),
    "a token that ends": lambda registry, one: registry.expire(),
    "an upload that is forgotten": lambda registry, one: Fault(404, body=UNKNOWN) if _sends(one) else None,
    "bytes spoiled on their way": lambda registry, one: Fault(400, body=SPOILED) if _sends(one) else None,
}


def _sends(one: Request) -> bool:
    return one.method == "PUT" and "/blobs/" in one.path


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Layout, Descriptor]:
    return layout_in(tmp_path_factory.mktemp("image"))


@pytest.mark.parametrize("case", PASSING)
def test_a_fault_at_any_request_is_got_over(case: str, make: Make, image: tuple[Layout, Descriptor]) -> None:
    registry, (layout, entry) = make("token"), image
    waits: list[float] = []
    push(layout, entry, repository(registry))
    count = len(registry.requests)
    assert count > 20
    for number in range(count):
        begun, done, name = len(registry.requests), list[int](), f"faulty/{number}"

        def fault(one: Request, at: int = begun + number, done: list[int] = done) -> Fault | None:
            if one.number < at or done:
                return None
            done.append(one.number)
            return PASSING[case](registry, one)

        registry.fault = fault
        push(layout, entry, repository(registry, name=name, waits=waits))
        registry.fault = lambda one: None
        assert whole_in(registry, layout, name), number
        assert len(registry.requests) - begun <= count + 12
    if "says when" in case:
        assert set(waits) == {7.0}


@settings(max_examples=10)
@given(faults=st.dictionaries(st.integers(0, 60), st.sampled_from(sorted(PASSING)), min_size=2, max_size=6))
def test_several_faults_are_got_over(faults: dict[int, str], image: tuple[Layout, Descriptor]) -> None:
    layout, entry = image
    registry = SmallRegistry("token")
    try:
        registry.fault = lambda one: PASSING[faults[one.number]](registry, one) if one.number in faults else None
        for _ in range(5):  # where the faults of one request are many, the next push finishes the work
            try:
                push(layout, entry, repository(registry))
                break
            except RegistryError as error:
                assert error.transient
        assert whole_in(registry, layout)
    finally:
        registry.close()


def test_no_image_is_there_before_its_parts(make: Make, image: tuple[Layout, Descriptor]) -> None:
    """Wherever a push ends, the registry takes what is there: it refuses manifests without their parts itself."""
    registry, (layout, entry) = make(), image
    for number in range(3, 20, 2):
        at = len(registry.requests) + number
        registry.fault = lambda one, at=at: Fault(400) if one.number >= at else None  # type: ignore[misc]
        with pytest.raises(RegistryError):
            push(layout, entry, repository(registry, name=f"ended/{number}"))
        assert not registry.repo(f"ended/{number}").tags
    registry.fault = lambda one: None
    for number in range(3, 20, 2):
        push(layout, entry, repository(registry, name=f"ended/{number}"))
        assert whole_in(registry, layout, f"ended/{number}")


LASTING: dict[str, tuple[Fault, list[float], str]] = {
    "a 500": (Fault(500), [0.5, 1, 2, 4, 8], "500"),
    "resets": (Fault(reset="before"), [0.5, 1, 2, 4, 8], "team/lambda: HEAD of manifests/1"),
    "a 429 that says when": (Fault(429, {"Retry-After": "3"}), [3, 3, 3, 4, 8], "429"),
    "a 503 that asks for an hour": (Fault(503, {"Retry-After": "3600"}), [60] * 5, "503"),
    "a 401": (Fault(401), [], "401"),
    "a 403": (Fault(403), [], "403"),
    "a 400": (Fault(400), [], "400"),
    "a 413": (Fault(413), [], "413"),
    "a redirect without end": (Fault(307, {"Location": "/v2/x"}), [0.5, 1, 2, 4, 8], "team/lambda: HEAD"),
}


@pytest.mark.parametrize("case", LASTING)
def test_a_fault_that_lasts_is_an_error_in_the_end(case: str, make: Make) -> None:
    fault, expected, message = LASTING[case]
    registry, waits = make(), list[float]()
    registry.fault = lambda one: fault
    with pytest.raises(RegistryError, match=message) as caught:
        repository(registry, waits=waits).head("1")
    assert waits == expected
    assert caught.value.transient == bool(expected)
    assert registry.host in caught.value.message
    assert caught.value.remedy
    if not expected:
        assert len(registry.requests) == 1


def test_a_registry_that_is_not_there_is_an_error(make: Make) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        registry = make()
        registry.host = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RegistryError, match="refused") as caught:
            repository(registry).head("1")
    assert f"see whether {registry.host} answers" in caught.value.remedy


# --- slow answers -----------------------------------------------------------------------------------------

SLOW = {
    "says nothing": Fault(seconds=1.0),
    "says the head of an answer byte by byte": Fault(trickle=0.02),
    "says a page byte by byte": Fault(body=b" " * 100, trickle=0.004, headers={"X": ""}),
}


@pytest.mark.parametrize("case", SLOW)
def test_a_registry_that_dribbles_is_not_waited_for(case: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagemill.registry.session.READ", 0.2)
    monkeypatch.setattr("imagemill.registry.session.ATTEMPTS", 3)
    registry = make()
    registry.fault = lambda one: SLOW[case]
    with pytest.raises(RegistryError) as caught:
        repository(registry).manifest("1")
    assert caught.value.transient
    registry.fault = lambda one: SLOW[case] if one.number % 2 else None
    assert repository(registry).head("1") is None


def test_a_blob_that_dribbles_is_not_waited_for(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagemill.registry.repository.READ", 0.1)
    monkeypatch.setattr("imagemill.registry.repository.ATTEMPTS", 1)
    registry = make()
    registry.repo(NAME).blobs[sha256(BLOB)] = BLOB
    registry.fault = lambda one: Fault(trickle=0.005)
    with pytest.raises(RegistryError, match=f"{NAME}: blob {sha256(BLOB)}: .*bytes in 0 s"):
        repository(registry).small_blob(sha256(BLOB))
    registry.fault = lambda one: None
    waiting = repository(registry).blob(sha256(BLOB))
    head = next(waiting)
    threading.Event().wait(0.2)  # who reads may take his time
    assert head + b"".join(waiting) == BLOB


@pytest.mark.parametrize("body", [b"x" * 5000, b"[" * 100_000], ids=["no JSON", "JSON in itself"])
def test_a_page_that_is_none_is_an_error(body: bytes, make: Make) -> None:
    registry = make()
    registry.fault = lambda one: Fault(200, body=body)
    with pytest.raises(RegistryError, match="no JSON object"):
        repository(registry).tags()


def test_a_page_without_end_is_an_error(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagemill.registry.session.LONGEST", 1000)
    registry = make()
    registry.fault = lambda one: Fault(200, body=b"x" * 5000)
    with pytest.raises(RegistryError, match="more than 1000 bytes"):
        repository(registry).manifest("1")


def test_an_interrupt_ends_a_push(make: Make, tmp_path: Path) -> None:
    registry, (layout, entry) = make(), layout_in(tmp_path, layers=40)
    once, main = threading.Lock(), threading.get_ident()

    def interrupt(one: Request) -> Fault | None:
        if _sends(one) and once.acquire(blocking=False):
            signal.pthread_kill(main, signal.SIGINT)  # which wakes it, too
        return Fault(seconds=0.1) if _sends(one) else None

    registry.fault = interrupt
    with pytest.raises(KeyboardInterrupt):
        push(layout, entry, repository(registry))
    assert len(registry.repo(NAME).blobs) < 20
    registry.fault = lambda one: None
    push(layout, entry, repository(registry))
    assert whole_in(registry, layout)


def test_what_is_given_up_ends(make: Make, image: tuple[Layout, Descriptor]) -> None:
    registry, (layout, entry) = make(), image
    mine = repository(registry)
    registry.fault = lambda one: mine.close() if _sends(one) else None
    with pytest.raises(RegistryError, match="given up"):
        push(layout, entry, mine)
    with pytest.raises(RegistryError, match="given up"):
        mine.head("1")
    push(layout, entry, repository(registry))
    assert whole_in(registry, layout)


# --- blobs that are read ----------------------------------------------------------------------------------

BLOB = bytes(range(256)) * 8192  # 2 MiB


@pytest.mark.parametrize("ranges", [True, False], ids=["goes on", "begins again"])
def test_a_blob_goes_on_where_it_broke(ranges: bool, make: Make) -> None:
    registry = make("token")
    registry.ranges = ranges
    registry.repo(NAME).blobs[sha256(BLOB)] = BLOB

    def fault(one: Request) -> Fault | None:
        if one.number == 4:
            registry.expire()
        return Fault(reset="during") if one.number in (2, 3, 5) else None

    registry.fault = fault
    assert repository(registry).small_blob(sha256(BLOB)) == BLOB
    starts = [one.headers.get("Range") for one in registry.requests if "/blobs/" in one.path]
    assert len([start for start in starts if start]) >= 3


def test_a_blob_that_breaks_again_and_again_is_an_error(make: Make) -> None:
    registry, waits = make(), list[float]()
    registry.repo(NAME).blobs[sha256(BLOB)] = BLOB
    registry.fault = lambda one: Fault(reset="before") if one.number else Fault(reset="during")
    with pytest.raises(RegistryError) as caught:
        repository(registry, waits=waits).small_blob(sha256(BLOB))
    assert (caught.value.transient, waits[-1]) == (True, 8)


def test_wrong_bytes_are_not_asked_for_again(make: Make) -> None:
    registry = make()
    registry.repo(NAME).blobs[sha256(BLOB)] = BLOB[:-1] + b"x"
    with pytest.raises(IntegrityError):
        repository(registry).small_blob(sha256(BLOB))
    assert len(registry.requests) == 1


# --- several at once --------------------------------------------------------------------------------------


def test_two_who_push_the_same_do_not_disturb_each_other(make: Make, tmp_path: Path) -> None:
    registry = make("token")
    images = [layout_in(tmp_path / str(number), layers=number + 2) for number in range(3)]
    registry.fault = lambda one: Fault(500) if one.number % 7 == 0 else None
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(push, *one, repository(registry)) for one in images for _ in range(2)]
        assert all(one.result() for one in waiting)
    assert all(whole_in(registry, layout) for layout, _ in images)


def test_threads_that_share_a_repository_send_a_blob_once(make: Make) -> None:
    registry = make("basic")
    mine, gate = repository(registry), threading.Barrier(4)

    def one(_: int) -> str:
        gate.wait()
        return mine.push_blob(BLOB, sha256(BLOB), len(BLOB))

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(one, range(4))) == ["sent", "there", "there", "there"]
    assert len(registry.asked("PUT")) == 1


def test_many_threads_renew_a_token_once(make: Make) -> None:
    registry = make("token")
    mine = repository(registry)
    assert mine.head("1") is None
    registry.expire()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(mine.head, ["1"] * 8)) == [None] * 8
    assert len(registry.asked("GET", "/token")) == 2


# --- encryption -------------------------------------------------------------------------------------------


@pytest.fixture
def encrypted(make: Make, tmp_path: Path) -> Iterator[SmallRegistry]:
    """A registry with a certificate of an authority in `tmp_path`, and tokens."""
    pair = issue(tmp_path, "registry", "127.0.0.1", "registry.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    yield make("token", tls=context)


TRUST: dict[str, Callable[[Path, str], Mirrors]] = {
    "SSL_CERT_FILE": lambda folder, host: Mirrors({"SSL_CERT_FILE": f"{folder}/ca.crt"}),
    "REQUESTS_CA_BUNDLE": lambda folder, host: Mirrors({"REQUESTS_CA_BUNDLE": f"{folder}/ca.crt"}),
    "docker's certs.d": lambda folder, host: Mirrors({}, home=_kept(folder, f".config/docker/certs.d/{host}")),
    "podman's certs.d": lambda folder, host: Mirrors({}, home=_kept(folder, f".config/containers/certs.d/{host}")),
}


def _kept(folder: Path, place: str) -> Path:
    (folder / place).mkdir(parents=True)
    (folder / place / "any.crt").write_bytes((folder / "ca.crt").read_bytes())
    return folder


@pytest.mark.parametrize("case", TRUST)
def test_an_encrypted_registry_is_trusted_through(
    case: str, encrypted: SmallRegistry, image: tuple[Layout, Descriptor], tmp_path: Path
) -> None:
    layout, entry = image
    push(layout, entry, repository(encrypted, web=Web(TRUST[case](tmp_path, encrypted.host))))
    assert whole_in(encrypted, layout)


class Tunnel(socketserver.StreamRequestHandler):
    """A proxy that takes everybody to one registry, whatever they ask for, and keeps what they said."""

    target: str
    heard: ClassVar[list[str]]

    def handle(self) -> None:
        """Connect, and carry bytes to and fro until one side has no more."""
        while (line := self.rfile.readline().decode().strip()) != "":
            self.heard.append(line)
        host, _, port = self.target.partition(":")
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection((host, int(port))) as there:
            back = threading.Thread(target=self.carry, args=(there, self.connection))
            back.start()
            self.carry(self.connection, there)
            back.join()

    def carry(self, source: socket.socket, target: socket.socket) -> None:
        """Bytes from one side to the other."""
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def test_an_encrypted_registry_is_reached_through_a_proxy(
    encrypted: SmallRegistry, image: tuple[Layout, Descriptor], tmp_path: Path
) -> None:
    heard: list[str] = []
    handler = type("Here", (Tunnel,), {"target": encrypted.host, "heard": heard})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as proxy:
        proxy.daemon_threads = True
        serving = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        try:
            address = f"http://me:s%40cret@127.0.0.1:{proxy.server_address[1]}"
            web = Web(Mirrors({"https_proxy": address, "SSL_CERT_FILE": f"{tmp_path}/ca.crt"}))
            login = basic(LOGIN)
            push(*image, Repository(web, f"registry.example/{NAME}", login, lambda _: None))
        finally:
            proxy.shutdown()
            serving.join()
    assert whole_in(encrypted, image[0])
    assert {line.partition(" HTTP")[0] for line in heard if "CONNECT" in line} == {"CONNECT registry.example:443"}
    assert f"proxy-authorization: {basic('me:s@cret')}" in heard
    assert not [line for line in heard if login in line]  # it is for the registry's eyes


def test_a_registry_that_nobody_vouches_for_is_an_error(encrypted: SmallRegistry) -> None:
    waits: list[float] = []
    with pytest.raises(RegistryError, match=r"its certificate is not trusted: .*certificate") as caught:
        repository(encrypted, waits=waits).head("1")
    assert (encrypted.requests, waits) == ([], [])
    assert f"certs.d/{encrypted.host}/ca.crt" in caught.value.remedy


def test_a_file_of_certificates_that_is_none_is_named(encrypted: SmallRegistry, tmp_path: Path) -> None:
    web = Web(Mirrors({"SSL_CERT_FILE": f"{tmp_path}/missing"}))
    with pytest.raises(MirrorError, match="missing: no certificates"):
        repository(encrypted, web=web).head("1")


HERE = {"localhost": True, "localhost:5000": True, "127.0.0.1:5000": True, "127.9.9.9": True, "[::1]:5000": True,
        "10.0.0.1:5000": False, "localhost.example": False, "r.example": False, "": False}  # fmt: skip


@pytest.mark.parametrize("host", HERE)
def test_which_hosts_need_no_encryption(host: str) -> None:
    assert is_here(host) == HERE[host]


def test_errors_of_token_services_pass_or_last_as_others_do(make: Make) -> None:
    registry, waits = make("token"), list[float]()
    registry.fault = lambda one: Fault(503, {"Retry-After": "2"}) if "/token" in one.path else None
    with pytest.raises(Busy, match=f"a token for {registry.host}"):
        repository(registry, waits=waits).head("1")
    assert waits == [2, 2, 2, 4, 8]
    for body in (b"{}", b"[]", b"<html>", b'{"token": "two\\nlines"}', b'{"token": "x", "expires_in": "soon"}'):
        registry.fault = lambda one, body=body: Fault(200, body=body) if "/token" in one.path else None  # type: ignore[misc]
        with pytest.raises(RegistryError, match="answers with none"):
            repository(registry).head("1")


def test_no_error_says_a_login_or_the_address_of_an_upload(make: Make) -> None:
    registry = make("token")
    words = []
    for status in (0, 400, 401, 403, 404, 413, 416, 500):
        for part in ("/token", "HEAD", "POST", "PUT"):

            def fault(one: Request, status: int = status, part: str = part) -> Fault | None:
                wrong = Fault(status) if status else Fault(reset="before")
                return wrong if part in (one.method, one.path.partition("?")[0]) else None

            registry.fault = fault
            try:
                repository(registry).push_blob(b"x", sha256(b"x"), 1)
            except RegistryError as error:
                words.append(str(error))
    assert len(words) > 15
    assert not [word for word in words if "pa:ss" in word or "s3cret" in word or "Basic" in word]
    assert issubclass(Denied, RegistryError)


def test_what_a_killed_registry_has_torn_is_written_again(make: Make, image: tuple[Layout, Descriptor]) -> None:
    """It has an empty file where a digest should be, fails whenever it reads that, and is well otherwise."""
    registry, (layout, entry) = make("token"), image
    push(layout, entry, repository(registry))
    torn = {f"/manifests/{entry.digest}", "/manifests/tag", f"/blobs/{layout.images()[0].digest}"}

    def fault(one: Request) -> Fault | None:
        if one.method == "PUT":
            torn.difference_update({path for path in torn if path in one.path})
        return Fault(500) if one.method in ("GET", "HEAD") and any(path in one.path for path in torn) else None

    registry.fault = fault
    found = repository(registry, waits=[])
    with pytest.raises(Torn, match="500"):
        found.head("tag")
    assert found.there("tag") is None
    assert entry.digest in push(layout, entry, found).manifests
    assert found.there(entry.digest) is not None
    registry.fault = lambda one: Fault(500)
    with pytest.raises(RegistryError) as caught:  # a registry that fails at everything is no torn tag
        found.there("tag")
    assert not isinstance(caught.value, Torn)
