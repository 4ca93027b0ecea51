"""HTTP for downloads: resumed where it broke, resolved once, through proxies, each login to its own host."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mirror import Server

from imagemill.connections import addresses
from imagemill.credentials import Credentials, proxy_for
from imagemill.errors import FetchError, MirrorError
from imagemill.mirrors import Mirrors
from imagemill.web import Web

BODY = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagemill.web._pause", lambda _: 0)


@pytest.fixture
def web() -> Web:
    return Web(Mirrors({}))


# --- broken connections -----------------------------------------------------------------------------------


def ranges(mirror: Server) -> list[str]:
    return [headers.get("Range", "") for _, headers in mirror.heard]


def test_a_download_goes_on_where_it_broke(mirror: Server, web: Web) -> None:
    mirror.files["/x"] = BODY
    mirror.cuts["/x"] = [300_000, 500_000]
    assert b"".join(web.stream(f"{mirror.url}/x")) == BODY
    assert ranges(mirror) == ["", "bytes=300000-", "bytes=800000-"]


def test_a_connection_that_breaks_again_and_again_is_an_error(mirror: Server, web: Web) -> None:
    mirror.files["/x"] = BODY
    mirror.cuts["/x"] = [1000, *[0] * 9]
    with pytest.raises(FetchError) as caught:
        b"".join(web.stream(f"{mirror.url}/x"))
    assert caught.value.transient
    assert len(mirror.requests) == 4


def test_many_breaks_leave_connections_for_others(mirror: Server, web: Web) -> None:
    mirror.files["/x"] = BODY
    mirror.cuts["/x"] = [10_000] * 40
    assert b"".join(web.stream(f"{mirror.url}/x")) == BODY


@pytest.mark.timeout(20)
def test_downloads_that_are_given_up_leave_connections_for_others(mirror: Server, web: Web) -> None:
    mirror.files["/x"] = BODY
    for _ in range(12):  # more than there are connections
        for _chunk in web.stream(f"{mirror.url}/x"):
            break
    assert web.read(f"{mirror.url}/x") == BODY


def test_a_file_that_changed_meanwhile_is_not_mixed(mirror: Server, web: Web) -> None:
    mirror.files["/x"] = BODY
    mirror.cuts["/x"] = [1000]
    with pytest.raises(FetchError, match="cannot be resumed") as caught:
        for _ in web.stream(f"{mirror.url}/x"):
            mirror.files["/x"] = BODY[::-1]
    assert caught.value.transient  # the whole is tried again


def test_what_cannot_be_told_from_another_is_begun_again(mirror: Server, web: Web) -> None:
    mirror.files["/x"] = BODY
    mirror.anonymous.add("/x")
    mirror.cuts["/x"] = [1000]
    with pytest.raises(FetchError) as caught:
        b"".join(web.stream(f"{mirror.url}/x"))
    assert caught.value.transient
    assert web.read(f"{mirror.url}/x") == BODY


def test_the_resolver_is_asked_once(mirror: Server, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def count(host: Any, *args: Any, **rest: Any) -> Any:
        asked.append(host)
        return real("127.0.0.1" if host == "mirror.example" else host, *args, **rest)

    monkeypatch.setattr("socket.getaddrinfo", count)
    addresses.cache_clear()
    mirror.files["/x"] = BODY
    mirror.cuts["/x"] = [1000] * 5
    url = mirror.url.replace("127.0.0.1", "mirror.example")
    assert b"".join(web.stream(f"{url}/x")) == BODY
    assert asked.count("mirror.example") == 1
    assert {headers["Host"] for _, headers in mirror.heard} == {url.partition("//")[2]}
    addresses.cache_clear()


def test_a_mirror_that_asks_to_wait_is_waited_for(mirror: Server, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    mirror.files["/x"] = b"x"
    mirror.faults["/x"] = [429, 503, 500]
    mirror.later["/x"] = "7"
    assert web.read(f"{mirror.url}/x") == b"x"
    assert [wait for wait in waits if wait] == [7, 7]


# --- proxies ----------------------------------------------------------------------------------------------

PROXIES = {
    "none": ({}, "http://a.example/x", ""),
    "http": ({"http_proxy": "http://p:1"}, "http://a.example/x", "http://p:1"),
    "another scheme's": ({"http_proxy": "http://p:1"}, "https://a.example/x", ""),
    "https": ({"https_proxy": "http://p:1"}, "https://a.example/x", "http://p:1"),
    "all": ({"ALL_PROXY": "http://p:1"}, "https://a.example/x", "http://p:1"),
    "small letters win": ({"HTTP_PROXY": "http://q:1", "http_proxy": "http://p:1"}, "http://a.example/x", "http://p:1"),
    "without a scheme": ({"http_proxy": "p:1"}, "http://a.example/x", "http://p:1"),
    "not for a host": ({"http_proxy": "http://p:1", "no_proxy": "b.example, a.example"}, "http://a.example/x", ""),
    "not for a domain": ({"http_proxy": "http://p:1", "no_proxy": ".example"}, "http://a.example/x", ""),
    "not for a domain with a star": ({"http_proxy": "http://p:1", "no_proxy": "*.example"}, "http://a.example/x", ""),
    "a domain is no substring": ({"http_proxy": "http://p:1", "no_proxy": "ample"}, "http://a.example/x", "http://p:1"),
    "not for a port": ({"http_proxy": "http://p:1", "no_proxy": "a.example:8080"}, "http://a.example:8080/x", ""),
    "another port": ({"http_proxy": "http://p:1", "no_proxy": "a.example:8080"}, "http://a.example/x", "http://p:1"),
    "not for a network": ({"http_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, "http://10.1.2.3/x", ""),
    "another network": ({"http_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, "http://11.1.2.3/x", "http://p:1"),
    "not for this machine": ({"http_proxy": "http://p:1"}, "http://127.0.0.1:5000/x", ""),
    "for nobody": ({"http_proxy": "http://p:1", "NO_PROXY": "*"}, "http://a.example/x", ""),
}


@pytest.mark.parametrize("name", PROXIES)
def test_which_proxy(name: str) -> None:
    environ, url, expected = PROXIES[name]
    assert proxy_for(environ, url) == expected


def test_a_proxy_of_another_kind_is_an_error() -> None:
    with pytest.raises(MirrorError, match="'socks5'"):
        proxy_for({"http_proxy": "socks5://p:1"}, "http://a.example/")


def test_a_proxy_gets_whole_addresses_and_its_own_login(mirror: Server) -> None:
    mirror.files["http://a.example/x"] = b"through"
    proxy = mirror.url.replace("//", "//me:s%40cret@")
    web = Web(Mirrors({"http_proxy": proxy}))
    assert web.read("http://a.example/x") == b"through"
    ((path, headers),) = mirror.heard
    assert path == "http://a.example/x"
    assert headers["Proxy-Authorization"] == basic("me:s@cret")
    assert "Authorization" not in headers


def test_a_proxy_that_does_not_answer_is_an_error_without_its_password() -> None:
    web = Web(Mirrors({"http_proxy": "http://me:s%40cret@127.0.0.1:9"}))
    with pytest.raises(FetchError) as caught:
        web.read("http://you:s%40cret@a.example/x")
    assert "cret" not in str(caught.value)


# --- logins -----------------------------------------------------------------------------------------------


def basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


NPMRC = """registry=https://npm.example/
//npm.example/:_authToken=${NPM_TOKEN}
//npm.example/team/:_authToken = "team token"
//old.example:8080/:_auth=bWU6cHc=
//two.example/:username=me
//two.example/:_password=cHc=
_auth=c3RyYXk=
"""
NETRC = (
    "machine net.example login me password pw\nmachine npm.example login you password pw\ndefault login x password y\n"
)
LOGINS = {
    "npm's token, from a variable": ("https://npm.example/a", "Bearer t0ken"),
    "the longest path": ("https://npm.example/team/a", "Bearer team token"),
    "a path that only begins alike": ("https://npm.example/teams/a", "Bearer t0ken"),
    "npm's login": ("https://old.example:8080/a", "Basic bWU6cHc="),
    "another port": ("https://old.example/a", ""),
    "npm's user and password": ("https://two.example/a", basic("me:pw")),
    "netrc": ("https://net.example/a", basic("me:pw")),
    "netrc has no ports": ("https://net.example:444/a", basic("me:pw")),
    "netrc's default is nobody's": ("https://default/a", ""),
    "another host": ("https://other.example/a", ""),
    "a host that only ends alike": ("https://evil-npm.example/a", ""),
    "a host that only begins alike": ("https://npm.example.evil.example/a", ""),
    "a path that names it": ("https://evil.example/npm.example/a", ""),
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / ".npmrc").write_text(NPMRC)
    (tmp_path / ".netrc").write_text(NETRC)
    (tmp_path / ".netrc").chmod(0o600)
    yield tmp_path


@pytest.mark.parametrize("name", LOGINS)
def test_which_login(name: str, home: Path) -> None:
    url, expected = LOGINS[name]
    found = Credentials.of({"NPM_TOKEN": "t0ken"}, home).header(url)
    assert found == ({"Authorization": expected} if expected else {})


def test_a_login_in_the_address_wins(home: Path) -> None:
    assert Credentials.of({}, home).header("https://npm.example/a", "a:b") == {"Authorization": basic("a:b")}


def test_logins_are_in_no_representation(home: Path) -> None:
    assert "oken" not in repr(Credentials.of({"NPM_TOKEN": "t0ken"}, home))


def test_a_netrc_that_cannot_be_read_is_named_without_its_content(tmp_path: Path) -> None:
    (tmp_path / "rc").write_text("machine a login b password\nsecret c d e\n")
    with pytest.raises(MirrorError, match="rc line") as caught:
        Credentials.of({"NETRC": str(tmp_path / "rc")}, tmp_path)
    assert "secret" not in caught.value.remedy


def test_a_redirect_to_another_host_goes_without(mirror: Server, tmp_path: Path) -> None:
    (tmp_path / ".npmrc").write_text(f"//{mirror.url.partition('//')[2]}/:_authToken=t0ken\n")
    mirror.moved["/a"] = mirror.url.replace("127.0.0.1", "localhost") + "/b"
    mirror.files["/b"] = b"moved"
    assert Web(Mirrors({}, home=tmp_path)).read(f"{mirror.url}/a") == b"moved"
    assert [headers.get("Authorization") for _, headers in mirror.heard] == ["Bearer t0ken", None]


def test_a_refused_login_says_where_one_goes(mirror: Server, web: Web) -> None:
    mirror.faults["/x"] = [401]
    with pytest.raises(FetchError) as caught:
        web.read(f"{mirror.url}/x")
    assert "~/.netrc" in caught.value.remedy
