"""Our Go programs, compiled by the pinned Go toolchain, static, one binary for each architecture."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from imagemill.assemble import OUR_EPOCH
from imagemill.builder import go_command
from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Tree
from imagemill.platforms import Platform


def init_layer(root: Path, platform: Platform, scratch: Path) -> Tree:
    """The layer with process 1 and the places where other tools expect an emulator.

    Source of the paths: contracts 4.1, 4.2 and 5.6.
    """
    binary = compile_init(root, platform, scratch)
    entrypoint = (root / "build" / "init" / "lambda-entrypoint.sh").read_bytes()
    return {
        "var/rapid/init": Entry("file", 0o755, mtime=OUR_EPOCH, content=binary.read_bytes()),
        "var/rapid/aws-lambda-rie": Entry("symlink", 0o777, mtime=OUR_EPOCH, target="init"),
        "usr/local/bin/aws-lambda-rie": Entry("symlink", 0o777, mtime=OUR_EPOCH, target="/var/rapid/init"),
        "lambda-entrypoint.sh": Entry("file", 0o755, mtime=OUR_EPOCH, content=entrypoint),
    }


def compile_init(root: Path, platform: Platform, scratch: Path) -> Path:
    """The init's static binary for a platform, compiled into `scratch`. Errors name what the compiler said."""
    return compile_program(root / "build" / "init", platform, scratch)


def compile_program(module: Path, platform: Platform, scratch: Path) -> Path:
    """The static binary of the Go module in a folder, for a platform, compiled into `scratch`.

    Raises AssembleError with what the compiler said.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    out = scratch / f"{module.name}-{platform.arch}"
    env = {
        "PATH": os.defpath,
        "HOME": str(scratch),
        "GOCACHE": str(scratch / "go-cache"),
        "GOPATH": str(scratch / "go-path"),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        "CGO_ENABLED": "0",
        "GOOS": "linux",
        "GOARCH": platform.arch,
        "GOAMD64": "v1",
        "GOEXPERIMENT": "nojsonv2",  # the smaller JSON code: 0.5 MB in every image
    }
    command = [
        *(go_command(), "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid="),
        *("-o", str(out), "."),
    ]
    done = subprocess.run(command, cwd=module, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssembleError(
            f"{module.parent.name}/{module.name} does not compile for {platform}:\n{done.stderr.strip()}"
        )
    return out
