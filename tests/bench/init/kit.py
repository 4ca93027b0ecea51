"""What the benchmark of the init is made of: our init, AWS's emulator, two runtimes, and the load generator.

Everything that must be fetched or built goes to `.imagemill/bench`, once. What is fetched is pinned by hash.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from imagemill.builder import go_command
from imagemill.platforms import find
from imagemill.toolchain import compile_init

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
STATE = ROOT / ".imagemill" / "bench"

# AWS ships its emulator inside the SAM CLI's wheel.
SAM_CLI = "aws-sam-cli==1.170.0"
SAM_CLI_SHA256 = "24ebaf5ecba38dc1758089968cb89ab61e124b84e92a344fc7a2771a47f4d0bf"
RIE_MEMBER = "samcli/local/rapid/aws-lambda-rie-x86_64"
RIE_SHA256 = "6b1e686e62ab2baf5759c412c4864276ef2a88b094fca53ec070637ccba9b9a5"

# AWS's runtime client for Python 3.11 on x86-64, and what it needs.
RIC = {
    "awslambdaric==4.2.2": "ea87f581768a7558b493a59ee9f4de6dcbc6444b888169afa01af71396ed731d",
    "simplejson==4.3.0": "06306ed92b3860802ad9dd7fe88f122a7360b01e3936b8a355d6d689bb2bb774",
    "snapshot-restore-py==1.0.0": "38f99e696793790f54658e71c68c7a8a40cea877c81232b5052383b1301aceba",
}
HANDLER = "def handler(event, context):\n    return event\n"


class KitError(Exception):
    """Something is not there that the benchmark needs; the text says what to do."""


@dataclass(frozen=True)
class Kit:
    """The paths of everything that takes part."""

    init: Path
    rie: Path
    load: Path
    """The Go program of `load/`, whose sub-commands measure."""
    bootstrap: Path
    """The same program under the name by which it is a runtime."""
    python: Path
    modules: tuple[Path, Path]
    """Where Python finds awslambdaric, and the handler."""


def prepare(init: Path | None, rie: Path | None) -> Kit:
    """Fetch and build what is missing.

    Without a path our init is compiled from the sources, as for the images.
    """
    _expect_machine()
    STATE.mkdir(parents=True, exist_ok=True)
    load = compile_load()
    return Kit(
        init=_existing(init) if init else our_init(),
        rie=_existing(rie) if rie else fetch_rie(),
        load=load,
        bootstrap=_bootstrap(load),
        python=find_python(),
        modules=(fetch_ric(), _handler()),
    )


def prepare_soak(init: Path | None) -> tuple[Path, Path, Path]:
    """The init, the load program and the bootstrap: all that the soak needs."""
    _expect_machine()
    STATE.mkdir(parents=True, exist_ok=True)
    load = compile_load()
    return (_existing(init) if init else our_init()), load, _bootstrap(load)


def _expect_machine() -> None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise KitError("the benchmark runs on Linux on x86-64: what it measures against is pinned for that")


def _existing(path: Path) -> Path:
    if not os.access(path, os.X_OK) or path.is_dir():
        raise KitError(f"{path} is no program: give the path of an executable file")
    return path.resolve()


def our_init() -> Path:
    """Our init, compiled as it goes into the images."""
    return compile_init(ROOT, find("amd64"), ROOT / ".imagemill" / "go")


def compile_load() -> Path:
    """The load generator; the Go tool itself knows whether there is something to do."""
    out = STATE / "load"
    scratch = ROOT / ".imagemill" / "go"
    environ = {
        "PATH": os.defpath,
        "HOME": str(scratch),
        "GOCACHE": str(scratch / "go-cache"),
        "GOPATH": str(scratch / "go-path"),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        "CGO_ENABLED": "0",
    }
    command = [go_command(), "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", str(out), "."]
    done = subprocess.run(command, cwd=HERE / "load", env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise KitError(f"tests/bench/init/load does not compile:\n{done.stderr.strip()}")
    return out


def _bootstrap(load: Path) -> Path:
    link = STATE / "bootstrap"
    link.unlink(missing_ok=True)
    link.symlink_to(load.name)
    return link


def fetch_rie() -> Path:
    """AWS's emulator, taken out of the wheel that it is shipped in."""
    out = STATE / "aws-lambda-rie-aws"
    if out.exists() and _sha256(out.read_bytes()) == RIE_SHA256:
        return out
    folder = STATE / "download"
    _pip("download", {SAM_CLI: SAM_CLI_SHA256}, "--dest", str(folder))
    with zipfile.ZipFile(next(folder.glob("aws_sam_cli-*.whl"))) as wheel:
        binary = wheel.read(RIE_MEMBER)
    if _sha256(binary) != RIE_SHA256:
        raise KitError(f"{RIE_MEMBER} in {SAM_CLI} is not the pinned one: look why, then pin it again in {__file__}")
    out.write_bytes(binary)
    out.chmod(0o755)
    shutil.rmtree(folder)
    return out


def fetch_ric() -> Path:
    """The folder with awslambdaric and what it imports."""
    out = STATE / "ric"
    stamp = out / ".pinned"
    pinned = "".join(f"{what} {sha256}\n" for what, sha256 in RIC.items())
    if stamp.exists() and stamp.read_text() == pinned:
        return out
    shutil.rmtree(out, ignore_errors=True)
    _pip("install", RIC, "--python-version", "3.11", "--only-binary", ":all:", "--target", str(out))
    stamp.write_text(pinned)
    return out


def _handler() -> Path:
    folder = STATE / "app"
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(HANDLER)
    return folder


def find_python() -> Path:
    """The system's Python 3.11; a version manager's shim would be measured with it."""
    for path in (Path("/usr/bin/python3.11"), Path("/usr/local/bin/python3.11")):
        if path.exists():
            return path
    if sys.version_info[:2] == (3, 11):
        return Path(sys.executable).resolve()
    raise KitError("there is no Python 3.11, for which awslambdaric is pinned: install the package python3.11")


def _pip(action: str, pinned: dict[str, str], *more: str) -> None:
    lines = "".join(f"{what} --hash=sha256:{sha256}\n" for what, sha256 in pinned.items())
    requirements = STATE / "requirements.txt"
    requirements.write_text(lines)
    command = [sys.executable, "-m", "pip", action, "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", *more, "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    requirements.unlink()
    if done.returncode:
        raise KitError(f"pip cannot {action} {', '.join(pinned)}:\n{done.stderr.strip()}")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
