"""HTTP for downloads: few kept-alive connections, resumed where they break, through proxies, with logins."""

from __future__ import annotations

import email.utils
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, SSLError

from imagemill import authorities
from imagemill.connections import HttpPool, HttpsPool
from imagemill.credentials import Credentials, login_of, proxy_for
from imagemill.errors import FetchError
from imagemill.mirrors import Mirrors

CONNECTIONS = 8  # to one host; more gain nothing
_ATTEMPTS = 4
_CHUNK = 1 << 18
_BLOCK = 1 << 17  # of a body that is sent; has to go out within _CONNECT seconds, so no more
_CONNECT = 15.0
READ = 60.0  # seconds without a byte
_LEAST = 1 << 16  # bytes that have to come in that time, of what is long
_LONGEST_WAIT = 60.0  # who asks for more is asked again earlier, and then given up
_LONGEST_PAGE = 1 << 28  # npm's own document is the longest there is, 30 MB
_T = TypeVar("_T")
# what OpenSSL 1.1 to 3.5 call an answer in plain HTTP
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


class NotThere(FetchError):
    """A definitive answer: the address has nothing."""


class Later(FetchError):
    """A server that wants to be left alone for `seconds`."""

    seconds = 0.0


class NotTls(FetchError):
    """Who answers does not speak TLS."""


class _Broken(FetchError):
    """The connection ended before the body did."""


