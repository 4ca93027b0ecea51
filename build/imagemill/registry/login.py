"""How a registry is logged in to: with nothing, a login, or a token that a service gives for one.

Source: "Token Authentication" and "OAuth2 Token Authentication" of the Distribution project; RFC 9110, 11.
"""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from imagemill.credentials import is_here
from imagemill.errors import FetchError, RegistryError
from imagemill.registry.faults import Answer, refusal
from imagemill.web import Web, whole

_LONGEST = 1 << 20
_LEAST_LIFE = 60.0  # seconds that a token holds which does not say how long

Scopes = tuple[str, ...]
"""What is to be done: `repository:PATH:pull,push`, for each repository that takes part."""

Given = str | Callable[[], str]
"""A login: a header, `Basic …`, or an identity token as `Refresh …`; empty for none. Or what gives the one that is good
now, for logins that end: it is asked again before each use."""


@dataclass
class _Token:
    header: str = field(repr=False)
    renew: float  # by the monotonic clock: what a token's own clock says is another machine's


class Login:
    """Headers for one registry, of a login that was given.

    A login goes nowhere before it is asked for, and from then on with every request: a registry that refuses the
    head of a long upload ends the connection in its middle.
    """

    def __init__(self, web: Web, host: str, login: Given) -> None:
        self.there = bool(login)
        self._web = web
        self._host = host
        self._login: Callable[[], str] = login if callable(login) else lambda: login
        self._wants_basic = False
        self._realm = ""
        self._service = ""
        self._tokens: dict[Scopes, _Token] = {}
        self._lock = threading.Lock()

    def header(self, scopes: Scopes) -> dict[str, str]:
        """The header for a request; a token that is about to end is renewed first. Raises RegistryError."""
        with self._lock:
            if self._wants_basic:
                return {"Authorization": self._login()}
            if not self._realm:
                return {}
            token = self._tokens.get(scopes)
            if token is None or token.renew < time.monotonic():
                token = self._tokens[scopes] = self._new(scopes)
            return {"Authorization": token.header}

    def learn(self, challenge: str, scopes: Scopes, sent: Mapping[str, str]) -> bool:
        """Take in what a refusal asks for. Returns whether there is something else to try than what was `sent`."""
        with self._lock:
            offered = {one[1].lower(): one[2] for one in _CHALLENGE.finditer(challenge)}
            words = dict(re.findall(r'(\w+)="([^"]*)"', offered.get("bearer", "")))
            before = sent.get("Authorization", "")
            if words.get("realm", "").startswith(("https://", "http://")):
                self._realm, self._service = words["realm"], words.get("service", "")
                if scopes in self._tokens and self._tokens[scopes].header == before:  # else others have renewed it
                    del self._tokens[scopes]
                return True
            if "basic" in offered:
                login = self._login()
                if login.startswith("Basic ") and login != before:
                    self._wants_basic = True  # and stays so: another refusal may be about something else
                    return True
            return False

    def _new(self, scopes: Scopes) -> _Token:
        realm, what, login = urllib.parse.urlsplit(self._realm), f"a token for {self._host}", self._login()
        if login and realm.scheme != "https" and not is_here(realm.netloc):
            raise RegistryError(
                f"{self._host} wants its login sent to {realm.netloc} without encryption", "use another registry"
            )
        asked = time.monotonic()
        method, address, headers, body = _request(self._realm, self._service, scopes, login)
        try:
            with self._web.answered(method, address, headers, body) as got:
                answer = Answer(got.status, got.headers, whole(got, _LONGEST))
        except FetchError as error:
            raise RegistryError(f"{what}: {error.message}", error.remedy, transient=error.transient) from None
        if answer.status != 200:
            raise refusal(self._host, f"{what} from {realm.netloc}", answer, logged_in=self.there)
        try:
            data = json.loads(answer.body)
            value = data.get("token") or data.get("access_token")
            life = float(data.get("expires_in", _LEAST_LIFE))
        except (ValueError, TypeError, AttributeError, RecursionError):
            value, life = None, 0.0
        if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]+", value):
            raise RegistryError(f"{what}: {realm.netloc} answers with none", f"see what is wrong with {self._host}")
        return _Token(f"Bearer {value}", asked + life - min(10.0, life / 4))


def _request(realm: str, service: str, scopes: Scopes, login: str) -> tuple[str, str, dict[str, str], bytes | None]:
    """What asks for a token: a GET with the login in its header, or with an identity token a POST of OAuth2."""
    served = [("service", service)] if service else []
    if login.startswith("Refresh "):
        words = [("grant_type", "refresh_token"), *served, ("client_id", "imagemill"), ("scope", " ".join(scopes)),
                 ("refresh_token", login.removeprefix("Refresh "))]  # fmt: skip
        body = urllib.parse.urlencode(words).encode("ascii")
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
        return "POST", realm, headers, body
    query = urllib.parse.urlencode([*(("scope", scope) for scope in scopes), *served])
    headers = {"Authorization": login} if login else {}
    return "GET", f"{realm}{'&' if urllib.parse.urlsplit(realm).query else '?'}{query}", headers, None


_CHALLENGE = re.compile(r'(?:^|,)\s*(Basic|Bearer)\b((?:[^",]|"[^"]*"|,(?!\s*(?:Basic|Bearer)\b))*)', re.IGNORECASE)
