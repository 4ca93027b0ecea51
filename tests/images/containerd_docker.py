"""A Docker with the containerd image store and buildx, and a registry, out of Debian's packages, for the tests alone.

Distributions of the last years have an older Docker, or one without buildx. These programs need nothing but a C library
that is at least as new as theirs was when they were linked (2.34), so they run from any folder.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import daemons

from imagemill.assemble import deb
from imagemill.fetch import Cache, Fetcher
from imagemill.lock import DebianPackage
from imagemill.mirrors import Mirrors
from imagemill.platforms import native
from imagemill.resolve.debian import read_archive, read_releases
from imagemill.web import Web

SUITE = "trixie"
PROGRAMS: Mapping[str, Sequence[str]] = {
    "docker.io": ["usr/sbin/dockerd"],
    "docker-cli": ["usr/bin/docker"],
    "docker-buildx": ["usr/libexec/docker/cli-plugins/docker-buildx"],
    "containerd": ["usr/bin/containerd", "usr/bin/containerd-shim-runc-v2"],
    "docker-registry": ["usr/bin/docker-registry"],
    "tini": ["usr/bin/tini"],
}


def packages(mirrors: Mirrors, cache: Cache) -> list[DebianPackage]:
    """The newest of these packages in the suite, its signature checked."""
    web = Web(mirrors)
    setting = mirrors.environ.get("IMAGEMILL_DEBIAN_KEYRING")
    keyring = Path(setting) if setting else None
    releases = read_releases(SUITE, ["updates", "security"], web=web, mirror=mirrors.archive, keyring=keyring)
    archive = read_archive(releases, native().arch, web=web, cache=cache, mirror=mirrors.archive, say=lambda _: None)
    return [archive.candidates[name].package for name in PROGRAMS]


def install(state: Path, environ: Mapping[str, str]) -> Path:
    """A folder with these programs below `state`, and its `cli-plugins`. Downloads what is not in the cache."""
    mirrors, cache = Mirrors.discover(environ), Cache(state / "cache")
    wanted = packages(mirrors, cache)
    name = "-".join(package.sha256[:8] for package in wanted)
    folder = state / "tests" / f"docker-{name}"
    if folder.is_dir():
        return folder
    Fetcher(cache, mirrors, lambda _: None).fetch(wanted)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        staging = Path(scratch, "bin")
        (staging / "cli-plugins").mkdir(parents=True)
        for package in wanted:
            tree = deb.unpack(cache.item(package), Path(scratch, package.name)).tree
            for path in PROGRAMS[package.name]:
                inside = "cli-plugins" if "cli-plugins" in path else "."
                target = staging / inside / path.rpartition("/")[2]
                target.write_bytes(tree[path].read())
                target.chmod(0o755)
        (staging / "docker-init").symlink_to("tini")
        staging.rename(folder)
    return folder


@contextmanager
def daemon(programs: Path, environ: Mapping[str, str], *, containerd: bool = True) -> Iterator[Mapping[str, str]]:
    """A daemon of these programs, and the environment in which `docker` finds it. Nothing else is touched.

    Without `containerd` it keeps images in Docker's older store.
    """
    # Not pytest's own folder: the path of a socket has at most 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="imagemill-containerd-"))
    path = f"{programs}:{environ.get('PATH', '')}:/usr/sbin:/sbin"
    settings = {"features": {"containerd-snapshotter": containerd}, "builder": {"gc": {"enabled": False}}}
    (home / "daemon.json").write_text(json.dumps(settings), encoding="utf-8")
    (home / "config").mkdir()
    (home / "config" / "cli-plugins").symlink_to(programs / "cli-plugins")
    inside = {
        **environ,
        "PATH": path,
        "DOCKER_HOST": f"unix://{home}/socket",
        "DOCKER_CONFIG": f"{home}/config",
    }
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(programs / "dockerd"),
                *("--config-file", f"{home}/daemon.json", "--host", f"unix://{home}/socket"),
                *("--data-root", f"{home}/data", "--exec-root", f"{home}/exec", "--pidfile", f"{home}/pid"),
                *("--group", str(os.getegid()), "--bridge", "none"),
                *("--iptables=false", "--ip6tables=false", "--ip-masq=false"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=inside,
        )
    try:
        daemons.wait_for(process, inside, home / "log")
        yield inside
    finally:
        daemons.end(process)
        daemons.remove(home)


@contextmanager
def registry(programs: Path) -> Iterator[str]:
    """A registry on a free port of this machine, and its address. Docker takes one on 127.0.0.1 without TLS."""
    with tempfile.TemporaryDirectory(prefix="imagemill-registry-") as folder:
        home = Path(folder)
        settings = {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": f"{home}/data"}},
            "http": {"addr": "127.0.0.1:0"},
        }
        (home / "config.json").write_text(json.dumps(settings), encoding="utf-8")  # YAML takes JSON
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [str(programs / "docker-registry"), "serve", f"{home}/config.json"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"OTEL_TRACES_EXPORTER": "none"},
            )
        try:
            yield _listening(process, home / "log")
        finally:
            daemons.end(process)


def _listening(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + 30
    while True:
        found = re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text(errors="replace"))
        if found:
            return found[1]
        assert process.poll() is None and time.monotonic() < until, log.read_text(errors="replace")
        time.sleep(0.05)
