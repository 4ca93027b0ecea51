"""Base images: pinned by digest through the registry's HTTP API, and pulled into the cache, from one on loopback."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from mirror import Server
from small import BASE, RUNTIME, Checkout

from imagemill import lock as locks
from imagemill.errors import FetchError, IntegrityError, LockError
from imagemill.fetch import Cache, Fetcher, Gone
from imagemill.lock import BaseImage
from imagemill.oci import CONFIG, INDEX, LAYER_GZIP, MANIFEST, Layout
from imagemill.platforms import PLATFORMS
from imagemill.progress import Silent
from imagemill.pull import resolve, write_layout
from imagemill.web import Web

AMD64, ARM64 = PLATFORMS["linux/amd64"], PLATFORMS["linux/arm64"]


class Registry:
    """A repository `lambda/python` with images in it."""

    def __init__(self, mirror: Server) -> None:
        self.mirror = mirror
        self.name = f"{mirror.url.partition('//')[2]}/lambda/python"

    def put(self, kind: str, content: bytes, *more: str) -> str:
        """Have content under its digest, and under tags. Returns the digest."""
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        for name in (digest, *more):
            self.mirror.files[f"/v2/lambda/python/{kind}/{name}"] = content
        return digest

    def image(self, arch: str, *tags: str, layer: bytes = b"layer") -> str:
        """An image for an architecture. Returns its manifest's digest."""
        layer = layer + arch.encode()
        config = json.dumps({"os": "linux", "architecture": arch}).encode()
        rows = [
            {"mediaType": kind, "digest": self.put("blobs", content), "size": len(content)}
            for kind, content in ((CONFIG, config), (LAYER_GZIP, layer))
        ]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": rows[0], "layers": rows[1:]}
        return self.put("manifests", json.dumps(manifest).encode(), *tags)

    def index(self, tag: str, layer: bytes = b"layer") -> tuple[dict[str, str], str]:
        """An index over two architectures and an attestation. Returns digests by architecture, and its own."""
        digests = {arch: self.image(arch, layer=layer) for arch in ("amd64", "arm64")}
        rows = [{"digest": d, "platform": {"os": "linux", "architecture": arch}} for arch, d in digests.items()]
        rows.append({"digest": "sha256:0", "platform": {"os": "unknown", "architecture": "unknown"}})
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}
        return digests, self.put("manifests", json.dumps(index).encode(), tag)


@pytest.fixture
def registry(mirror: Server) -> Registry:
    return Registry(mirror)


@pytest.fixture(params=["open", "token"])
def guarded(request: pytest.FixtureRequest, registry: Registry) -> Registry:
    """A registry that everybody may read, and one that wants everybody to get a token first."""
    if request.param == "token":
        registry.mirror.tokens["/v2/"] = "t0ken"
        place = "/token?scope=repository%3Alambda%2Fpython%3Apull&service=here"
        registry.mirror.files[place] = b'{"token": "t0ken"}'
    return registry


def web(registry: Registry) -> Web:
    return Web(registry.mirror.mirrors())


def test_a_tag_has_a_digest_for_each_architecture(guarded: Registry) -> None:
    digests, index = guarded.index("3.13")
    assert resolve(f"{guarded.name}:3.13", (AMD64, ARM64), web(guarded)) == {
        arch: BaseImage(guarded.name, "3.13", digest, index) for arch, digest in digests.items()
    }


def test_a_tag_of_one_architecture(registry: Registry) -> None:
    digest = registry.image("amd64", "3.13")
    pins = resolve(f"{registry.name}:3.13", (AMD64,), web(registry))
    assert pins == {"amd64": BaseImage(registry.name, "3.13", digest, digest)}
    with pytest.raises(LockError, match="is not there for linux/arm64, only for linux/amd64"):
        resolve(f"{registry.name}:3.13", (AMD64, ARM64), web(registry))


def test_a_tag_that_is_not_there_is_an_error(registry: Registry) -> None:
    with pytest.raises(LockError, match=r"lambda/python:9: .* 404"):
        resolve(f"{registry.name}:9", (AMD64,), web(registry))


def test_an_image_that_nobody_may_read_is_an_error(registry: Registry) -> None:
    registry.index("3.13")
    registry.mirror.tokens["/v2/"] = "t0ken"
    registry.mirror.files["/token?scope=repository%3Alambda%2Fpython%3Apull&service=here"] = b'{"token": "other"}'
    with pytest.raises(LockError, match="401"):
        resolve(f"{registry.name}:3.13", (AMD64,), web(registry))


