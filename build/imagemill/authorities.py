"""Whose certificates count: the system's or a setting's, and for a registry those that docker and podman keep too.

Sources: docker's documentation of certificates of registries (`certs.d/HOST:PORT/*.crt`, and `*.cert` with `*.key`
for clients), containers-certs.d(5).
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from urllib3.util.ssl_ import create_urllib3_context

from imagemill.errors import MirrorError


def folders(environ: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Where certificates of registries are kept, the user's first."""
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    docker = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    return (
        docker / "certs.d",
        config / "docker" / "certs.d",  # docker without root
        config / "containers" / "certs.d",
        Path("/etc/docker/certs.d"),
        Path("/etc/containers/certs.d"),
    )


def folder_of(host: str, places: tuple[Path, ...]) -> Path | None:
    """The folder with the certificates of a host (with its port, if the address has one); None for most."""
    return next((place / host for place in places if host and (place / host).is_dir()), None)


def context(bundle: str, folder: Path | None) -> ssl.SSLContext:
    """What connections are checked with: a file of certificates, or the system's where it is empty, and a folder's.

    Raises MirrorError for files that are no certificates.
    """
    made = create_urllib3_context()
    if bundle:
        _load(made, Path(bundle))
    else:
        made.load_default_certs()
    for path in sorted(folder.iterdir()) if folder else ():
        if path.suffix == ".crt":
            _load(made, path)
        elif path.suffix == ".cert":
            try:
                made.load_cert_chain(path, path.with_suffix(".key"))
            except (OSError, ssl.SSLError) as error:
                raise MirrorError(f"{path}: no certificate of a client: {error}", "correct it, and the key") from None
    return made


def _load(made: ssl.SSLContext, path: Path) -> None:
    try:
        if path.is_dir():
            made.load_verify_locations(capath=path)
        else:
            made.load_verify_locations(path)
    except (OSError, ssl.SSLError) as error:
        raise MirrorError(f"{path}: no certificates: {error}", "correct the file, or SSL_CERT_FILE") from None
