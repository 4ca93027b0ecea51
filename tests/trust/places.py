"""Servers to publish to, on loopback and gone after the tests, and programs that judge what was published.

What is missing skips and says why; on a Debian where this is root nothing may be missing.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import judges as programs
import pytest

from certificates import authority, issue
from imagemill.errors import ImagemillError
from notary_server import Notary, notary, postgres_programs
from processes import Service
from registry import registry
from tokens import EVERYTHING, Tokens, serving

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Place:
    """A registry, and the environment in which docker, cosign and the like are logged in to it and trust it."""

    service: Service
    environ: Mapping[str, str]
    folder: Path
    tokens: Tokens | None = None
    users: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """Its name in references."""
        return f"127.0.0.1:{self.service.port}"

    def as_user(self, name: str, folder: Path) -> dict[str, str]:
        """The environment of somebody who is logged in as `name`; empty for nobody."""
        config = folder / f"docker-{name or 'nobody'}"
        config.mkdir(parents=True, exist_ok=True)
        auth = base64.b64encode(f"{name}:{self.users[name]}".encode()).decode() if name else ""
        data = {"auths": {self.host: {"auth": auth}}} if name else {}
        (config / "config.json").write_text(json.dumps(data), encoding="utf-8")
        return {**self.environ, "DOCKER_CONFIG": str(config)}


@pytest.fixture(scope="session")
def judges() -> Path:
    """A folder with cosign2, cosign3, crane, docker-registry, notary, notary-server, notation, oras …."""
    state = Path(os.environ.get("IMAGEMILL_STATE") or ROOT / ".imagemill").absolute()
    try:
        return programs.all_of(state, os.environ)
    except ImagemillError as error:
        if os.geteuid() == 0 and shutil.which("apt-get"):
            raise
        pytest.skip(f"SKIPPED FOR WANT OF JUDGES, which come from Debian's archive: {error}")


@pytest.fixture(scope="session")
def authorities() -> Iterator[Path]:
    """The folder of a certificate authority: `ca.crt` is what clients trust."""
    with tempfile.TemporaryDirectory(prefix="imagemill-ca-") as folder:
        authority(Path(folder))
        yield Path(folder)


@pytest.fixture(scope="session")
def tokens(authorities: Path) -> Iterator[Tokens]:
    """A token service: `publisher` may do everything, `reader` pull, and anybody pull."""
    users = {
        "publisher": (secrets.token_hex(800), EVERYTHING),  # longer than any basic authentication would take
        "reader": (secrets.token_hex(16), frozenset({"pull"})),
    }
    with serving(issue(authorities, "tokens", "127.0.0.1", "localhost"), users) as found:
        yield found


@pytest.fixture(scope="session")
def place(judges: Path, authorities: Path, tokens: Tokens) -> Iterator[Place]:
    """A registry with TLS and tokens. Its environment is logged in as `publisher`."""
    with tempfile.TemporaryDirectory(prefix="imagemill-registry-") as folder:
        home = Path(folder)
        pair = issue(authorities, "registry", "127.0.0.1", "localhost")
        with registry(judges / "docker-registry", home, pair=pair, tokens=tokens) as service:
            environ = {
                **os.environ,
                "PATH": f"{judges}:{os.environ.get('PATH', '')}",
                "SSL_CERT_FILE": str(authorities / "ca.crt"),
                "HOME": folder,
            }
            passwords = {name: password for name, (password, _) in tokens.users.items()}
            found = Place(service, environ, home, tokens, passwords)
            yield Place(service, found.as_user("publisher", home), home, tokens, passwords)


@pytest.fixture(scope="session")
def plain_place(judges: Path) -> Iterator[Place]:
    """A registry without TLS or logins."""
    with (
        tempfile.TemporaryDirectory(prefix="imagemill-registry-") as folder,
        registry(judges / "docker-registry", Path(folder)) as service,
    ):
        environ = {**os.environ, "PATH": f"{judges}:{os.environ.get('PATH', '')}", "HOME": folder}
        yield Place(service, environ, Path(folder))


@pytest.fixture(scope="session")
def trust_server(judges: Path, authorities: Path, tokens: Tokens) -> Iterator[Notary]:
    """A notary with PostgreSQL, TLS, and the tokens of the registry."""
    if postgres_programs() is None:
        if os.geteuid() == 0 and shutil.which("apt-get"):
            pytest.fail("PostgreSQL is not installed; run tests/engines.sh, which installs it")
        pytest.skip("PostgreSQL is not installed; tests/engines.sh says how to install it")
    with tempfile.TemporaryDirectory(prefix="imagemill-notary-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as another user
        with notary(judges, Path(folder), authorities, tokens) as found:
            yield found
