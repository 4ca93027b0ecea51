"""From upstream's tarball to the layer on both architectures: ruby3.4's own manifest, with a source that is tiny."""

from __future__ import annotations

import hashlib
import http.server
import os
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import checkout
import pytest
import tiny

from copies import mill
from imagemill import lock as locks
from imagemill.assemble import source
from imagemill.assemble.native import command as native_command
from imagemill.cache import Cache
from imagemill.filetree import Tree
from imagemill.load import load
from imagemill.oci import Layout
from imagemill.platforms import Platform, find, native

EPOCH = 1_600_000_000  # 13 September 2020
PLATFORMS = [find("linux/amd64"), find("linux/arm64")]
SOLE = "ruby3.4"

pytestmark = pytest.mark.network


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def mirror(folder: Path) -> Iterator[str]:
    """The address of a mirror of downloads."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout where ruby3.4 is to be had, locked; upstream's site has the tiny source."""
    top = tmp_path_factory.mktemp("tiny")
    folder = top / "upstream" / "cache.ruby-lang.org" / "pub" / "ruby" / "3.4"
    folder.mkdir(parents=True)
    manifest = (checkout.ROOT / "runtimes" / f"{SOLE}.yaml").read_text(encoding="utf-8")
    [version] = re.findall(r"(?m)^          version: (.*)$", manifest)
    tarball = folder / f"ruby-{version}.tar.xz"
    tiny.write(tarball, EPOCH)
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    manifest = checkout.available(manifest, sha256=digest)
    for name in ("g++, ", "libffi-dev, ", "libssl-dev, ", "libyaml-dev, "):  # of no use to it, and slow to unpack
        assert f" {name}" in manifest
        manifest = manifest.replace(f" {name}", " ")
    root = checkout.make(top / "checkout", SOLE, manifest.replace("[g++-", "[gcc-"))
    base = root / "runtimes" / "bases" / "debian-trixie.yaml"
    # of the tools of build images, nothing is asked here
    base.write_text(re.sub(r"(?ms)^toolchain:\n.*?(?=^\w)", "toolchain: {}\n", base.read_text(encoding="utf-8")))
    with mirror(top / "upstream") as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGEMILL_DOWNLOAD_MIRROR", url)
        mill(root, "lock", "--update", "debian-trixie")
        yield root


@pytest.fixture(scope="module")
def built(root: Path) -> Path:
    """The dist with its images of both architectures."""
    mill(root, "build", SOLE, "--no-load")
    return root / "dist"


def builder(root: Path, state: Path) -> source.Builder:
    """The builder of the locked source, which keeps what it builds in `state`."""
    lock = locks.read(locks.path_of(root, "debian-trixie"))
    here = native().arch
    sets = [(name, arch) for name in ("debian-trixie", f"{SOLE}/source") for arch in ("amd64", "arm64")]
    packages = [item for name, arch in (*sets, (f"{SOLE}/cross", here)) for item in lock.inputs(name, arch).debian]
    cache = Cache(Path(os.environ.get("IMAGEMILL_STATE") or checkout.ROOT / ".imagemill") / "cache")
    spec = load(root).runtimes[SOLE].bases["debian"].language
    return source.Builder.of(spec, lock.inputs(SOLE, here), packages, cache.item, state)


def unpacked(layout: Layout, top: Path) -> Path:
    """The root file system of the layout's image, below `top`."""
    [image] = layout.images()
    for layer in layout.read_json(image.digest)["layers"]:
        with tarfile.open(layout.blob_path(layer["digest"])) as tar:
            tar.extractall(top, filter="tar")
    return top


def told(tree: Tree) -> dict[str, tuple[str, int, str, int, bytes]]:
    """All that a layer would hold of a tree."""
    return {
        path: (entry.kind, entry.mode, entry.target, entry.mtime, entry.read() if entry.kind == "file" else b"")
        for path, entry in tree.items()
    }


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_what_is_installed_runs(built: Path, platform: Platform, tmp_path: Path) -> None:
    root = unpacked(Layout(built / f"{SOLE}-debian-{platform.arch}"), tmp_path)
    program = root / "var" / "lang" / "bin" / "ruby"
    command = native_command(root, program, root / "var" / "lang" / "lib")
    if platform != native():
        qemu = shutil.which(f"qemu-{platform.machine}-static") or shutil.which(f"qemu-{platform.machine}")
        if qemu is None:
            pytest.skip("qemu-user is not installed; tests/engines.sh says how to install it")
        command = [qemu, "-L", str(root), str(program)]
    done = subprocess.run(command, env={}, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"tiny of Sep 13 2020 for {platform.multiarch} with zlib 1.3.1, from tiny.c\n"


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_only_what_runs_is_kept_stripped_and_of_one_time(built: Path, platform: Platform, tmp_path: Path) -> None:
    root = unpacked(Layout(built / f"{SOLE}-debian-{platform.arch}"), tmp_path)
    lang = root / "var" / "lang"
    assert {path.relative_to(lang).as_posix() for path in lang.rglob("*tiny*")} == {
        "lib/libtiny.so",
        "lib/libtiny.so.1",
    }
    assert not (lang / "share").exists()
    for path in (lang / "bin" / "ruby", lang / "lib" / "libtiny.so.1"):
        assert b".debug_info" not in path.read_bytes()
        assert path.stat().st_mtime == EPOCH


def test_it_is_the_same_when_it_is_built_again_elsewhere(built: Path, root: Path, tmp_path: Path) -> None:
    first = builder(root, Path(os.environ.get("IMAGEMILL_STATE") or checkout.ROOT / ".imagemill"))
    again = builder(root, tmp_path)
    for platform in PLATFORMS:
        assert first.installed(platform).exists()
        assert told(again.tree(platform)) == told(first.tree(platform))
    assert {path.name for path in (tmp_path / "source").iterdir() if path.is_dir()} == {
        first.installed(platform).name for platform in PLATFORMS
    }


def test_a_lock_of_another_tarball_is_refused(root: Path) -> None:
    manifest = root / "runtimes" / f"{SOLE}.yaml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(re.sub(r"(?m)^(          sha256: ).*$", r"\g<1>" + "f" * 64, text), encoding="utf-8")
    try:
        with pytest.raises(AssertionError, match="download ruby is locked with another sha256"):
            mill(root, "lock", "--check", "--offline")
    finally:
        manifest.write_text(text, encoding="utf-8")
