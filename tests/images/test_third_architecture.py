"""A third architecture is one line in a manifest: locked, built natively, judged, and run under qemu-user."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from copies import copied, mill
from imagemill.oci import Layout

ROOT = Path(__file__).parents[2]
TAG = "provided.al2023"
PLATFORM = "linux/riscv64"

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout in which one runtime and its base have one platform more, locked and built."""
    root = copied(tmp_path_factory.mktemp("checkout"), TAG)
    for path in (root / "runtimes" / f"{TAG}.yaml", root / "runtimes" / "bases" / "debian-trixie.yaml"):
        text, count = re.subn(r"(?m)^(platforms: \[.*)\]$", rf"\1, {PLATFORM}]", path.read_text())
        assert count == 1
        # mirrors of the security pocket lag behind for ports
        path.write_text(text.replace("pockets: [updates, security]", "pockets: [updates]"))
    mill(root, "lock", "--update")
    mill(root, "lock", "--check")
    mill(root, "build", TAG, "--no-load", "--platform", PLATFORM)
    return root


def test_it_conforms(root: Path) -> None:
    mill(root, "conform", TAG, "--platform", PLATFORM, "--no-run")


def test_what_has_no_wheels_for_it_is_named(root: Path) -> None:
    """The toolchain's sam needs wheels: only its images cannot be had, and the error names package and platform."""
    lock = (root / "runtimes" / "lock" / "debian-trixie.json").read_text()
    if '"unavailable"' not in lock:
        pytest.skip("all wheels of the toolchain are there for it by now")
    with pytest.raises(AssertionError, match=r"toolchain cannot be had for riscv64: aws-sam-cli.* for linux/riscv64"):
        mill(root, "build", f"build-{TAG}", "--no-load", "--platform", PLATFORM)


def test_its_programs_run_and_its_init_answers(root: Path, tmp_path: Path) -> None:
    qemu = shutil.which("qemu-riscv64-static") or shutil.which("qemu-riscv64")
    if qemu is None:
        pytest.skip("qemu-user is not installed; tests/engines.sh says how to install it")
    layout = Layout(root / "dist" / f"{TAG}-debian-riscv64")
    [image] = layout.images()
    assert image.platform == PLATFORM
    for layer in layout.read_json(image.digest)["layers"]:
        with tarfile.open(layout.blob_path(layer["digest"])) as tar:
            tar.extractall(tmp_path, filter="tar")

    def run(program: str, *arguments: str) -> str:
        command = [qemu, "-L", str(tmp_path), str(tmp_path / program), *arguments]
        environ = {"PATH": os.environ["PATH"], "LAMBDA_TASK_ROOT": str(ROOT / "examples" / "provided")}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=120)
        return done.stdout

    assert run("usr/bin/bash", "-c", "echo $MACHTYPE") == "riscv64-unknown-linux-gnu\n"
    assert run("usr/bin/openssl", "version").startswith("OpenSSL 3.")
    # the example's bootstrap is a script: this machine's own shell runs it, as the emulator hands it to the kernel
    bootstrap = str(ROOT / "examples" / "provided" / "bootstrap")
    answer = run("var/rapid/init", "--bootstrap", bootstrap, "hello", '{"name": "x"}')
    assert json.loads(answer) == {"greeting": "Hello, x!"}
