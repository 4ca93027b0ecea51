"""`imagemill plan --changed-since`: what a change touches, against real revisions of a small repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imagemill import changes
from imagemill.cli import main
from imagemill.errors import RevisionError

PYTHON = ["build-python3.13-debian", "python3.13-debian", "serve-python3.13-debian"]


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def repository(checkout: Path) -> Path:
    """A repository with one commit, of a checkout with two runtimes."""
    for manifest in (checkout / "runtimes").glob("*.yaml"):
        if manifest.stem not in ("provided.al2023", "python3.13"):
            manifest.unlink()
    (checkout / "requirements").mkdir()
    (checkout / "requirements" / "images.txt").write_text("click==8.1\nisal==1.9.1 \\\n")
    git(checkout, "init", "-q", "-b", "main")
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "first")
    return checkout


def mill(root: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["--root", str(root), "plan", "--changed-since", *args])


def rename(root: Path) -> None:
    """The runtime provided.al2023 gets another name; its lock is renamed with it."""
    old, new = "provided.al2023", "provided.al2029"
    path = root / "runtimes" / f"{old}.yaml"
    (root / "runtimes" / f"{new}.yaml").write_text(path.read_text().replace(old, new).replace(":al2023", ":al2029"))
    path.unlink()
    lock = root / "runtimes" / "lock" / "debian-trixie.json"
    lock.write_text(lock.read_text().replace(old, new))


def append(name: str, text: str = "\n# more\n") -> Callable[[Path], None]:
    def change(root: Path) -> None:
        with (root / name).open("a") as file:
            file.write(text)

    return change


def labels(root: Path) -> None:
    """The code that renders says something else of build images."""
    path = root / "build" / "imagemill" / "labels.py"
    text = path.read_text()
    assert '"MIT"' in text
    path.write_text(text.replace('"MIT"', '"MIT" if image.variant != "build" else "MIT-0"'))


RENAMED = [f"{prefix}provided.al2029-debian" for prefix in ("", "build-", "serve-")]
CHANGES: dict[str, tuple[Callable[[Path], None], list[str], list[str]]] = {
    "nothing": (lambda root: None, [], []),
    "a comment": (append("runtimes/python3.13.yaml"), [], []),
    "a bootstrap": (append("build/bootstraps/python/bootstrap.py"), PYTHON, []),
    "a runtime renamed": (rename, RENAMED, [name.replace("9-", "3-") for name in RENAMED]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_change_touches(name: str, repository: Path) -> None:
    change, changed, removed = CHANGES[name]
    change(repository)
    done = mill(repository, "HEAD", "--format", "json")
    assert done.exit_code == 0, done.stderr
    data = json.loads(done.stdout)
    assert sorted(row["name"] for row in data["changed"]) == sorted(changed)
    assert sorted(data["removed"]) == sorted(removed)
    assert (data["since"], len(data["commit"])) == ("HEAD", 40)


def test_code_that_renders_counts_by_what_it_renders(repository: Path) -> None:
    """The revision's own code makes its plan: here the change is in the revision, and the work tree is as before."""
    labels(repository)
    git(repository, "commit", "-qam", "labels")
    git(repository, "revert", "--no-commit", "HEAD")
    done = mill(repository, "HEAD", "--format", "json")
    assert sorted(row["name"] for row in json.loads(done.stdout)["changed"]) == [
        "build-provided.al2023-debian",
        "build-python3.13-debian",
    ]


def test_another_pin_of_the_compressor_touches_everything(repository: Path) -> None:
    path = repository / "requirements" / "images.txt"
    path.write_text("click==8.2\nisal==1.9.1 \\\n")
    assert json.loads(mill(repository, "HEAD", "--format", "matrix").stdout) == {"include": []}
    path.write_text("click==8.2\nisal==1.9.2 \\\n")
    assert len(json.loads(mill(repository, "HEAD", "--format", "matrix").stdout)["include"]) == 2 * 6


def test_for_people(repository: Path) -> None:
    append("build/bootstraps/python/bootstrap.py")(repository)
    (repository / "runtimes" / "provided.al2023.yaml").unlink()
    done = mill(repository, "HEAD")
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        *("TAG", "python3.13", "build-python3.13", "serve-python3.13"),
        *("removed:", "removed:", "removed:"),
    ]
    assert done.stderr == "3 of 3 images changed since HEAD\n"


def nothing_of_ours(root: Path) -> str:
    git(root, "checkout", "-q", "--orphan", "other")
    git(root, "rm", "-rqf", "--cached", ".")
    git(root, "commit", "-q", "--allow-empty", "-m", "empty")
    return "HEAD"


def broken(root: Path) -> str:
    path = root / "runtimes" / "python3.13.yaml"
    text = path.read_text()
    path.write_text(text.replace("family: python", "family: snake"))
    git(root, "commit", "-qam", "broken")
    path.write_text(text)
    return "HEAD"


def no_repository(root: Path) -> str:
    shutil.rmtree(root / ".git")
    return "HEAD"


MISTAKES: dict[str, tuple[Callable[[Path], str], str]] = {
    "unknown": (lambda root: "nowhere", "git knows no revision 'nowhere'"),
    "an option": (lambda root: "--all", "git knows no revision '--all'"),
    "without a plan": (nothing_of_ours, "HEAD has no plan"),
    "with mistakes": (broken, "the plan of HEAD cannot be made:\nerror: 1 mistake in manifests"),
    "no repository": (no_repository, "is not in a git repository"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_revision_that_cannot_be_compared_with(name: str, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repository.parent))
    prepare, message = MISTAKES[name]
    done = mill(repository, prepare(repository))
    assert (done.exit_code, done.stdout) == (RevisionError.exit_code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_without_git(repository: Path) -> None:
    with pytest.raises(RevisionError, match="git is not here"):
        changes.since(repository, "HEAD", [], planned=(), environ={**os.environ, "PATH": "/nowhere"})
