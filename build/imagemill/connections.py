"""Connections: each host is looked up once, and no answer is waited for that only dribbles in."""

from __future__ import annotations

import functools
import socket
import threading
from contextlib import suppress

import urllib3
from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

_SECONDS = 60.0  # in which a byte has to come, where nothing else is said

_resolving = threading.Lock()


@functools.lru_cache(maxsize=64)
def addresses(host: str, port: int) -> tuple[str, ...]:
    """The addresses of a host, best first, for the life of the process."""
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(row[4][0]) for row in rows))


class _Resolved(HTTPConnection):
    """Asks the resolver once for all connections to a host: many resolvers drop bursts of questions, and then
    each question takes the 5 seconds of its timeout. And waits for no head of an answer that only dribbles in."""

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's own
        """The answer, or TimeoutError when its head is not there in twice the time that no byte may take."""
        late = threading.Event()

        def give_up(connection: socket.socket) -> None:
            late.set()
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # not TLS's own, which spoils the object

        timer = threading.Timer(2 * float(self.timeout or _SECONDS), give_up, (self.sock,))
        timer.daemon = True
        timer.start()
        try:
            return super().getresponse()
        finally:
            timer.cancel()
            if late.is_set():  # an end of the connection looks like the end of the head
                raise TimeoutError("the head of the answer did not come to its end")

    def _new_conn(self) -> socket.socket:
        host = self._dns_host
        try:
            with _resolving:
                found = addresses(host, self.port)
        except OSError:
            return super()._new_conn()  # it fails in its own words
        try:
            for address in found:
                self._dns_host = address
                try:
                    return super()._new_conn()
                except NewConnectionError:
                    if address == found[-1]:
                        raise
        finally:
            self._dns_host = host
        raise AssertionError("unreachable")


class _ResolvedTls(_Resolved, HTTPSConnection):
    """The same, encrypted."""


class HttpPool(urllib3.HTTPConnectionPool):
    """A pool of them."""

    ConnectionCls = _Resolved


class HttpsPool(urllib3.HTTPSConnectionPool):
    """A pool of encrypted ones."""

    ConnectionCls = _ResolvedTls
