"""An account of Amazon ECR on loopback: its API played by moto, its registry by docker-registry.

The registry wants the logins of the API, and as ECR's it takes pushes only to repositories that were made.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aws_api
import pytest

from certificates import issue
from imagemill.mirrors import Mirrors
from imagemill.publish import aws, ecr
from imagemill.publish.settings import Destination, Ecr
from imagemill.registry.repository import Repository
from imagemill.web import Web
from registry import registry
from tokens import Tokens, serving


@dataclass
class Amazon:
    """A registry at `host` with the API that it belongs to."""

    host: str
    api: aws_api.Api
    tokens: Tokens
    environ: dict[str, str]
    said: list[str]

    @property
    def to(self) -> Destination:
        """A repository there, as publish.yaml has it."""
        return Destination(f"{self.host}/acme/lambda", ecr=Ecr(region=aws_api.REGION, endpoint=self.api.address))

    def registries(self, speed: float = 1.0) -> ecr.Registries:
        """Ours, whose clock may be faster than others."""
        return ecr.Registries([self.to], aws.clients(), self.said.append, lambda: time.monotonic() * speed)

    def repository(self, registries: ecr.Registries, name: str = "acme/lambda") -> Repository:
        """One of its repositories."""
        web = Web(Mirrors(self.environ))
        return Repository(web, f"{self.host}/{name}", lambda: registries.login(self.host), lambda _: None)

    def crane(self, *words: str) -> subprocess.CompletedProcess[str]:
        """crane, logged in with what the API gave last, as `docker login` would keep it."""
        auth = base64.b64encode(f"AWS:{self.api.users['AWS'][0]}".encode()).decode()
        config = Path(self.environ["DOCKER_CONFIG"], "config.json")
        config.write_text(json.dumps({"auths": {self.host: {"auth": auth}}}), encoding="utf-8")
        return subprocess.run(["crane", *words], env=self.environ, capture_output=True, text=True, check=False)


@pytest.fixture
def amazon(judges: Path, authorities: Path) -> Iterator[Amazon]:
    """An account in which nothing is; gone after the test."""
    users: dict[str, tuple[str, frozenset[str]]] = {}
    pair = issue(authorities, "ecr", "127.0.0.1", "localhost")
    with (
        tempfile.TemporaryDirectory(prefix="imagemill-ecr-") as folder,
        serving(pair, users) as tokens,
        aws_api.serving(users) as api,
        registry(judges / "docker-registry", Path(folder), pair=pair, tokens=tokens) as service,
    ):
        given = tokens.token

        def made(query: dict[str, list[str]], user: str) -> str:
            """A token to pull, and one to push where there is a repository: the others are not found."""
            there, scopes = api.repositories(), " ".join(query.get("scope", [])).split()
            allowed = [
                scope if scope.split(":")[1] in there else f"{scope.rpartition(':')[0]}:pull"
                for scope in scopes
                if user
            ]
            return given({**query, "scope": allowed}, user)

        tokens.token = made  # type: ignore[method-assign, assignment]
        environ = {
            **os.environ,
            "PATH": f"{judges}:{os.environ.get('PATH', '')}",
            "SSL_CERT_FILE": str(authorities / "ca.crt"),
            "HOME": folder,
            "DOCKER_CONFIG": folder,
        }
        yield Amazon(f"127.0.0.1:{service.port}", api, tokens, environ, [])
