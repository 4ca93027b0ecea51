"""buildah: executes a Dockerfile with no daemon, as root or in a user namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from imagemill import oci
from imagemill.engine import Context, archive
from imagemill.engine.placing import place
from imagemill.errors import EngineError
from imagemill.platforms import Platform

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


def call(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and keep what it says."""
    return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def build(
    context: Context,
    platform: Platform,
    *,
    layout: Path,
    name: str,
    epoch: int,
    scratch: Path,
    run: Run = call,
) -> oci.Descriptor:
    """Execute `context.dockerfile` for one platform and write an OCI layout at `layout`.

    `epoch` (seconds since 1970) is the time of everything made here. buildah gets a storage of its own below
    `scratch`, gone afterwards: the user's images and cache are not touched. Returns the descriptor of the
    image manifest. EngineError without buildah, or when it fails.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(dir=scratch))
    buildah = ["buildah", "--root", f"{own}/root", "--runroot", f"{own}/run"]
    arguments = {"SOURCE_DATE_EPOCH": str(epoch), **context.arguments}
    passing = "localhost/imagemill-build"
    try:
        _write_context(context, own / "context")
        # No --timestamp: it sets the time of every file, older ones too; times are settled afterwards.
        # --layers makes a layer of each instruction, as BuildKit does; chroot asks for no OCI runtime.
        _checked(
            run,
            [
                *buildah,
                *("build", "--quiet", "--layers", "--format", "oci", "--isolation", "chroot"),
                *("--platform", str(platform), "--tag", passing),
                *(("--target", context.target) if context.target else ()),
                *(word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")),
                f"{own}/context",
            ],
            f"{name} for {platform}",
        )
        _checked(
            run,
            [*buildah, "push", "--quiet", "--disable-compression", passing, f"oci:{own}/oci:build"],
            f"{name} for {platform}",
        )
        return archive.oci_to_layout(
            own / "oci", layout, name=name, epoch=epoch, scratch=own, dockerfile=context.dockerfile
        )
    finally:
        _remove(own, buildah, run)


def _write_context(context: Context, folder: Path) -> None:
    folder.mkdir()
    archives = context.archives
    place({name: entry for name, entry in context.tree.items() if name not in archives}, folder)
    for name, blob in archives.items():
        _link(blob.path, folder / name)


def _link(source: Path, path: Path) -> None:
    try:
        os.link(source, path)
    except OSError:
        shutil.copyfile(source, path)


def _checked(run: Run, argv: Sequence[str], what: str) -> None:
    try:
        done = run(argv)
    except FileNotFoundError:
        raise EngineError("buildah is not installed", "install it, or use --engine embedded") from None
    if done.returncode != 0:
        raise EngineError(f"{what}: buildah failed: {done.stderr.strip()}")


def _remove(folder: Path, buildah: Sequence[str], run: Run) -> None:
    with suppress(FileNotFoundError):
        run([*buildah, "rm", "--all"])  # a build that failed leaves a container, and its root mounted
    try:
        shutil.rmtree(folder)
    except PermissionError:
        # Without root, files of other owners belong to ids that only the user's namespace may touch.
        run(["buildah", "unshare", "rm", "-rf", str(folder)])
