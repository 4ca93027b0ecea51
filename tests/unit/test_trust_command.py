"""The commands of content trust, as a person or CI calls them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from small_trust import ENVIRON, GUN, WORD, image

from imagemill.cli import main
from imagemill.trust.keys import External, key_id

Run = Callable[..., Result]
DIGEST = image()[0]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No disk to wait for, and keys that open at once; a folder of one's own."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("imagemill.trust.keyring.Keyring.__init__.__defaults__", ((), 1))
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("DOCKER_CONTENT_TRUST", "IMAGEMILL_TRUST", "IMAGEMILL_KEY")):
            monkeypatch.delenv(name)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def call(*words: str, code: int = 0, trust: str = "keys", environ: dict[str, str] | None = None) -> Result:
        arguments = ["trust", "--trust", str(tmp_path / trust), *words]
        done = CliRunner().invoke(main, arguments, env=ENVIRON if environ is None else environ)
        assert done.exit_code == code, (done.output, done.exception)
        return done

    return call


PLACE = ("--static", "served")


def test_from_nothing_to_a_signed_tag(run: Run) -> None:
    made = run("init", GUN, *PLACE)
    rows = [line.split() for line in made.stdout.splitlines()]
    assert [row[0] for row in rows] == ["root", "targets", "snapshot", "timestamp"]
    assert all(stat.S_IMODE(Path(row[2]).stat().st_mode) == 0o600 for row in rows)
    assert "have a copy of its file where no network is" in made.stderr
    run("sign", GUN, "1", DIGEST, "7", *PLACE)
    shown = run("status", GUN, *PLACE).stdout
    assert f"1           {DIGEST}  (Repo Admin)" in shown
    assert "timestamp  2        " in shown
    assert f"Repository Key: {rows[1][1]}" in shown
    data = json.loads(run("status", GUN, *PLACE, "--format", "json").stdout)
    assert data["tags"] == {"1": {"digest": DIGEST, "size": 7, "signers": ["Repo Admin"]}}
    assert data["repository_key"] == [rows[1][1]]
    days = [(row["role"], row["days"]) for row in data["roles"]]
    assert days == [("root", 3649), ("targets", 1094), ("snapshot", 1094), ("timestamp", 13)]


def test_a_signer_comes_signs_and_goes(run: Run, tmp_path: Path) -> None:
    run("init", GUN, *PLACE)
    file = Path(run("key", "alice").stdout.strip())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    run("delegate", "add", "alice", GUN, "--key", "alice.pub", *PLACE)
    run("sign", GUN, "1", DIGEST, "7", *PLACE)
    shown = run("status", GUN, *PLACE).stdout
    assert f"alice   {file.stem[:12]}" in shown
    assert "(alice)" in shown
    assert "nobody but alice signs 1" in run("delegate", "remove", "alice", GUN, *PLACE, code=51).stderr
    run("delegate", "remove", "alice", GUN, "--adopt", *PLACE)
    assert "(Repo Admin)" in run("status", GUN, *PLACE).stdout
    run("revoke", GUN, "1", *PLACE)
    assert DIGEST not in run("status", GUN, *PLACE).stdout


def test_keys_change(run: Run) -> None:
    run("init", GUN, *PLACE)
    first = json.loads(run("status", GUN, *PLACE, "--format", "json").stdout)
    new = run("rotate", "targets", GUN, *PLACE).stdout.strip()
    run("rotate", "root", GUN, *PLACE)
    after = json.loads(run("status", GUN, *PLACE, "--format", "json").stdout)
    assert after["repository_key"] == [new] != first["repository_key"]
    assert after["root_key"] != first["root_key"]


def test_what_is_out_of_date_is_said_and_made_good(run: Run) -> None:
    run("init", GUN, *PLACE, "--days", "timestamp=1", "--days", "targets=2")
    shown = run("status", GUN, *PLACE).stdout
    assert "timestamp  1        " in shown
    said = run("refresh", GUN, *PLACE, "--role", "targets").stderr
    assert said.startswith("timestamp 2 expires at ")
    roles = {row["role"]: row for row in json.loads(run("status", GUN, *PLACE, "--format", "json").stdout)["roles"]}
    assert (roles["targets"]["days"], roles["timestamp"]["days"]) == (1094, 13)


def test_a_backup_brings_keys_back_and_overwrites_nothing(run: Run, tmp_path: Path) -> None:
    run("init", GUN, *PLACE)
    exported = run("export", "backup.pem").stdout
    assert stat.S_IMODE(Path("backup.pem").stat().st_mode) == 0o600
    assert "is there already" in run("export", "backup.pem", code=51).stderr
    assert Path("backup.pem").read_text().count("BEGIN ENCRYPTED PRIVATE KEY") == 4
    assert run("import", "backup.pem", trust="restored").stdout == exported
    kept = {path.name: path.read_bytes() for path in (tmp_path / "keys" / "private").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "restored" / "private").iterdir()} == kept
    assert run("import", "backup.pem").stdout == ""
    run("sign", GUN, "1", DIGEST, "7", *PLACE, trust="restored")
    one = exported.split()[1]
    assert run("export", "one.pem", "--key", one[:10]).stdout.split()[1] == one
    assert "has no such key" in run("export", "none.pem", "--key", "xyz", code=51).stderr


def test_a_key_file_with_another_key_in_it_does_not_sign(run: Run, tmp_path: Path) -> None:
    run("init", GUN, *PLACE)
    files = {json_row["role"]: json_row["id"] for json_row in json.loads(run("status", "--format", "json").stdout)}
    folder = tmp_path / "keys" / "private"
    (folder / f"{files['targets']}.key").write_bytes((folder / f"{files['snapshot']}.key").read_bytes())
    assert "holds another key than its name says" in run("sign", GUN, "1", DIGEST, "7", *PLACE, code=51).stderr


PROGRAM = """
import subprocess, sys
key, word = sys.argv[1:]
if word == "public-key":
    sys.exit(subprocess.run(["openssl", "pkey", "-in", key, "-pubout"]).returncode)
