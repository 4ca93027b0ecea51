"""BuildKit in a Docker daemon, spoken to by the buildx plugin of the `docker` command.

For the daemons whose Engine API takes no context (see `docker`): the plugin has a session with BuildKit, which asks it
for the files of the context, and gives it the image as an OCI layout. Only a daemon with the containerd image store
can do that; its images need no name and no second way out of the store then.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from imagemill import oci
from imagemill.engine import DOCKERFILE, Context, archive
from imagemill.engine.embedded.lineage import steps
from imagemill.engine.placing import place
from imagemill.errors import EngineError
from imagemill.platforms import Platform

Call = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs a program, as `Children.call` does."""


def there(environ: Mapping[str, str], call: Call) -> bool:
    """Whether there is a `docker` command with the plugin."""
    try:
        return call(["docker", "buildx", "version"], env=environ).returncode == 0
    except FileNotFoundError:
        return False


def build(
    context: Context,
    platform: Platform,
    *,
    layout: Path,
    name: str,
    epoch: int,
    scratch: Path,
    environ: Mapping[str, str],
    call: Call,
) -> oci.Descriptor:
    """Execute `context.dockerfile` for one platform and write an OCI layout at `layout`.

    `epoch` (seconds since 1970) is the time of everything made here, `environ` says which daemon the command talks to,
    `call` runs it.
    The daemon keeps its build cache and nothing else. Returns the descriptor of the image manifest. EngineError when
    the build is refused.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    arguments = {"SOURCE_DATE_EPOCH": str(epoch), **context.arguments}
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        own = Path(folder)
        (own / "context").mkdir()
        place(context.visible(epoch), own / "context")
        (own / DOCKERFILE).write_text(context.dockerfile, encoding="utf-8")
        (own / f"{DOCKERFILE}.dockerignore").touch()  # in place of the context's own, which was heeded above
        done = call(
            [
                *("docker", "buildx", "build", "--quiet", "--builder", _builder(environ, call)),
                *("--provenance=false", "--sbom=false", "--platform", str(platform)),
                *("--output", "type=oci,tar=false,compression=uncompressed,dest=oci"),
                *(word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")),
                *(("--target", context.target) if context.target else ()),
                # BuildKit's cache knows files by their content: it would give one back with the time of an older build.
                *(("--no-cache",) if context.files else ()),
                *("--file", DOCKERFILE, "context"),
            ],
            env=environ,
            cwd=own,  # so that no letter of a path means anything in --output
        )
        if done.returncode != 0:
            raise EngineError(f"the Dockerfile does not build for {platform}: {done.stderr.strip()}")
        return archive.oci_to_layout(
            own / "oci", layout, name=name, epoch=epoch, scratch=own, steps=steps(context, platform)
        )


def _builder(environ: Mapping[str, str], call: Call) -> str:
    """The builder that is the daemon itself, named after the context of the command, whichever one is in use."""
    said = call(["docker", "context", "show"], env=environ)
    return said.stdout.strip() if said.returncode == 0 else "default"
