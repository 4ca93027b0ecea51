"""Secrets by how they look: keys and tokens that somebody left in a file.

Only forms that are secret for certain: each has a beginning of its own, or the key's own armour. Values that
documentation uses as examples are none.
"""

from __future__ import annotations

import re

from msgspec import Struct

LONGEST = 1 << 20
"""Bytes of a file beyond which it is not searched: what people write secrets into is short."""


class Leak(Struct, frozen=True):
    """A kind of secret: what any of them contains (searched for first, because that is fast), and its whole form."""

    id: str
    contains: bytes
    pattern: bytes
    source: str


LEAKS = (
    Leak(
        "private-key",
        b"PRIVATE KEY-----",
        rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\r?\n(?:[A-Za-z-]+: [^\n]*\n|\r?\n)*[A-Za-z0-9+/=]{60}",
        "RFC 7468, section 10",
    ),
    Leak(
        "aws-access-key",
        b"AKIA",
        rb"(?<![A-Z0-9])AKIA[A-Z2-7]{16}(?![A-Z0-9])(?<!EXAMPLE)",
        "AWS: access key identifiers begin with AKIA",
    ),
    Leak("github-token", b"ghp_", rb"ghp_[A-Za-z0-9]{36}(?![A-Za-z0-9])", "GitHub: ghp_ and 36 letters"),
    Leak("npm-token", b"npm_", rb"(?<!\w)npm_[A-Za-z0-9]{36}(?!\w)", "npm: npm_ and 36 letters"),
    Leak("npm-login", b":_authToken=", rb"(?m)^//\S+/?:_authToken=[^\s$]{8,}", ".npmrc with a token"),
    Leak("pypi-token", b"pypi-AgE", rb"pypi-AgE[A-Za-z0-9_-]{50,}", "PyPI: pypi- and a macaroon"),
    Leak("slack-token", b"xoxb-", rb"xoxb-[0-9]{10,}-[0-9]{10,}-[A-Za-z0-9]{24}", "Slack: bot tokens"),
    Leak(
        "docker-login",
        b'"auths"',
        rb'"auth"\s*:\s*"[A-Za-z0-9+/]{8,}={0,2}"',
        "docker login writes them to config.json",
    ),
)


def search(data: bytes) -> tuple[str, ...]:
    """The kinds of secrets in a file's content, by their ids."""
    return tuple(leak.id for leak in LEAKS if leak.contains in data and re.search(leak.pattern, data))
