"""services/notary/compose.yaml, as Docker Compose reads it, and the secrets that prepare.py makes for it.

No container runs here: the images that it is built from come from the Hub.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from places import ROOT

from debian_programs import Wanted, install
from imagemill.errors import ImagemillError

pytestmark = pytest.mark.engine
FILE = ROOT / "services" / "notary" / "compose.yaml"
COMPOSE = Wanted("trixie", {"docker-compose": {"usr/libexec/docker/cli-plugins/docker-compose": "docker-compose"}})


def prepare(folder: Path, *words: str) -> str:
    argv = [sys.executable, "services/notary/prepare.py", "--folder", str(folder), *words]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="session")
def compose() -> Path:
    """Docker Compose 2."""
    state = Path(os.environ.get("IMAGEMILL_STATE") or ROOT / ".imagemill").absolute()
    try:
        return install(COMPOSE, "compose", state, os.environ) / "docker-compose"
    except ImagemillError as error:
        if os.geteuid() == 0:
            raise
        pytest.skip(f"SKIPPED FOR WANT OF DOCKER COMPOSE, which comes from Debian's archive: {error}")


def read(compose: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [str(compose), "-f", str(FILE), *words, "config", "--format", "json"]
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)


def test_compose_takes_it_with_the_secrets_that_were_made(compose: Path, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    prepare(folder, "--name", "notary.example.org", "--port", "14443")
    done = read(compose, "--env-file", str(folder / ".env"))
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    for name, secret in data["secrets"].items():
        assert Path(secret["file"]) == folder / name and Path(secret["file"]).is_file()
    used = {row["source"] for service in data["services"].values() for row in service["secrets"]}
    assert used == data["secrets"].keys()
    assert data["services"]["server"]["ports"][0]["published"] == "14443"
    assert data["services"]["server"]["ports"][0]["host_ip"] == "127.0.0.1"  # nobody asked for more
    for name in ("postgres", "signer"):
        assert "ports" not in data["services"][name] and list(data["services"][name]["networks"]) == ["inside"]


def test_compose_refuses_it_before_secrets_were_made(compose: Path) -> None:
    done = read(compose, "--env-file", "/dev/null")
    assert done.returncode != 0 and "run prepare.py first" in done.stderr


def test_what_settings_name_is_mounted(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    prepare(folder)
    services: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]
    for name in ("server", "signer"):
        named = set(re.findall(r"/run/secrets/([a-z.]+)", (folder / f"{name}.json").read_text()))
        assert named and named <= set(services[name]["secrets"])
        assert all((folder / one).is_file() for one in named)


def test_secrets_are_private_and_stay(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    said = prepare(folder)
    secret = ("users", "signer.passphrase", "postgres.password", "ca.key", "ca.crt")
    before = {name: (folder / name).read_bytes() for name in secret}
    for file in folder.iterdir():
        assert file.suffix == ".crt" or file.stat().st_mode & 0o777 == 0o600, file
    again = prepare(folder, "--name", "notary.example.org")
    assert {name: (folder / name).read_bytes() for name in secret} == before
    server = json.loads((folder / "server.json").read_text())
    assert server["auth"]["options"]["realm"] == "https://notary.example.org:4444/token"
    assert before["postgres.password"].decode() in server["storage"]["db_url"]
    for name in ("users", "signer.passphrase", "postgres.password"):
        assert before[name].decode().strip().rpartition(":")[2] not in said + again