class Web:
    """HTTP over kept-alive connections, with retries for faults that pass.

    Proxies, certificates and logins are those of the environment and the home directory that `mirrors` has.
    """

    def __init__(self, mirrors: Mirrors) -> None:
        self._environ = mirrors.environ
        self._mirrors = mirrors
        self._folders = authorities.folders(mirrors.environ, mirrors.home)
        self._credentials = Credentials.of(mirrors.environ, mirrors.home)
        self._pools: dict[tuple[str, Path | None], urllib3.PoolManager] = {}  # by proxy, and folder of certificates
        self._lock = threading.Lock()

    def stream(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """The body of a GET, in pieces. Raises FetchError; `transient` tells whether to try again.

        A connection that breaks is made anew from where it broke, as long as the server can say that it still
        has the same file (RFC 9110, 13.1.5); no byte is asked for twice.
        """
        place, same, broken = 0, "", 0
        while True:
            resume = {"Range": f"bytes={place}-", "If-Range": same} if place else {}
            try:
                # a compressed answer has no places to go on from
                with self._asked(url, {"Accept-Encoding": "identity", **(headers or {}), **resume}) as answer:
                    if place and not answer.headers.get("Content-Range", "").startswith(f"bytes {place}-"):
                        raise FetchError(f"{shown(url)}: cannot be resumed", "try again", transient=True)
                    same = same or _validator(answer.headers)
                    for chunk in pieces(answer, READ):
                        place, broken = place + len(chunk), 0
                        yield chunk
                return
            except _Broken:
                broken += 1
                if not place or not same or broken == _ATTEMPTS:
                    raise
                time.sleep(_pause(broken - 1))

    def read(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """The whole body of a GET; transient faults are tried again."""

        def whole() -> bytes:
            body = bytearray()
            with self._asked(url, {"Accept-Encoding": "gzip", **(headers or {})}) as answer:
                for chunk in answer.stream(_CHUNK, decode_content=True):
                    body += chunk
                    if len(body) > _LONGEST_PAGE:
                        raise FetchError(f"{shown(url)}: longer than any page is", "see what the mirror serves there")
            return bytes(body)

        return retried(whole)

    @contextmanager
    def answered(
        self, method: str, url: str, headers: Mapping[str, str], body: Any = None, *, read: float = READ, again: int = 0
    ) -> Iterator[Any]:
        """The answer to a request, whatever its status, to be read inside the block.

        `body` is bytes, or has a `read(size)`; then `headers` has its Content-Length. `read` is how many seconds may
        pass without a byte, and half of those in which the head of the answer has to be there. GET and HEAD go where
        they are sent on to, without the login on another host, and are sent `again` that often. Raises FetchError
        where no answer comes: NotTls is one.
        """
        plain, login = login_of(url)
        headers = {**self._credentials.header(plain, login), **headers}
        follow = 3 if method in ("GET", "HEAD") else 0
        try:
            answer: Any = self._pool(plain).request(
                method,
                plain,
                body=body,
                headers=headers,
                preload_content=False,
                redirect=bool(follow),
                retries=urllib3.Retry(total=None, connect=again, read=again, other=again, redirect=follow),
                timeout=urllib3.Timeout(connect=_CONNECT, read=read),
            )
        except HTTPError as error:
            raise _unanswered(plain, error) from None
        try:
            yield answer
        except HTTPError as error:
            raise _Broken(f"{_public(plain)}: {_told(error)}", "try again", transient=True) from None
        finally:
            answer.close()  # what was read to its end has gone back to the pool already
            answer.release_conn()  # a closed connection gives its place in the pool back

    @contextmanager
    def _asked(self, url: str, headers: Mapping[str, str]) -> Iterator[Any]:
        """The answer to a GET whose status is good, to be read inside the block."""
        with self.answered("GET", url, headers, again=3) as answer:
            if answer.status not in (200, 206):
                answer.drain_conn()  # so that the connection can be used again
                what, resumed = f"{login_of(url)[0]}: {answer.status}", "Range" in headers
                if answer.status in (404, 410) and not resumed:
                    raise NotThere(what, "see whether the mirror is complete")
                if answer.status in (401, 403):
                    raise FetchError(what, _remedy(answer.status))
                if answer.status in (429, 503) and "Retry-After" in answer.headers:
                    later = Later(what, _remedy(answer.status), transient=True)
                    later.seconds = seconds_of(answer.headers["Retry-After"])
                    raise later
                transient = answer.status in TRANSIENT or resumed
                raise FetchError(what, _remedy(answer.status), transient=transient)
            yield answer

    def _pool(self, url: str) -> urllib3.PoolManager:
        proxy, login = login_of(proxy_for(self._environ, url))
        folder = authorities.folder_of(urllib3.util.parse_url(url).netloc or "", self._folders)
        with self._lock:
            if (proxy, folder) not in self._pools:
                context = authorities.context(self._mirrors.certificates, folder)  # read once, and not a connection
                settings: dict[str, Any] = {
                    "maxsize": CONNECTIONS,
                    "block": True,
                    "blocksize": _BLOCK,
                    "ssl_context": context,
                }
                if proxy:
                    header = urllib3.make_headers(proxy_basic_auth=login) if login else None
                    pool: urllib3.PoolManager = urllib3.ProxyManager(
                        proxy, proxy_headers=header, proxy_ssl_context=context, **settings
                    )
                else:
                    pool = urllib3.PoolManager(**settings)
                pool.pool_classes_by_scheme = {"http": HttpPool, "https": HttpsPool}
                self._pools[proxy, folder] = pool
            return self._pools[proxy, folder]


def retried(call: Callable[[], _T]) -> _T:
    """Call, and again with growing pauses while it fails for a reason that may pass."""
    for attempt in range(_ATTEMPTS):
        try:
            return call()
        except FetchError as error:
            if not error.transient or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(max(_pause(attempt), error.seconds if isinstance(error, Later) else 0.0))
    raise AssertionError("unreachable")


def shown(url: str) -> str:
    """An address without what may be a password in it."""
    return re.sub(r"//[^/@]*@", "//", url)


def pieces(answer: Any, seconds: float) -> Iterator[bytes]:
    """The body of an answer as it comes. Raises FetchError where less than _LEAST bytes of it come in `seconds`."""
    waited, count = 0.0, 0
    while True:
        begun = time.monotonic()
        piece = answer.read1(_CHUNK, decode_content=False)
        waited, count = waited + time.monotonic() - begun, count + len(piece)  # what is done with them is not its fault
        if not piece:
            return
        yield piece
        if waited > seconds:
            if count < _LEAST:
                raise _Broken(
                    f"{count} bytes in {waited:.0f} s", "try again when the connection is better", transient=True
                )
            waited, count = 0.0, 0


def whole(answer: Any, longest: int, seconds: float = READ) -> bytes:
    """The rest of an answer, of at most `longest` bytes, and none that dribbles in for longer than `seconds`.

    Raises FetchError.
    """
    ends, body = time.monotonic() + seconds, bytearray()
    while piece := answer.read1(_CHUNK, decode_content=True):
        body += piece
        if len(body) > longest:
            raise FetchError(f"an answer of more than {longest} bytes", "see what serves it")
        if time.monotonic() > ends:
            raise FetchError(f"an answer that takes more than {seconds:.0f} s", "try again", transient=True)
    return bytes(body)


def seconds_of(retry_after: str) -> float:
    """How long Retry-After asks to wait (RFC 9110, 10.2.3): seconds or a date; never more than _LONGEST_WAIT."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time()
        except ValueError:
            seconds = 0.0
    return min(max(seconds, 0.0), _LONGEST_WAIT) if seconds == seconds else 0.0  # not a number


def _unanswered(url: str, error: HTTPError) -> FetchError:
    place = _public(url)
    cause: Any = error
    while isinstance(cause, MaxRetryError) and cause.reason is not None:
        cause = cause.reason
    inner = cause.args[0] if isinstance(cause, SSLError) and cause.args else None
    if isinstance(inner, ssl.SSLCertVerificationError):
        return FetchError(
            f"{place}: its certificate is not trusted: {inner.verify_message}",
            "set SSL_CERT_FILE to the certificates of who signed it",
        )
    if isinstance(inner, ssl.SSLError) and inner.reason in _NO_TLS:
        return NotTls(f"{place}: does not speak TLS", "see whether the mirror answers", transient=True)
    return FetchError(f"{place}: {_told(cause)}", "see whether the mirror answers", transient=True)


def _told(error: object) -> str:
    """What a fault of urllib3's says, without the object that it happened to."""
    return re.sub(r"^<?\w+\((host|\w+)=[^)]*\)>?: ", "", str(error))


def _public(url: str) -> str:
    """An address without its query, which may be a kind of password."""
    return url.partition("?")[0]


def _pause(attempt: int) -> float:
    """Seconds to wait after a failed attempt, of which the first has the number 0."""
    return 0.5 * 3.0**attempt


def _remedy(status: int) -> str:
    if status in (401, 403):
        return "put the login for this host into ~/.netrc, ~/.npmrc, or the address of the mirror"
    if status == 407:
        return "put the proxy's login into its address"
    return "see whether the mirror answers"


def _validator(headers: Mapping[str, str]) -> str:
    """What tells a server which version of a file was begun; empty when there is nothing exact enough."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
