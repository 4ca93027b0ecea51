"""A notary server: it keeps the metadata, and signs snapshots and timestamps itself.

The same requests read what a file server has (imagemill.trust.static).
"""

from __future__ import annotations

import json
import re
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import urllib3
from urllib3.exceptions import HTTPError

from imagemill.credentials import proxy_for
from imagemill.errors import TrustError
from imagemill.trust.metadata import LONGEST, SNAPSHOT, TIMESTAMP, PublicKey
from imagemill.trust.store import Conflict, Unsure

_TIMEOUT = urllib3.Timeout(connect=15, read=60)
_AGAIN = urllib3.Retry(
    3, allowed_methods=("GET",), status_forcelist=(408, 425, 429, 500, 502, 503, 504), raise_on_status=False,
    backoff_factor=0.3, redirect=0,
)  # fmt: skip
_LONGEST_ANSWER = 1 << 20


class Notary:
    """The metadata of one GUN on a server.

    `login` is the header of a login, `Basic …`, which goes to who issues tokens; empty for nobody's. A registry's
    identity token (`Refresh …`) is for that registry's own service, and is sent to nobody.
    """

    managed = frozenset({SNAPSHOT, TIMESTAMP})

    def __init__(self, address: str, gun: str, pool: urllib3.PoolManager, login: str = "") -> None:
        parts = urllib.parse.urlsplit(address)
        if parts.scheme != "https" or not parts.netloc or parts.query:
            raise TrustError(
                f"{address} is no address of trust metadata", "write https://host[:port]; docker wants TLS"
            )
        if not re.fullmatch(r"[A-Za-z0-9._:/-]+", gun) or ".." in gun.split("/"):
            raise TrustError(
                f"{gun!r} is no name of a repository", "write it as docker does: registry.example.com/name"
            )
        self.gun = gun
        self._address = f"{address.rstrip('/')}/v2/{gun}/_trust/tuf/"
        self._pool = pool
        self._login = login if login.startswith("Basic ") else ""
        self._token = ""
        self._lock = threading.Lock()

    def read(self, name: str) -> bytes | None:
        """A file by its name without `.json`; None where there is none."""
        return self._asked(f"{name}.json", LONGEST)

    def key(self, role: str, *, new: bool = False) -> PublicKey:
        """The public key of a role that the server signs; `new` has it make another one."""
        if role not in self.managed:
            raise TrustError(f"a notary server holds no {role} key", "make one with `imagemill trust init`")
        what = f"{role}.key"
        data = self._sent(what, b"", "") if new else self._asked(what, _LONGEST_ANSWER)
        try:
            return msgspec.json.decode(data or b"", type=PublicKey)
        except msgspec.MsgspecError:
            raise TrustError(
                f"{self._address}{what}: the answer is no key", "see whether a notary server is there"
            ) from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nothing: who comes second is told so when it writes."""
        yield

    def write(self, files: Mapping[str, bytes]) -> None:
        """Have the server take files by their roles, all or none. Raises Conflict, Unsure and TrustError."""
        fields = [("files", (role, data, "application/octet-stream")) for role, data in files.items()]
        body, kind = urllib3.encode_multipart_formdata(fields)
        self._sent("", body, kind)

    def _asked(self, name: str, longest: int) -> bytes | None:
        what = self._address + name
        status, data = self._allowed(lambda headers: self._once("GET", what, headers, None, longest, _AGAIN), "pull")
        if status == 404:
            return None
        if status != 200:
            raise TrustError(f"{what}: {status}{_said(data)}", _remedy(status))
        return data

    def _sent(self, name: str, body: bytes, kind: str) -> bytes:
        what = self._address + name

        def once(headers: Mapping[str, str]) -> tuple[int, bytes, str]:
            sent = {**headers, **({"Content-Type": kind} if kind else {})}
            try:
                return self._once("POST", what, sent, body, _LONGEST_ANSWER, urllib3.Retry(0, read=False, redirect=0))
            except TrustError as error:
                raise Unsure(error.message, error.remedy) from None

        status, data = self._allowed(once, "push,pull")
        if status == 200:
            return data
        message = f"{what}: {status}{_said(data)}"
        if status == 409 or (status == 400 and b'"VERSION"' in data):
            raise Conflict(message, "run it again: somebody else wrote in between")
        if status >= 500 or status == 429:
            raise Unsure(message, _remedy(status))
        if status == 400:
            # a root that is not the next one, or a targets file whose parent has changed, are conflicts too
            raise Conflict(message, "see whether the server's clock and keys are right, and who else writes")
        raise TrustError(message, _remedy(status))

    def _allowed(self, ask: Callable[[Mapping[str, str]], tuple[int, bytes, str]], actions: str) -> tuple[int, bytes]:
        """An answer, with a token where the server wants one; a token that has run out is had anew."""
        token = self._token
        status, data, challenge = ask({"Authorization": token} if token else {})
        if status == 401 and challenge:
            with self._lock:
                if self._token in ("", token):
                    self._token = self._new_token(challenge, actions)
            status, data, _ = ask({"Authorization": self._token})
        return status, data

    def _new_token(self, challenge: str, actions: str) -> str:
        """What to send as Authorization. Source: the token authentication of Docker's registry."""
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic" and self._login:
            return self._login
        words = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        realm = words.get("realm", "")
        if scheme.lower() != "bearer" or urllib.parse.urlsplit(realm).scheme != "https":
            raise TrustError(f"{self._address}: {scheme or 'no'} login is wanted", "log in with `docker login`")
        # one token for all that is done; only to have keys changed a server wants more
        asked = set(words.get("scope", "").rpartition(":")[2].split(",")) - {""}
        wanted = ",".join(sorted({*asked, *("pull,push" if self._login else actions).split(",")}))
        query = urllib.parse.urlencode(
            {"scope": f"repository:{self.gun}:{wanted}", "service": words.get("service", "")}
        )
        headers = {"Authorization": self._login} if self._login else {}
        address = f"{realm}{'&' if '?' in realm else '?'}{query}"
        status, data, _ = self._once("GET", address, headers, None, _LONGEST_ANSWER, _AGAIN)
        if status != 200:
            raise TrustError(f"{realm}: {status}: no token for {self.gun}", "log in with `docker login`")
        try:
            answer = json.loads(data)
            return f"Bearer {answer.get('token') or answer['access_token']}"
        except (ValueError, KeyError, AttributeError):
            raise TrustError(f"{realm}: the answer holds no token", "see whether a token service is there") from None

    def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        longest: int,
        retries: urllib3.Retry,
    ) -> tuple[int, bytes, str]:
        """Status, body and challenge of one request. Raises TrustError where there is no answer."""
        try:
            answer: Any = self._pool.request(
                method, url, headers=headers, body=body, retries=retries, timeout=_TIMEOUT, preload_content=False
            )
            try:
                data = answer.read(longest + 1, decode_content=True)
                if len(data) > longest:
                    answer.close()
                    raise TrustError(f"{url}: longer than any metadata", "see what the server serves there")
                return answer.status, data, answer.headers.get("WWW-Authenticate", "")
            finally:
                answer.release_conn()
        except HTTPError as error:
            why = str(getattr(error, "reason", None) or error)
            raise TrustError(f"{url}: {why}", "see whether the server answers, and its certificate") from None


