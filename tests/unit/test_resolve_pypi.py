"""Resolving Python distributions: for the target and not for this machine, the same versions on every architecture."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagemill.errors import LockError
from imagemill.manifest import PypiSet
from imagemill.mirrors import Mirrors
from imagemill.platforms import find
from imagemill.resolve import pypi
from imagemill.web import Web

AMD64, ARM64 = find("linux/amd64"), find("linux/arm64")
BOTH = (AMD64, ARM64)
ANY = "py3-none-any"


def native(machine: str, glibc: str = "2_28", python: str = "cp313-cp313") -> str:
    return f"{python}-manylinux_{glibc}_{machine}"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@dataclass(frozen=True)
class Index:
    """A package index on loopback: a folder, with pages of HTML and metadata beside the wheels (PEP 503, 658)."""

    folder: Path
    url: str

    def project(self, name: str, files: Mapping[str, str]) -> None:
        """Add a project: its files, and what each requires, a requirement a line."""
        links = []
        for file, requires in files.items():
            lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {file.split('-')[1].removesuffix('.tar.gz')}"]
            lines += [f"Requires-Dist: {line}" for line in requires.splitlines()]
            metadata = "\n".join(lines).encode()
            (self.folder / file).write_bytes(file.encode())
            (self.folder / f"{file}.metadata").write_bytes(metadata)
            hashes = [hashlib.sha256(content).hexdigest() for content in (file.encode(), metadata)]
            links.append(
                f'<a href="../../{file}#sha256={hashes[0]}" data-core-metadata="sha256={hashes[1]}">{file}</a>'
            )
        page = self.folder / "simple" / name
        page.mkdir(parents=True)
        (page / "index.html").write_text("<!doctype html>" + "\n".join(links))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An empty index."""
    folder = tmp_path / "index"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield Index(folder, f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    server.server_close()
    thread.join()


def resolved(
    index: Index, tmp_path: Path, *requirements: str, python: str = "3.13", glibc: int = 41
) -> dict[str, dict[str, str]]:
    """Architecture -> project -> file."""
    settings = {"UV_CACHE_DIR": str(tmp_path / "uv"), "PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    mirrors = Mirrors({**settings, "IMAGEMILL_PYPI_INDEX": f"{index.url}/simple"})
    spec = PypiSet(into="/site", requirements=requirements, python=python, interpreter="/python")
    found = pypi.resolve(spec, BOTH, glibc, Web(mirrors), mirrors)
    return {arch: {wheel.name: wheel.file for wheel in wheels} for arch, wheels in found.items()}


def both(**files: str) -> dict[str, dict[str, str]]:
    return {"amd64": dict(files), "arm64": dict(files)}


def test_dependencies_come_along(index: Index, tmp_path: Path) -> None:
    index.project("a", {f"a-1-{ANY}.whl": "b>=2"})
    index.project("b", {f"b-1-{ANY}.whl": "", f"b-2-{ANY}.whl": ""})
    assert resolved(index, tmp_path, "a") == both(a=f"a-1-{ANY}.whl", b=f"b-2-{ANY}.whl")


def test_markers_are_those_of_the_target(index: Index, tmp_path: Path) -> None:
    """This interpreter is neither a 3.9 nor a 3.14, and not of both architectures."""
    markers = "\n".join(
        [
            "old; python_version < '3.10'",
            "new; python_version >= '3.14'",
            "arm; platform_machine == 'aarch64'",
            "windows; sys_platform == 'win32'",
        ]
    )
    index.project("a", {f"a-1-{ANY}.whl": markers})
    for name in ("old", "new", "arm"):
        index.project(name, {f"{name}-1-{ANY}.whl": ""})
    for python, name in (("3.9", "old"), ("3.14", "new")):
        found = resolved(index, tmp_path, "a", python=python)
        assert {arch: sorted(row) for arch, row in found.items()} == {"amd64": ["a", name], "arm64": ["a", "arm", name]}


def test_each_architecture_gets_its_file(index: Index, tmp_path: Path) -> None:
    files = {f"a-1-{native(platform.machine)}.whl": "" for platform in BOTH}
    index.project("a", files)
    assert resolved(index, tmp_path, "a") == {
        "amd64": {"a": f"a-1-{native('x86_64')}.whl"},
        "arm64": {"a": f"a-1-{native('aarch64')}.whl"},
    }


BEST = {
    "the newer C library": (["cp313-cp313-manylinux_2_17_M", "cp313-cp313-manylinux_2_34_M"], 1),
    "native before pure": ([ANY, "cp313-cp313-manylinux_2_17_M"], 1),
    "its own before the stable interface": (["cp39-abi3-manylinux_2_28_M", "cp313-cp313-manylinux_2_28_M"], 1),
    "the stable interface": (["cp39-abi3-manylinux_2_28_M", "cp312-cp312-manylinux_2_28_M"], 0),
    "old names of tags": (["cp313-cp313-manylinux2014_M", "cp312-cp312-manylinux_2_28_M"], 0),
    "not musl": (["cp313-cp313-musllinux_1_2_M", ANY], 1),
    "not a C library that is newer than trixie's": (["cp313-cp313-manylinux_2_99_M", ANY], 1),
    "not free-threaded": (["cp313-cp313t-manylinux_2_28_M", ANY], 1),
}


@pytest.mark.parametrize("name", BEST)
def test_the_best_file(name: str, index: Index, tmp_path: Path) -> None:
    tags, best = BEST[name]
    index.project("a", {f"a-1-{tag.replace('M', p.machine)}.whl": "" for tag in tags for p in BOTH})
    found = resolved(index, tmp_path, "a")
    assert found["arm64"] == {"a": f"a-1-{tags[best].replace('M', 'aarch64')}.whl"}
    assert found["amd64"] == {"a": f"a-1-{tags[best].replace('M', 'x86_64')}.whl"}


@pytest.mark.parametrize("lagging", BOTH, ids=str)
def test_the_newest_version_that_both_have(lagging: object, index: Index, tmp_path: Path) -> None:
    files = {f"a-1-{native(p.machine)}.whl": "" for p in BOTH}
    files |= {f"a-2-{native(p.machine)}.whl": "" for p in BOTH if p != lagging}
    index.project("a", files)
    assert resolved(index, tmp_path, "a") == {
        "amd64": {"a": f"a-1-{native('x86_64')}.whl"},
        "arm64": {"a": f"a-1-{native('aarch64')}.whl"},
    }


BAD = {
    "an sdist only": ({"a": ["a-1.tar.gz"]}, "a"),
    "a dependency that has only an sdist": ({"a": [f"a-1-{ANY}.whl"], "b": ["b-1.tar.gz"]}, "b"),
    "no file for one architecture": ({"a": [f"a-1-{native('x86_64')}.whl"]}, "a"),
    "not there": ({}, "a"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_has_no_wheel_is_named(name: str, index: Index, tmp_path: Path) -> None:
    projects, culprit = BAD[name]
    for project, files in projects.items():
        index.project(project, dict.fromkeys(files, "b" if project == "a" and "b" in projects else ""))
    with pytest.raises(LockError, match=rf"\b{culprit}\b") as caught:
        resolved(index, tmp_path, "a")
    assert "linux/" in caught.value.message and "requirements" in caught.value.remedy


def test_no_interpreter_is_downloaded(index: Index, tmp_path: Path) -> None:
    index.project("a", {f"a-1-{ANY}.whl": ""})
    resolved(index, tmp_path, "a", python="3.14")
    assert not (tmp_path / ".local").exists()


def test_a_base_with_an_older_c_library_gets_files_for_it(index: Index, tmp_path: Path) -> None:
    new, old = native("M", "2_34"), native("M", "2_28")
    index.project("a", {f"a-1-{tag.replace('M', p.machine)}.whl": "" for tag in (new, old) for p in BOTH})
    found = resolved(index, tmp_path, "a", glibc=31)
    assert found["amd64"] == {"a": f"a-1-{native('x86_64', '2_28')}.whl"}


def test_for_python_2_the_manifest_names_every_version(index: Index, tmp_path: Path) -> None:
    index.project("a", {"a-1-py2-none-any.whl": "b", "a-2-py3-none-any.whl": ""})
    assert resolved(index, tmp_path, "a==1", python="2.7") == both(a="a-1-py2-none-any.whl")
    with pytest.raises(LockError, match="a has no version"):
        resolved(index, tmp_path, "a", python="2.7")
