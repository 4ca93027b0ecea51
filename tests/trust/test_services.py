"""The servers that the other tests here publish to are themselves what those tests take them for."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from places import Place

from imagemill.oci import write_image
from notary_server import Notary

pytestmark = pytest.mark.engine


def _crane(*words: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["crane", *words], env=environ, capture_output=True, text=True, check=False)


def _empty_image(folder: Path) -> Path:
    write_image(folder / "image", {"os": "linux", "architecture": "amd64", "config": {}}, [], "empty")
    return folder / "image"


def test_who_is_logged_in_pushes_and_others_do_not(place: Place, tmp_path: Path) -> None:
    name, image = f"{place.host}/services/empty:1", str(_empty_image(tmp_path))
    for user, pushed in (("", False), ("reader", False), ("publisher", True)):
        done = _crane("push", image, name, environ=place.as_user(user, tmp_path))
        assert (done.returncode == 0) is pushed, done.stderr
    done = _crane("manifest", name, environ=place.as_user("", tmp_path))
    assert '"layers":[]' in done.stdout, done.stderr


def test_a_notary_knows_over_a_restart_what_it_was_told(
    place: Place, trust_server: Notary, authorities: Path, tmp_path: Path
) -> None:
    gun = f"{place.host}/services/notary"
    client = tmp_path / "client.json"
    client.write_text(
        f'{{"trust_dir": "{tmp_path}/trust", "remote_server": {{"url": "{trust_server.address}",'
        f' "root_ca": "{authorities}/ca.crt"}}}}'
    )
    login = base64.b64encode(f"publisher:{place.users['publisher']}".encode()).decode()
    environ = {
        **place.environ,
        "NOTARY_AUTH": login,
        **{f"NOTARY_{role}_PASSPHRASE": "password" for role in ("ROOT", "TARGETS", "SNAPSHOT", "DELEGATION")},
    }

    def run(*words: str) -> str:
        argv = ["notary", "-c", str(client), *words]
        return subprocess.run(argv, env=environ, capture_output=True, text=True, check=True).stdout

    run("init", "-p", gun)
    run("addhash", "-p", gun, "1", "7", "--sha256", "ab" * 32)
    trust_server.kill()
    trust_server.start()
    run("addhash", "-p", gun, "2", "7", "--sha256", "cd" * 32)
    listed = run("list", gun)
    assert "ab" * 32 in listed and "cd" * 32 in listed
    assert os.geteuid() != 0 or trust_server.postgres.user == "postgres"
