"""buildah: executes a Dockerfile with no daemon, as root or in a user namespace."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from imagemill import oci
from imagemill.engine import DOCKERFILE, Context, archive
from imagemill.engine.embedded.lineage import steps
from imagemill.engine.placing import place
from imagemill.errors import EngineError
from imagemill.platforms import Platform

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


def build(
    context: Context,
    platform: Platform,
    *,
    layout: Path,
    name: str,
    epoch: int,
    scratch: Path,
    run: Run,
) -> oci.Descriptor:
    """Execute `context.dockerfile` for one platform and write an OCI layout at `layout`.

    `epoch` (seconds since 1970) is the time of everything made here. buildah gets a storage of its own below
    `scratch`, gone afterwards: the user's images and cache are not touched. `run` runs it. Returns the descriptor of
    the image manifest. EngineError without buildah, or when it fails.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(dir=scratch))
    buildah = ["buildah", "--root", f"{own}/root", "--runroot", f"{own}/run"]
    arguments = {"SOURCE_DATE_EPOCH": str(epoch), **context.arguments}
    passing = "localhost/imagemill-build"
    try:
        _write_context(context, epoch, own / "context")
        # No --timestamp: it sets the time of every file, older ones too; times are settled afterwards.
        # --layers makes a layer of each instruction, as BuildKit does; chroot asks for no OCI runtime.
        _checked(
            run,
            [
                *buildah,
                *("build", "--quiet", "--layers", "--format", "oci", "--isolation", "chroot"),
                *("--platform", str(platform), "--tag", passing),
                *(word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")),
                *(("--target", context.target) if context.target else ()),
                *("--file", f"{own}/{DOCKERFILE}", "--ignorefile", f"{own}/ignored"),
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
            own / "oci", layout, name=name, epoch=epoch, scratch=own, steps=steps(context, platform)
        )
    finally:
        _remove(own, buildah, run)


def _write_context(context: Context, epoch: int, folder: Path) -> None:
    """The build context as files; the Dockerfile lies beside it, too, where no .dockerignore says anything of it."""
    folder.mkdir()
    folder.with_name(DOCKERFILE).write_text(context.dockerfile, encoding="utf-8")
    folder.with_name("ignored").touch()
    place(context.visible(epoch), folder)


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