def fetch(registry: Registry, image: BaseImage, tmp_path: Path) -> Cache:
    cache = Cache(tmp_path / "cache")
    Fetcher(cache, registry.mirror.mirrors(), Silent().step).fetch([image])
    return cache


def test_an_image_is_pulled_by_digest_into_a_layout(guarded: Registry, tmp_path: Path) -> None:
    digests, index = guarded.index("3.13")
    image = BaseImage(guarded.name, "3.13", digests["arm64"], index)
    guarded.index("3.13", layer=b"newer")  # the tag goes on
    cache = fetch(guarded, image, tmp_path)
    descriptor = write_layout(image, cache, ARM64, tmp_path / "layout")
    assert descriptor.digest == digests["arm64"]
    (found,) = Layout(tmp_path / "layout").images()
    assert (found.digest, found.platform) == (digests["arm64"], "linux/arm64")
    manifest = Layout(tmp_path / "layout").read_json(found.digest)
    assert Layout(tmp_path / "layout").read_blob(manifest["layers"][0]["digest"]) == b"layerarm64"
    guarded.mirror.requests.clear()
    fetch(guarded, image, tmp_path)
    assert guarded.mirror.requests == []


SPOILED = {"the manifest": "manifests", "a layer": "blobs"}


@pytest.mark.parametrize("name", SPOILED)
def test_other_bytes_are_refused(name: str, registry: Registry, tmp_path: Path) -> None:
    digests, index = registry.index("3.13")
    manifest = json.loads(registry.mirror.files[f"/v2/lambda/python/manifests/{digests['amd64']}"])
    digest = digests["amd64"] if SPOILED[name] == "manifests" else manifest["layers"][0]["digest"]
    registry.mirror.files[f"/v2/lambda/python/{SPOILED[name]}/{digest}"] = b'{"config": 1}'
    image = BaseImage(registry.name, "3.13", digests["amd64"], index)
    with pytest.raises(IntegrityError, match=r"lambda/python:3\.13"):
        fetch(registry, image, tmp_path)
    assert not Cache(tmp_path / "cache").item(image).exists()


def test_an_image_that_is_gone_is_named(registry: Registry, tmp_path: Path) -> None:
    digests, index = registry.index("3.13")
    image = BaseImage(registry.name, "3.13", digests["amd64"], index)
    registry.mirror.files.clear()
    with pytest.raises(Gone, match=r"lambda/python 3\.13"):
        fetch(registry, image, tmp_path)


def test_a_blob_that_is_no_digest_is_refused(registry: Registry, tmp_path: Path) -> None:
    row = {"digest": "sha256:../../x", "size": 1}
    digest = registry.put("manifests", json.dumps({"config": row, "layers": []}).encode())
    with pytest.raises(FetchError, match="names the blob"):
        fetch(registry, BaseImage(registry.name, "1", digest, digest), tmp_path)


def test_the_lock_pins_an_image_and_says_when_its_tag_goes_on(registry: Registry, tmp_path: Path) -> None:
    house = Checkout(tmp_path / "checkout", registry.mirror, "amd64", "arm64")
    for suite in ("trixie", "trixie-updates", "trixie-security"):
        house.publish(suite, "bash 1", "zlib 1")
    digests, _ = registry.index("3.13")
    house.language(image=f"{registry.name}:3.13")
    assert house.mill("lock", "--update").exit_code == 0
    lock = locks.read(locks.path_of(house.root, BASE))
    found = {arch: inputs.image.digest for arch, inputs in lock.sets[RUNTIME].items() if inputs.image}
    assert found == digests
    assert house.mill("lock", "--check", "--offline").exit_code == 0
    newer, _ = registry.index("3.13", layer=b"newer")
    table = house.mill("lock", "--check").stdout
    assert f"3.13@{digests['amd64'][:19]}" in table and f"3.13@{newer['amd64'][:19]}" in table
    changes = house.mill("lock", "--update").stdout
    assert f"(image) 3.13 {digests['arm64'][:19]} → 3.13 {newer['arm64'][:19]} (arm64)" in changes
    house.language(image=f"{registry.name}:3.14")
    result = house.mill("lock", "--check", "--offline")
    assert (result.exit_code, f"the manifest has image {registry.name}:3.14" in result.stderr) == (1, True)
