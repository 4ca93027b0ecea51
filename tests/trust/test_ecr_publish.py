"""`imagemill publish` to ECR, from a checkout to tags, as somebody who has AWS's credentials and no other login."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import aws_api
import pytest
from ecr_place import Amazon
from places import ROOT

import copies

pytestmark = pytest.mark.engine
IMAGE = "provided.al2023"
PASSPHRASE = "passphrase of a test"
ROLES = ("ROOT", "TARGETS", "RELEASE")


class Checkout:
    """A checkout of one runtime, and commands in it."""

    def __init__(self, top: Path, amazon: Amazon) -> None:
        self.top, self.amazon = copies.copied(top, IMAGE), amazon
        state = Path(os.environ.get("IMAGEMILL_STATE") or ROOT / ".imagemill").absolute()
        settings = {"to": amazon.to.to, "ecr": {"endpoint": amazon.api.address, "region": aws_api.REGION}}
        (top / "publish.yaml").write_text(json.dumps({"destinations": [settings]}))  # YAML takes JSON
        (top / ".gitignore").write_text("state\ndist\n")
        (top / "state").mkdir()
        for name in ("cache", "go", "python", "java", "tests", "layers"):
            if (state / name).exists():
                (top / "state" / name).symlink_to(state / name)
        for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "all"]):
            subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.com", *words], cwd=top, check=True)

    def mill(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What a command says; the docker configuration knows no login."""
        environ = {
            **self.amazon.environ,
            "IMAGEMILL_STATE": str(self.top / "state"),
            "PYTHONPATH": str(self.top / "build"),
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "s3cret-key",
            **{f"IMAGEMILL_TRUST_PASSPHRASE_{role}": PASSPHRASE for role in ROLES},
        }
        argv = [sys.executable, "-m", "imagemill", *words]
        done = subprocess.run(argv, cwd=self.top, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        assert "s3cret-key" not in done.stdout + done.stderr
        return done


def test_a_release_to_ecr(amazon: Amazon, tmp_path: Path) -> None:
    one = Checkout(tmp_path / "checkout", amazon)
    one.mill("build", IMAGE, "--no-load")
    one.mill("conform", IMAGE, "--no-run", "--report", "json=dist/conformance.json")
    key = one.mill(
        "trust", "--trust", str(tmp_path / "trust"), "key", "release", "--out", str(tmp_path / "release.pub")
    )
    publish = (
        "publish",
        IMAGE,
        "--allow-unrun",
        "--key",
        key.stdout.strip(),
        "--source",
        "https://example.com/acme/imagemill",
    )
    planned = one.mill(*publish, "--date", "20261121", "--dry-run")
    assert f"20261121-{IMAGE}" in planned.stdout and amazon.api.repositories() == []
    done = one.mill(*publish, "--date", "20261121")
    made = amazon.api.repositories()
    assert "acme/lambda" in made and len(made) > 1  # those of aliases, too
    assert all(f"made {amazon.host}/{name}" in done.stderr for name in made)
    [record] = json.loads((one.top / "releases" / "20261121.json").read_text())["images"].values()
    for tag in (f"{amazon.to.to}:{IMAGE}", f"{amazon.to.to}:20261121-{IMAGE}"):
        assert tag in record["tags"]
        assert amazon.crane("digest", tag).stdout.strip() == record["digest"]
    verified = one.mill("verify", f"{amazon.to.to}:{IMAGE}", "--key", str(tmp_path / "release.pub"))  # crane's login
    assert verified.stdout
    Path(amazon.environ["DOCKER_CONFIG"], "config.json").unlink()
    again = one.mill(*publish, "--date", "20261121")
    assert not any(f"made {amazon.host}" in line for line in again.stderr.splitlines())
    logins = [password for password, _ in amazon.api.users.values()]
    for path in (*(one.top / "releases").iterdir(), *(one.top / "dist").rglob("*.json")):
        assert not any(password in path.read_text(errors="replace") for password in logins), path