open("digest", "wb").write(sys.stdin.buffer.read())
sys.exit(subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", key, "-in", "digest"]).returncode)
"""


def test_a_program_keeps_the_root_key(run: Run, tmp_path: Path) -> None:
    Path("program").write_text(PROGRAM)
    made = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "root.pem"]
    subprocess.run(made, capture_output=True, check=True)
    signer = ("--signer", f"'{sys.executable}' program root.pem")
    name = key_id(External.of(signer[1]))
    first = run(*signer, "init", GUN, *PLACE, "--root-key", name).stdout.splitlines()[0]
    assert first == f"root {name} --signer"
    assert len(list((tmp_path / "keys" / "private").iterdir())) == 3
    assert "must be signed with key" in run("rotate", "targets", GUN, *PLACE, code=51).stderr
    run(*signer, "rotate", "targets", GUN, *PLACE)
    assert "here" in run(*signer, "status", GUN, *PLACE).stdout


def test_nothing_is_asked_where_nobody_sits(run: Run) -> None:
    said = run("init", GUN, *PLACE, code=51, environ={}).stderr
    assert "no passphrase for the root key" in said and "IMAGEMILL_TRUST_PASSPHRASE_ROOT" in said


def test_passphrases_come_from_a_descriptor_and_stay_there(run: Run, tmp_path: Path) -> None:
    reads, writes = os.pipe()
    os.write(writes, f"{WORD}\n".encode())
    os.close(writes)
    done = run("--passphrase-fd", str(reads), "init", GUN, *PLACE, environ={})
    os.close(reads)
    assert WORD not in done.output
    said = run("sign", GUN, "1", DIGEST, "7", *PLACE, code=51, environ={"IMAGEMILL_TRUST_PASSPHRASE_TARGETS": "wrong"})
    assert "wrong passphrase" in said.stderr
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or WORD.encode() not in path.read_bytes()


WRONG = {
    "nowhere": (("status", GUN), 2, "--server URL or --static DIR"),
    "not TLS": (("status", GUN, "--server", "http://127.0.0.1:1"), 51, "is no address of trust metadata"),
    "days": (("refresh", GUN, *PLACE, "--days", "root=soon"), 2, "write it as timestamp=14"),
    "unsigned": (("status", GUN, *PLACE), 51, "has no trust metadata"),
    "name": (("key", "AWS"), 51, "is no name that Notary knows"),
    "both": (("delegate", "remove", "a", GUN, *PLACE, "--adopt", "--drop"), 2, "either --adopt or --drop"),
    "no backup": (("import", "nowhere.pem"), 51, "nowhere.pem"),
}


@pytest.mark.parametrize(("words", "code", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(run: Run, words: tuple[str, ...], code: int, said: str) -> None:
    assert said in run(*words, code=code).stderr
