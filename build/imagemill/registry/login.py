"""How a registry is logged in to: with nothing, a login, or a token that a service gives for one.

Source: "Token Authentication" and "OAuth2 Token Authentication" of the Distribution project; RFC 9110, 11.
"""

from __future__ import annotations

import ipaddress
import json
import re
import threading
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

from imagemill.errors import FetchError, RegistryError
from imagemill.registry.faults import Answer, refusal
from imagemill.web import Web, whole

_LONGEST = 1 << 20
_LEAST_LIFE = 60.0  # seconds that a token holds which does not say how long

Scopes = tuple[str, ...]
"""What is to be done: `repository:PATH:pull,push`, for each repository that takes part."""


@dataclass
class _Token:
    header: str = field(repr=False)
    renew: float  # by the monotonic clock: what a token's own clock says is another machine's


class Login:
    """Headers for one registry. `basic` is a header, `Basic …`; empty where there is no login.

    A login goes nowhere before it is asked for, and from then on with every request: a registry that refuses the
    head of a long upload ends the connection in its middle.
    """

    def __init__(self, web: Web, host: str, basic: str) -> None:
        self.there = bool(basic)
        self._web = web
        self._host = host
        self._basic = basic
        self._wants_basic = False
        self._realm = ""
        self._service = ""
        self._tokens: dict[Scopes, _Token] = {}
        self._lock = threading.Lock()

    def header(self, scopes: Scopes) -> dict[str, str]:
        """The header for a request; a token that is about to end is renewed first. Raises RegistryError."""
        with self._lock:
            if self._wants_basic:
                return {"Authorization": self._basic}
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
            if "basic" in offered and self._basic and before != self._basic:
                self._wants_basic = True
                return True
            return False

    def _new(self, scopes: Scopes) -> _Token:
        realm, what = urllib.parse.urlsplit(self._realm), f"a token for {self._host}"
        if self._basic and realm.scheme != "https" and not is_here(realm.netloc):
            raise RegistryError(
                f"{self._host} wants its login sent to {realm.netloc} without encryption", "use another registry"
            )
        query = [*(("scope", scope) for scope in scopes), *([("service", self._service)] if self._service else [])]
        address = f"{self._realm}{'&' if realm.query else '?'}{urllib.parse.urlencode(query)}"
        asked = time.monotonic()
        try:
            headers = {"Authorization": self._basic} if self._basic else {}
            with self._web.answered("GET", address, headers) as got:
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


_CHALLENGE = re.compile(r'(?:^|,)\s*(Basic|Bearer)\b((?:[^",]|"[^"]*"|,(?!\s*(?:Basic|Bearer)\b))*)', re.IGNORECASE)


def is_here(host: str) -> bool:
    """Whether a host (with or without a port) is this machine itself, which needs no encryption."""
    name = urllib.parse.urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
