"""Logins for registries, as `docker login` and `podman login` keep them.

Sources: docker's documentation of config.json (auths, credHelpers, credsStore) and of credential helpers;
containers-auth.json(5).
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from imagemill.errors import MirrorError

Ask = Callable[[str, str], Mapping[str, Any]]
"""What a credential helper, by its name, says of a registry; an empty mapping for nothing."""

_HUB = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")
_IDENTITY = "<token>"  # the name by which helpers say that the secret is an identity token
_RUN = Path("/run/containers")  # where podman keeps logins of users without XDG_RUNTIME_DIR, as root mostly is
_SECONDS = 30


def login(environ: Mapping[str, str], home: Path, host: str, path: str, ask: Ask) -> str:
    """The login for a repository (`path` on `host`); empty where none is kept for it.

    It is a header, `Basic …`, or `Refresh …`: an identity token, which some registries give in place of a password,
    and which is good for tokens alone. Raises MirrorError for a file that cannot be read.
    """
    for data in _files(environ, home):
        for place in _places(host, path):
            helper = (data.get("credHelpers") or {}).get(place)
            row = (data.get("auths") or {}).get(place)
            found = dict(ask(helper, place)) if helper else {}
            store = data.get("credsStore")
            if not found and row is not None and not row.get("auth") and store:
                found = dict(ask(store, place))
            name, secret = found.get("Username"), found.get("Secret")
            if name == _IDENTITY and secret:
                return f"Refresh {secret}"
            if name and secret:
                return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()
            if row is not None and row.get("identitytoken"):
                return f"Refresh {row['identitytoken']}"
            if row is not None and row.get("auth"):
                return f"Basic {row['auth']}"
    return ""


def login_for(environ: Mapping[str, str], repository: str) -> str:
    """The same for `host/path`, with the home directory and the helpers that `environ` leads to."""
    host, _, path = repository.partition("/")
    return login(environ, Path(environ.get("HOME", "/nonexistent")), host, path, helper(environ))


def login_for_notary(environ: Mapping[str, str], server: str, repository: str) -> str:
    """The login for a notary at an address: one that is kept for it itself, else the one for the repository's registry.

    docker and the notary command send the registry's to any notary; with one of its own, a notary need not know it.
    """
    own = login_for(environ, urllib.parse.urlsplit(server).netloc)
    return own or login_for(environ, repository)


def helper(environ: Mapping[str, str]) -> Ask:
    """Asks the helpers that are on PATH."""

    def ask(name: str, place: str) -> Mapping[str, Any]:
        program = shutil.which(f"docker-credential-{name}", path=environ.get("PATH"))
        if program is None:
            return {}
        try:
            done = subprocess.run(
                [program, "get"], input=place.encode(), env=environ, capture_output=True, timeout=_SECONDS, check=False
            )
            found = json.loads(done.stdout) if done.returncode == 0 else {}
        except (subprocess.TimeoutExpired, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    return ask


def _files(environ: Mapping[str, str], home: Path) -> Iterator[Mapping[str, Any]]:
    docker = Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    run = environ.get("XDG_RUNTIME_DIR")
    podman = [Path(environ["REGISTRY_AUTH_FILE"])] if environ.get("REGISTRY_AUTH_FILE") else []
    podman.append((Path(run) / "containers" if run else _RUN / str(os.getuid())) / "auth.json")
    for file in (docker, *podman, home / ".config" / "containers" / "auth.json"):
        try:
            data = json.loads(file.read_bytes())
        except OSError:
            continue
        except ValueError as error:
            raise MirrorError(f"{file} is not JSON: {error}", "log in again with docker login") from None
        if isinstance(data, dict):
            yield data


def _places(host: str, path: str) -> Iterator[str]:
    """The names that a login for a repository may go by, the most exact first."""
    if host in _HUB:
        yield from _HUB
        return
    parts = path.split("/")
    for count in range(len(parts), 0, -1):  # podman keeps logins for parts of a registry too
        yield "/".join((host, *parts[:count]))
    yield from (host, f"https://{host}", f"https://{host}/", f"https://{host}/v1/", f"https://{host}/v2/")
