"""The command line: exit codes, where output goes, and no traceback for a user's mistake."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imagemill.cli import main

ROOT = Path(__file__).parents[2]


def mill(*args: str, root: Path = ROOT) -> Result:
    return CliRunner().invoke(main, ["--root", str(root), *args])


GATES = [
    ["validate"],
    ["schema", "--check"],
    ["render", "--check"],
    ["lock", "--check", "--offline"],
    ["readme", "--check"],
]


@pytest.mark.parametrize("args", GATES, ids=lambda args: args[0])
def test_gates_pass_on_what_is_committed(args: list[str]) -> None:
    result = mill(*args)
    assert (result.exit_code, result.stdout) == (0, ""), result.stderr


TAMPERED = {
    "validate": ("runtimes/python3.13.yaml", "family: python", "family: snake", 11, "key 'family' is 'snake'"),
    "schema": ("runtimes/schema/base.json", "Base", "Basis", 1, "runtimes/schema/base.json"),
    "render": ("templates/base.Dockerfile.j2", "WORKDIR", "USER x\nWORKDIR", 1, "stale: python3.13-debian/Dockerfile"),
    "lock": ("runtimes/provided.al2023.yaml", "golang-go", "rustc", 1, "rustc is not locked"),
    "readme": ("README.md", "| python3.13 |", "| python3.99 |", 1, "stale: README.md"),
}  # fmt: skip


@pytest.mark.parametrize("command", TAMPERED)
def test_gates_fail_on_what_was_tampered_with(command: str, checkout: Path) -> None:
    name, old, new, code, message = TAMPERED[command]
    path = checkout / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    (args,) = [args for args in GATES if args[0] == command]
    result = mill(*args, root=checkout)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_writing_mends_what_drifted(checkout: Path) -> None:
    shutil.rmtree(checkout / "tests" / "golden" / "python3.13-debian")
    (checkout / "runtimes" / "schema" / "base.json").unlink()
    assert mill("render", "--check", root=checkout).exit_code == 1
    for command in ("render", "schema", "readme"):
        assert mill(command, root=checkout).exit_code == 0
        assert mill(command, "--check", root=checkout).exit_code == 0


def test_the_plan_as_json() -> None:
    rows = json.loads(mill("plan", "@python3.13", "--format", "json").stdout)
    assert [row["tag"] for row in rows] == ["python3.13", "build-python3.13", "serve-python3.13"]
    assert all(len(row["input_hash"]) == 64 for row in rows)
    assert rows[0]["platforms"] == ["linux/amd64", "linux/arm64"]


def test_the_plan_as_a_table_and_as_a_matrix() -> None:
    assert mill("plan").stdout.startswith("TAG ")
    assert len(json.loads(mill("plan", "--format", "matrix").stdout)["include"]) % 2 == 0


WRONG = {
    "an unknown image": (["plan", "python9"], 12, "no image is called 'python9'"),
    "an unknown platform": (["build", "--platform", "mips"], 10, "unknown platform 'mips'"),
    "an unknown compression": (["build", "--compression", "xz"], 10, "unknown compression 'xz'"),
    "not a checkout": (["--root", "/", "validate"], 11, "no manifest"),
    "an unknown command": (["bild"], 2, "No such command"),
    "neither update nor check": (["lock"], 2, "either --update or --check"),
    "an update offline": (["lock", "--update", "--offline"], 2, "go with --check"),
    "security updates offline": (["lock", "--check", "--offline", "--security"], 2, "cannot be seen offline"),
    "the lock of an unknown base": (
        ["lock", "--check", "--offline", "debian-woody"],
        12,
        "no base is called 'debian-woody'",
    ),
    "shares without a matrix": (["plan", "--shards", "2"], 2, "--shards goes with --format matrix"),
    "conform before build": (["conform", "--dist", "/nonexistent", "--no-run"], 12, "is not built"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_has_its_exit_code_and_no_traceback(name: str) -> None:
    args, code, message = WRONG[name]
    result = CliRunner().invoke(main, args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_folder_that_is_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["validate"])
    assert (result.exit_code, result.stdout) == (10, "")
    assert "is not in a checkout of imagemill" in result.stderr


def test_every_command_has_help() -> None:
    for name, command in main.commands.items():
        assert command.help, name
        assert mill(name, "--help").exit_code == 0
