"""What is asked of a notary server, and what becomes of its answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import urllib3
from urllib3.exceptions import NewConnectionError

from imagemill.errors import TrustError
from imagemill.trust.keys import generate
from imagemill.trust.notary import Notary
from imagemill.trust.signatures import plain
from imagemill.trust.store import Conflict, Unsure

ADDRESS, GUN = "https://notary.example.com", "registry.example.com/lambda"
PLACE = f"{ADDRESS}/v2/{GUN}/_trust/tuf/"
CHALLENGE = f'Bearer realm="https://tokens.example.com/get",service="notary",scope="repository:{GUN}:pull"'


@dataclass
class Answer:
    """An answer of HTTP."""

    status: int = 200
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def read(self, amount: int, decode_content: bool) -> bytes:
        return self.data[:amount]

    def close(self) -> None:
        """Nothing."""

    def release_conn(self) -> None:
        """Nothing."""


@dataclass
class Request:
    """What was asked."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class Pool(urllib3.PoolManager):
    """Connections to nowhere: answers are made by `reply`."""

    def __init__(self, reply: Callable[[Request], Answer | Exception]) -> None:
        super().__init__()
        self.heard: list[Request] = []
        self._reply = reply

    def request(self, method: str, url: str, **named: Any) -> Any:  # type: ignore[override]
        """Answer."""
        asked = Request(method, url, named["headers"], named["body"])
        self.heard.append(asked)
        found = self._reply(asked)
        if isinstance(found, Exception):
            raise found
        return found


def error(code: str, message: str = "no", detail: object = None) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message, "detail": detail}]}).encode()


def test_files_are_read_by_their_names() -> None:
    pool = Pool(lambda asked: Answer(data=b"{}") if asked.url == f"{PLACE}2.root.json" else Answer(404))
    store = Notary(ADDRESS + "/", GUN, pool)
    assert store.read("2.root") == b"{}"
    assert store.read("3.root") is None


def test_all_files_are_sent_at_once() -> None:
    pool = Pool(lambda asked: Answer())
    Notary(ADDRESS, GUN, pool).write({"root": b"ROOT", "targets/alice": b"ALICE"})
    (asked,) = pool.heard
    assert (asked.method, asked.url) == ("POST", PLACE)
    for part in (b'name="files"; filename="root"', b"ROOT", b'filename="targets/alice"', b"ALICE"):
        assert part in (asked.body or b"")
    assert asked.headers["Content-Type"].startswith("multipart/form-data; boundary=")


