"""A registry on this machine: docker-registry over TLS, with tokens, or without either."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from certificates import Pair
from processes import Service, free_port
from tokens import ISSUER, SERVICE, Tokens


@contextmanager
def registry(
    program: Path, folder: Path, *, pair: Pair | None = None, tokens: Tokens | None = None
) -> Iterator[Service]:
    """A registry that keeps its blobs in `folder`, on a port of its own that it keeps when it starts again."""
    port = free_port()
    http: dict[str, Any] = {
        "addr": f"127.0.0.1:{port}",
        "secret": secrets.token_hex(16),  # what was begun can go on after it was started again
    }
    if pair is not None:
        http["tls"] = {"certificate": str(pair.certificate), "key": str(pair.key), "minimumtls": "tls1.2"}
    settings: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {
            "filesystem": {"rootdirectory": f"{folder}/data"},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": http,
    }
    if tokens is not None:
        settings["auth"] = {
            "token": {
                "realm": tokens.address,
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(tokens.pair.certificate),
            }
        }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")  # YAML takes JSON
    service = Service(
        "docker-registry",
        [str(program), "serve", f"{folder}/config.json"],
        port,
        folder / "log",
        {"OTEL_TRACES_EXPORTER": "none"},
    )
    service.start()
    try:
        yield service
    finally:
        service.stop()
