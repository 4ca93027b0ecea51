"""Requests to one registry: logged in, encrypted where it can be, tried again when a fault may pass."""

from __future__ import annotations

import threading
import urllib.parse
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from imagemill.credentials import is_here
from imagemill.errors import FetchError, RegistryError
from imagemill.registry.faults import Answer, Busy, refusal
from imagemill.registry.login import Given, Login, Scopes
from imagemill.web import READ, NotTls, Web, whole

ATTEMPTS = 6
LONGEST = 16 << 20  # bytes of any answer but a blob
_REFUSALS = 2  # without a token, and with one that ended at that moment
_STORING = 300.0  # seconds in which a registry may put what it was sent in its place

Body = Callable[[], tuple[Any, int]]
"""Opens what is to be sent, from its beginning: bytes or something to read from, and its length."""
_T = TypeVar("_T")


class Session:
    """One registry, `host[:port]`, and the login for it.

    A registry on this machine may do without encryption, as for docker: it is asked whether it speaks TLS first.
    `wait` waits for seconds; None is a wait that `close` ends.
    """

    def __init__(self, web: Web, host: str, login: Given, wait: Callable[[float], object] | None = None) -> None:
        self.host = host
        self._web = web
        self._login = Login(web, host, login)
        self._closed = threading.Event()
        self._wait = wait or self._closed.wait
        self._scheme = "https"
        self._encrypts = False

    @property
    def logged_in(self) -> bool:
        """Whether there is a login that may be the wrong one."""
        return self._login.there

    def close(self) -> None:
        """Have what other threads still do with this registry end soon, with an error."""
        self._closed.set()

    def check(self) -> None:
        """Raises RegistryError when `close` was called."""
        if self._closed.is_set():
            raise RegistryError(f"{self.host}: given up", "run it again: what is there already is not sent again")

    def persistent(self, call: Callable[[], _T]) -> _T:
        """Call, and again with growing pauses, or those that the registry asks for, while a fault may pass."""
        for attempt in range(ATTEMPTS):
            self.check()
            try:
                return call()
            except RegistryError as error:
                if not error.transient or attempt == ATTEMPTS - 1:
                    raise
                self.pause(attempt, error)
        raise AssertionError("unreachable")

    def pause(self, attempt: int, error: RegistryError) -> None:
        """Wait after a failed attempt, of which the first has the number 0."""
        self._wait(max(0.5 * 2**attempt, error.seconds if isinstance(error, Busy) else 0.0))

    def ask(
        self,
        what: str,
        method: str,
        path: str,
        scopes: Scopes,
        *,
        good: Collection[int],
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> Answer:
        """The answer to one request; RegistryError for another status than the `good` ones."""
        with self.opened(what, method, path, scopes, headers=headers, body=body) as got:
            answer = Answer(got.status, got.headers, whole(got, LONGEST, READ))
        if answer.status not in good:
            raise refusal(self.host, what, answer, logged_in=self.logged_in)
        return answer

    @contextmanager
    def opened(
        self,
        what: str,
        method: str,
        path: str,
        scopes: Scopes,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> Iterator[Any]:
        """The answer to one request, to be read inside the block; faults inside it are RegistryErrors.

        `path` begins with a slash, or is an address that the registry has given.
        """
        refusals = 0
        try:
            while True:
                url = self._url(path)
                trusted = urllib.parse.urlsplit(url).netloc == self.host  # elsewhere the login has no business
                login = self._login.header(scopes) if trusted else {}
                data, size = body() if body else (None, 0)
                sent = {**({"Content-Length": str(size)} if body else {}), **(headers or {}), **login}
                try:
                    with self._web.answered(method, url, sent, data, read=_STORING if size else READ) as answer:
                        self._encrypts |= url.startswith("https:")
                        if answer.status != 401 or not trusted or refusals == _REFUSALS:
                            yield answer
                            return
                        refused = Answer(401, answer.headers, whole(answer, LONGEST, READ))
                except NotTls:
                    if self._encrypts or not is_here(self.host):
                        raise
                    self._scheme = "http"
                    continue
                refusals += 1
                if not self._login.learn(answer.headers.get("WWW-Authenticate", ""), scopes, login):
                    raise refusal(self.host, what, refused, logged_in=self.logged_in)
        except FetchError as error:
            raise RegistryError(f"{what}: {error.message}", self._remedy(error), transient=error.transient) from None

    def _url(self, path: str) -> str:
        """The address of a path, or of one that the registry gave; it may not know that it is reached by TLS."""
        url = urllib.parse.urljoin(f"{self._scheme}://{self.host}/", path)
        parts = urllib.parse.urlsplit(url)
        if parts.netloc == self.host:
            return urllib.parse.urlunsplit(parts._replace(scheme=self._scheme))
        if parts.scheme != "https" and not is_here(parts.netloc):
            raise RegistryError(
                f"{self.host}: sends us on to {parts.netloc} without encryption", "look what answers in its place"
            )
        return url

    def _remedy(self, error: FetchError) -> str:
        if error.transient:
            return f"see whether {self.host} answers, and try again"
        return f"put the certificate of who signed it into ~/.config/docker/certs.d/{self.host}/ca.crt"