def pool_for(address: str, environ: Mapping[str, str], home: Path) -> urllib3.PoolManager:
    """Connections to a server, with the certificates that docker would trust for it, and the environment's proxy.

    Besides those of the system (or SSL_CERT_FILE): `tls/HOST[:PORT]/*.crt` of docker's configuration, and the pairs
    `*.cert` and `*.key` there as certificates of our own.
    """
    context = ssl.create_default_context(cafile=environ.get("SSL_CERT_FILE") or None)
    folder = Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "tls" / urllib.parse.urlsplit(address).netloc
    try:
        for file in sorted(folder.glob("*.crt")):
            context.load_verify_locations(file)
        for file in sorted(folder.glob("*.cert")):
            context.load_cert_chain(file, file.with_suffix(".key"))
    except (OSError, ssl.SSLError) as error:
        raise TrustError(f"{folder}: {error}", "see which certificates are there") from None
    proxy = proxy_for(environ, address)
    if proxy:
        return urllib3.ProxyManager(proxy, ssl_context=context, proxy_ssl_context=context)
    return urllib3.PoolManager(ssl_context=context)


def _said(data: bytes) -> str:
    """What a server's error says: Notary's own words are in `detail`."""
    try:
        first = json.loads(data)["errors"][0]
        detail = first.get("detail")
        inner = detail.get("error", detail) if isinstance(detail, dict) else detail
        words = inner.get("Msg", "") if isinstance(inner, dict) else inner
        return f": {first.get('message', '')}" + (f" ({words})" if isinstance(words, str) and words else "")
    except (ValueError, KeyError, IndexError, AttributeError, TypeError):
        return ""


def _remedy(status: int) -> str:
    if status in (401, 403):
        return "log in with `docker login` as somebody who may sign there"
    return "see whether the server is well; nothing that was signed before is lost"
