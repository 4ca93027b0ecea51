"""tests/engines.sh, on machines made of stand-in programs: what it finds, says, and leaves alone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "engines.sh"
# An architecture that the script knows no foreign one of: the kernel of this machine then plays no part.
MACHINE = {"uname": "[ $1 = -m ] && echo riscv64 || echo Linux"}
DAEMON = {"docker": "exit 0", "buildah": "exit 0", "chromium": "exit 0", "initdb": "exit 0"}


def machine(folder: Path, programs: dict[str, str], uid: int) -> subprocess.CompletedProcess[str]:
    """Run the script where only `programs` (name -> body of a shell script) are installed."""
    folder.mkdir()
    for name, body in {**MACHINE, "id": f"echo {uid}", **programs}.items():
        (folder / name).write_text(f"#!/bin/sh\necho {name} >> '{folder}/called'\n{body}\n")
        (folder / name).chmod(0o755)
    (folder / "tr").symlink_to(shutil.which("tr") or "")
    (folder / "grep").symlink_to(shutil.which("grep") or "")
    return subprocess.run(
        ["/bin/sh", str(SCRIPT)],
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("uid", [0, 1000])
def test_with_everything_there_it_says_nothing(uid: int, tmp_path: Path) -> None:
    done = machine(tmp_path / "bin", DAEMON, uid)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_another_distribution_is_told_what_to_install(tmp_path: Path) -> None:
    done = machine(tmp_path / "bin", {}, 0)
    assert done.returncode == 0
    assert "engines: podman: nothing here runs images yet" in done.stderr
    assert "STILL MISSING: podman" in done.stderr
    for tool in ("apt-get install", "dnf install", "pacman -S", "brew install"):
        assert tool in done.stderr


@pytest.mark.parametrize("programs", [{}, {"sudo": "exit 1"}], ids=["no sudo", "sudo wants a password"])
def test_without_root_nothing_is_tried(programs: dict[str, str], tmp_path: Path) -> None:
    done = machine(tmp_path / "bin", {**programs, "apt-get": "exit 0"}, 1000)
    assert done.returncode == 0
    assert "nothing is installed here" in done.stderr
    assert "STILL MISSING" in done.stderr
    assert "apt-get" not in (tmp_path / "bin" / "called").read_text().split()


def test_with_sudo_only_what_is_missing_is_installed(tmp_path: Path) -> None:
    """With a daemon there, that is buildah; the stand-in for sudo shows what would run as root."""
    called = tmp_path / "sudo"
    programs = {
        "docker": "exit 0",
        "chromium": "exit 0",
        "initdb": "exit 0",
        "apt-get": "exit 0",
        "apt-cache": "exit 0",
        "sudo": f"[ $1 = -n ] || echo \"$@\" >> '{called}'",
    }
    done = machine(tmp_path / "bin", programs, 1000)
    assert done.returncode == 0
    assert called.read_text().splitlines() == ["apt-get update -qq", f"sh {SCRIPT} --install buildah"]
    assert "1 STILL MISSING: buildah" in done.stderr, "it looks again afterwards"
