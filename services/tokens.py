"""A token service for a registry and a notary: who may do what in which repository, for how long.

Source: the token authentication specification of Docker's registry (JWT, RFC 7519, signed with ES256).
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from certificates import Pair

SERVICE = "imagemill"
ISSUER = "imagemill tokens"
EVERYTHING = frozenset({"pull", "push", "delete", "*"})


@dataclass
class Tokens:
    """A token service that runs. Everybody may pull; `users` (password, actions) may do what they may."""

    address: str
    pair: Pair
    users: Mapping[str, tuple[str, frozenset[str]]]
    lifetime: int = 300
    given: list[str] = field(default_factory=list)
    """The scopes that were asked for, in order."""

    def token(self, query: Mapping[str, list[str]], user: str) -> str:
        """A token for what a query asks for, as far as `user` (empty for anybody) may have it."""
        allowed = self.users[user][1] if user else frozenset({"pull"})
        access = []
        for scope in " ".join(query.get("scope", [])).split():
            self.given.append(scope)
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            access.append({"type": kind, "name": name, "actions": sorted(set(actions.split(",")) & allowed)})
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": user,
            "aud": query.get("service", [SERVICE])[0],
            "exp": now + self.lifetime,
            "nbf": now - 10,
            "iat": now,
            "jti": secrets.token_hex(8),
            "access": access,
        }
        certificate = x509.load_pem_x509_certificate(self.pair.certificate.read_bytes())
        chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]
        key = load_pem_private_key(self.pair.key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - it is what `certificates` makes
        signed = f"{_coded({'typ': 'JWT', 'alg': 'ES256', 'x5c': chain})}.{_coded(claims)}"
        r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def user(self, header: str) -> str | None:
        """Who a header of HTTP's Basic authentication is; empty for nobody, None for a wrong password."""
        if not header.startswith("Basic "):
            return ""
        name, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        known = self.users.get(name)
        return name if known and hmac.compare_digest(known[0], password) else None


def users_of(text: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Users who may do everything, of lines `name:password`. ValueError for another line; `#` begins a comment."""
    users = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, password = line.partition(":")
        if line.strip() and not line.startswith("#"):
            if not (name and colon and password):
                raise ValueError(f"line {number}: write it as name:password")
            users[name] = (password, EVERYTHING)
    return users


def new_user() -> str:
    """Such a line for a user `publisher` with a password of its own."""
    return f"publisher:{secrets.token_urlsafe(24)}\n"


@contextmanager
def serving(
    pair: Pair,
    users: Mapping[str, tuple[str, frozenset[str]]],
    *,
    listen: str = "127.0.0.1",
    port: int = 0,
    name: str = "127.0.0.1",
) -> Iterator[Tokens]:
    """A token service with the certificate of `pair`, which signs tokens too. Port 0 is a free one.

    It takes connections to the address `listen`, and clients reach it by `name`.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            user = tokens.user(self.headers.get("Authorization", ""))
            if user is None:
                self._answer(401, {"details": "wrong user or password"})
                return
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            self._answer(200, {"token": tokens.token(query, user), "expires_in": tokens.lifetime})

        def _answer(self, status: int, data: object) -> None:
            body = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: tokens and passwords are in no log."""

    server = ThreadingHTTPServer((listen, port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    tokens = Tokens(f"https://{name}:{server.server_port}/token", pair, users)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield tokens
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _coded(data: object) -> str:
    return _base64(json.dumps(data, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