REFUSALS: dict[str, tuple[Answer | Exception, type[TrustError], str]] = {
    "older": (Answer(400, error("VERSION", "A newer version is there")), Conflict, "A newer version is there"),
    "conflict": (Answer(409), Conflict, "409"),
    "invalid": (
        Answer(400, error("INVALID_UPDATE", "invalid", {"error": {"Msg": "no key"}})), Conflict, r"invalid \(no key\)",
    ),
    "broken": (Answer(500, error("UPDATING")), Unsure, "500"),
    "busy": (Answer(503, b"<html>"), Unsure, "503"),
    "gone": (NewConnectionError(urllib3.connection.HTTPConnection("x"), "refused"), Unsure, "refused"),
    "forbidden": (Answer(403), TrustError, "403"),
    "moved": (Answer(302), TrustError, "302"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "kind", "said"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_not_taken(answer: Answer | Exception, kind: type[TrustError], said: str) -> None:
    with pytest.raises(TrustError, match=said) as caught:
        Notary(ADDRESS, GUN, Pool(lambda asked: answer)).write({"root": b""})
    assert type(caught.value) is kind


@pytest.mark.parametrize("status", [500, 403, 302])
def test_what_cannot_be_read_is_not_taken_for_nothing(status: int) -> None:
    with pytest.raises(TrustError, match=str(status)):
        Notary(ADDRESS, GUN, Pool(lambda asked: Answer(status))).read("root")


def test_what_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagemill.trust.notary.LONGEST", 10)
    with pytest.raises(TrustError, match="longer than any metadata"):
        Notary(ADDRESS, GUN, Pool(lambda asked: Answer(data=b"x" * 11))).read("root")


# --- tokens -----------------------------------------------------------------------------------------------


class Guarded:
    """A server that wants tokens, each of which is good for so many requests."""

    def __init__(self, uses: int = 99, challenge: str = CHALLENGE) -> None:
        self._challenge = challenge
        self._uses = uses
        self._good: dict[str, int] = {}
        self.scopes: list[str] = []

    def __call__(self, asked: Request) -> Answer:
        if asked.url.startswith("https://tokens.example.com/get?"):
            self.scopes.append(urllib3.util.parse_url(asked.url).query or "")
            token = f"token{len(self.scopes)}"
            self._good[f"Bearer {token}"] = self._uses
            return Answer(data=json.dumps({"token": token}).encode())
        given = asked.headers.get("Authorization", "")
        if self._good.get(given, 0) < 1:
            return Answer(401, b"", {"WWW-Authenticate": self._challenge})
        self._good[given] -= 1
        return Answer(data=b"{}")


def test_anybody_reads_with_a_token_for_that() -> None:
    server = Guarded()
    assert Notary(ADDRESS, GUN, Pool(server)).read("root") == b"{}"
    assert server.scopes == ["scope=repository%3Aregistry.example.com%2Flambda%3Apull&service=notary"]


def test_a_login_goes_to_the_token_service_alone_and_is_good_for_all() -> None:
    server = Guarded()
    pool = Pool(server)
    store = Notary(ADDRESS, GUN, pool, "Basic c2VjcmV0")
    store.read("root")
    store.write({"root": b""})
    assert [scope.partition("&")[0].rpartition("%3A")[2] for scope in server.scopes] == ["pull%2Cpush"]
    with_login = [asked.url for asked in pool.heard if asked.headers.get("Authorization") == "Basic c2VjcmV0"]
    assert all(url.startswith("https://tokens.example.com/") for url in with_login) and len(with_login) == 1


def test_an_identity_token_is_sent_to_nobody() -> None:
    """It is for the token service of the registry that gave it."""
    pool = Pool(Guarded())
    Notary(ADDRESS, GUN, pool, "Refresh c2VjcmV0").read("root")
    assert pool.heard and not any("c2VjcmV0" in str(asked) for asked in pool.heard)


def test_a_token_that_ran_out_is_had_anew() -> None:
    server = Guarded(uses=1)
    store = Notary(ADDRESS, GUN, Pool(server))
    assert [store.read("root"), store.read("root"), store.read("root")] == [b"{}"] * 3
    assert len(server.scopes) == 3


@pytest.mark.parametrize("challenge", ['Bearer realm="http://tokens.example.com/get"', "Digest x", "Basic x", ""])
def test_logins_go_nowhere_else(challenge: str) -> None:
    with pytest.raises(TrustError, match=r"login is wanted|401"):
        Notary(ADDRESS, GUN, Pool(Guarded(challenge=challenge))).read("root")


def test_basic_authentication_where_that_is_wanted() -> None:
    def reply(asked: Request) -> Answer:
        good = asked.headers.get("Authorization") == "Basic c2VjcmV0"
        return Answer(data=b"{}") if good else Answer(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})

    assert Notary(ADDRESS, GUN, Pool(reply), "Basic c2VjcmV0").read("root") == b"{}"


# --- keys and names ---------------------------------------------------------------------------------------


def test_keys_of_the_server() -> None:
    key = plain(generate())
    data = json.dumps({"keytype": key.keytype, "keyval": {"public": key.keyval.public, "private": None}}).encode()
    pool = Pool(lambda asked: Answer(data=data))
    store = Notary(ADDRESS, GUN, pool)
    assert store.key("snapshot") == store.key("timestamp", new=True) == key
    assert [(asked.method, asked.url.rpartition("/")[2]) for asked in pool.heard] == [
        *(("GET", "snapshot.key"), ("POST", "timestamp.key"))
    ]
    with pytest.raises(TrustError, match="holds no root key"):
        store.key("root")


@pytest.mark.parametrize("data", [b"", b"{}", b"<html>"])
def test_what_is_no_key(data: bytes) -> None:
    with pytest.raises(TrustError, match="the answer is no key"):
        Notary(ADDRESS, GUN, Pool(lambda asked: Answer(data=data))).key("snapshot")


@pytest.mark.parametrize(
    ("address", "gun"),
    [("http://x", GUN), ("https://", GUN), ("ftp://x", GUN), ("https://x?y", GUN), (ADDRESS, ""), (ADDRESS, "a/../b"),
     (ADDRESS, "a b")],
)  # fmt: skip
def test_addresses_and_names_that_are_none(address: str, gun: str) -> None:
    with pytest.raises(TrustError, match=r"no address|no name"):
        Notary(address, gun, Pool(lambda asked: Answer()))
