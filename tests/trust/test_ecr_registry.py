"""Publishing to ECR: its API played by moto, its registry by docker-registry, which wants the logins of the API."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import aws_api
import msgspec
import pytest
from ecr_place import Amazon
from places import ROOT
from pushing import index_in

from imagemill.mirrors import Mirrors
from imagemill.oci import INDEX
from imagemill.registry.faults import Denied
from imagemill.registry.push import push
from imagemill.registry.repository import Repository
from imagemill.web import Web

pytestmark = pytest.mark.engine


def test_an_image_is_pushed_to_a_repository_that_was_made_for_it(amazon: Amazon, tmp_path: Path) -> None:
    registries, (layout, entry) = amazon.registries(), index_in(tmp_path / "one", 1)
    with pytest.raises(Denied):  # this registry makes none by itself
        push(layout, entry, amazon.repository(registries))
    registries.prepare(amazon.to, [amazon.to.to, f"{amazon.host}/lambda-python"])
    assert amazon.api.repositories() == ["acme/lambda", "lambda-python"]
    mine = amazon.repository(registries)
    push(layout, entry, mine)
    mine.push_manifest("python3.13", INDEX, layout.read_blob(entry.digest))
    assert amazon.crane("digest", f"{amazon.to.to}:python3.13").stdout.strip() == entry.digest
    pulled = amazon.crane("pull", "--format", "oci", f"{amazon.to.to}:python3.13", str(tmp_path / "pulled"))
    assert pulled.returncode == 0, pulled.stderr
    files = {file.name: file.read_bytes() for file in (tmp_path / "one" / "blobs" / "sha256").iterdir()}
    assert {file.name: file.read_bytes() for file in (tmp_path / "pulled" / "blobs" / "sha256").iterdir()} == files
    assert amazon.api.logins == 1 and amazon.api.scopes == {f"{aws_api.REGION}/ecr"}


def test_logins_are_renewed_amid_a_push(amazon: Amazon, tmp_path: Path) -> None:
    """Each new login ends the one before, and tokens live for a second: an old login would be refused."""
    amazon.tokens.lifetime = 1
    amazon.api.seconds = 100
    registries, (layout, entry) = amazon.registries(speed=1000), index_in(tmp_path / "long", 1, layers=6)
    registries.prepare(amazon.to, [amazon.to.to])
    first = registries.login(amazon.host)
    time.sleep(0.1)
    mine = amazon.repository(registries)
    push(layout, entry, mine, jobs=1)
    time.sleep(1)
    for digest in (entry.digest, *(row["digest"] for row in json.loads(layout.read_blob(entry.digest))["manifests"])):
        assert mine.manifest(digest) == layout.read_blob(digest)
    assert amazon.api.logins >= 3
    stale = Repository(Web(Mirrors(amazon.environ)), amazon.to.to, first, lambda _: None)
    with pytest.raises(Denied):
        stale.manifest(entry.digest)


def test_leftovers_are_listed_then_removed_and_the_tagged_index_stays_whole(amazon: Amazon, tmp_path: Path) -> None:
    registries, settings = amazon.registries(), amazon.to.ecr
    assert settings
    # moto takes nothing without a tag where some tags are immutable
    plain = msgspec.structs.replace(amazon.to, ecr=msgspec.structs.replace(settings, immutable_dates=False))
    registries.prepare(plain, [plain.to])
    mine, entries = amazon.repository(registries), []
    for seed, text in enumerate(("old", "new")):
        layout, entry = index_in(tmp_path / text, 1, seed=seed)
        push(layout, entry, mine)
        mine.push_manifest("python3.13", INDEX, layout.read_blob(entry.digest))
        children = [row["digest"] for row in json.loads(layout.read_blob(entry.digest))["manifests"]]
        for digest in (*children, entry.digest):  # ECR knows what its registry has; moto has to be told
            tag = {"imageTag": "python3.13"} if (text, digest) == ("new", entry.digest) else {}
            data = layout.read_blob(digest).decode()
            amazon.api.client.put_image(repositoryName="acme/lambda", imageManifest=data, imageDigest=digest, **tag)
        entries.append({entry.digest, *children})
    old, new = entries
    (tmp_path / "runtimes").mkdir()
    (tmp_path / "templates").mkdir()
    (tmp_path / "publish.yaml").write_text(
        f"destinations:\n- to: {amazon.to.to}\n  ecr: {{region: {aws_api.REGION}, endpoint: '{amazon.api.address}'}}\n"
    )

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "imagemill", "--root", str(tmp_path), "clean-registry", amazon.to.to, *words]
        environ = {**amazon.environ, "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s3cret-key"}
        return subprocess.run(argv, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)

    young = run()
    assert (young.returncode, young.stdout) == (0, ""), young.stderr
    listed = run("--keep-days", "0")
    assert {line.partition("@")[2].split("\t")[0] for line in listed.stdout.splitlines()} == old
    assert "3 manifests" in listed.stderr and "--yes removes them" in listed.stderr
    assert len(there(amazon)) == 6
    removed = run("--keep-days", "0", "--yes")
    assert removed.returncode == 0 and removed.stdout == listed.stdout, removed.stderr
    assert there(amazon) == new
    assert "s3cret-key" not in removed.stderr + listed.stderr and amazon.api.users["AWS"][0] not in removed.stderr
    assert run("--keep-days", "0").stdout == ""


def there(amazon: Amazon) -> set[str]:
    pages = amazon.api.client.get_paginator("describe_images").paginate(repositoryName="acme/lambda")
    return {row["imageDigest"] for page in pages for row in page["imageDetails"]}
