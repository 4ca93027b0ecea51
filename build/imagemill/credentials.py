"""Logins for mirrors, as npm, pip and curl keep them, and proxies: each login goes to its own host and no other.

Sources of the formats: npm's documentation of .npmrc ("auth related configuration"), netrc(5), and curl(1)
for the variables of proxies.
"""

from __future__ import annotations

import base64
import ipaddress
import netrc
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imagemill.errors import MirrorError


@dataclass(frozen=True)
class Credentials:
    """Headers by place, `host[:port]/path/`, and those that addresses of mirrors brought along, by host."""

    places: Mapping[str, str] = field(repr=False)
    seen: dict[str, str] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(environ: Mapping[str, str], home: Path) -> Credentials:
        """What a user's .netrc and .npmrc say; the latter wins, because it can tell ports and paths apart."""
        return Credentials(dict(_netrc(environ, home)) | dict(_npmrc(environ, home)))

    def header(self, url: str, login: str = "") -> dict[str, str]:
        """The header for an address; `login` (`user:password`) is what it had in itself.

        Links on an index page have no login, so one that was seen for a host holds for all of that host.
        """
        parts = urllib.parse.urlsplit(url)
        if login:
            self.seen[parts.netloc] = _basic(login)
        place = f"{parts.netloc}{parts.path}"
        fitting = [one for one in self.places if place.startswith(one)] or [
            one for one in self.places if one == f"{parts.hostname}/"
        ]
        found = self.seen.get(parts.netloc) or (self.places[max(fitting, key=len)] if fitting else "")
        return {"Authorization": found} if found else {}


def login_of(url: str) -> tuple[str, str]:
    """An address without its login, and the login, `user:password`; empty where there is none."""
    parts = urllib.parse.urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    return urllib.parse.urlunsplit(parts._replace(netloc=host)), urllib.parse.unquote(login)


def proxy_for(environ: Mapping[str, str], url: str) -> str:
    """The proxy that http_proxy, https_proxy, all_proxy and no_proxy name for an address; empty for none.

    This machine itself is never reached through one.
    """
    settings: dict[str, str] = {}
    for name in sorted(environ):  # small letters come last, and win
        if name.lower().endswith("_proxy"):
            settings[name.lower().removesuffix("_proxy")] = environ[name].strip()
    parts = urllib.parse.urlsplit(url)
    found = settings.get(parts.scheme) or settings.get("all", "")
    if (
        not found
        or is_here(parts.netloc)
        or any(_covers(rule.strip(), parts) for rule in settings.get("no", "").split(","))
    ):
        return ""
    found = found if "://" in found else f"http://{found}"
    if not found.startswith(("http://", "https://")):
        scheme = found.partition(":")[0]
        raise MirrorError(
            f"the proxy for {parts.scheme} is of kind {scheme!r}", "set the variable to an http:// or https:// proxy"
        )
    return found


def is_here(host: str) -> bool:
    """Whether a host (with or without a port) is this machine itself."""
    name = urllib.parse.urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _covers(rule: str, parts: urllib.parse.SplitResult) -> bool:
    """Whether an entry of no_proxy means this address: `*`, a host, all below a domain, a host's port, a network."""
    host, name = parts.hostname or "", rule.lower().removeprefix("*").removeprefix(".")
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:  # one of them is a name
        return rule == "*" or (bool(name) and any(f".{one}".endswith(f".{name}") for one in (host, parts.netloc)))


def _netrc(environ: Mapping[str, str], home: Path) -> Iterator[tuple[str, str]]:
    path = Path(environ.get("NETRC") or home / ".netrc")
    if not path.is_file():
        return
    try:
        hosts = netrc.netrc(str(path)).hosts
    except netrc.NetrcParseError as error:
        raise MirrorError(f"{path} line {error.lineno}: {error.msg}", "correct it, or name another in NETRC") from None
    for host, (login, _, password) in hosts.items():
        if host != "default":  # it would go to hosts that it was not meant for
            yield f"{host}/", _basic(f"{login}:{password}")


def _npmrc(environ: Mapping[str, str], home: Path) -> Iterator[tuple[str, str]]:
    """`//host/path/:_authToken=…`, `:_auth=…`, or `:username=…` with `:_password=…` (in base64)."""
    rows: dict[str, dict[str, str]] = {}
    for path in (Path("/etc/npmrc"), home / ".npmrc"):
        if path.is_file():
            for line in path.read_text(errors="replace").splitlines():
                match = re.match(r"\s*//(\S+?)/?:(_authToken|_auth|username|_password)\s*=\s*(.*)$", line)
                if match:
                    value = match[3].strip().strip("\"'")
                    value = re.sub(r"\$\{(\w+)\}", lambda name: environ.get(name[1], name[0]), value)
                    rows.setdefault(f"{match[1]}/", {})[match[2]] = value
    for place, row in rows.items():
        if row.get("_authToken"):
            yield place, f"Bearer {row['_authToken']}"
        elif row.get("_auth"):
            yield place, f"Basic {row['_auth']}"
        elif row.get("username") and row.get("_password"):
            yield place, _basic(f"{row['username']}:{base64.b64decode(row['_password']).decode()}")


def _basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()
