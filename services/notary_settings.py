"""The settings of notary-server and notary-signer 0.7, which are JSON. Source: notary's reference of both."""

from __future__ import annotations

from typing import Any

ALIAS = "alias1"
"""Under which the signer looks for its passphrase, in NOTARY_SIGNER_ALIAS1."""

Settings = dict[str, Any]


def signer(address: str, certificate: str, key: str, trusted: str, database: str) -> Settings:
    """Of the signer: its `address` to listen on, paths of PEM files, and the URL of its database."""
    return {
        "server": {
            "grpc_addr": address,
            "tls_cert_file": certificate,
            "tls_key_file": key,
            "client_ca_file": trusted,
        },
        "storage": {"backend": "postgres", "db_url": database, "default_alias": ALIAS},
        "logging": {"level": "warn"},
    }


def server(
    address: str, certificate: str, key: str, trusted: str, database: str, signer_host: str, signer_port: int
) -> Settings:
    """Of the server, which everybody may write to: see `guarded`."""
    return {
        "server": {"http_addr": address, "tls_cert_file": certificate, "tls_key_file": key},
        "trust_service": {
            "type": "remote",
            "hostname": signer_host,
            "port": str(signer_port),
            "key_algorithm": "ecdsa",
            "tls_ca_file": trusted,
            "tls_client_cert": certificate,
            "tls_client_key": key,
        },
        "storage": {"backend": "postgres", "db_url": database},
        "logging": {"level": "warn"},
    }


def guarded(settings: Settings, realm: str, service: str, issuer: str, certificate: str) -> Settings:
    """The server's settings with a token service that says who may write: its address, and who signs its tokens."""
    options = {"realm": realm, "service": service, "issuer": issuer, "rootcertbundle": certificate}
    return {**settings, "auth": {"type": "token", "options": options}}


def database(user: str, password: str, host: str, port: int, name: str) -> str:
    """The URL of a database, reached without encryption: on this machine, or in a network of containers."""
    return f"postgres://{user}:{password}@{host}:{port}/{name}?sslmode=disable"
