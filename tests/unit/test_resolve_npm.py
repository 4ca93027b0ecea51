"""Resolving npm packages: single tarballs by the registry's word, trees by npm's own resolver."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Literal

import pytest
from mirror import Server

from imagemill.errors import LockError
from imagemill.lock import NpmPackage
from imagemill.manifest import NpmSet
from imagemill.mirrors import Mirrors
from imagemill.platforms import find
from imagemill.resolve import npm
from imagemill.web import Web

BOTH = (find("linux/amd64"), find("linux/arm64"))
NPM = """#!/bin/sh
printf '%s\\n' "registry=$npm_config_registry $*" >> '{folder}/calls'
[ -f '{folder}/tree.json' ] || {{ echo 'E404 not found' >&2; exit 1; }}
cp '{folder}/tree.json' package-lock.json
"""


def integrity(content: bytes) -> str:
    """A Subresource Integrity value as npm has it."""
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


def document(mirror: Server, name: str, *versions: str) -> None:
    """What the registry says of a package and of each of its versions; the last one is the latest."""
    rows = {
        version: {"name": name, "version": version, "dist": {"integrity": integrity(f"{name} {version}".encode())}}
        for version in versions
    }
    mirror.files[f"/npm/{name}"] = json.dumps({"name": name, "versions": rows}).encode()
    for version, row in [*rows.items(), ("latest", rows[versions[-1]])]:
        mirror.files[f"/npm/{name}/{version}"] = json.dumps(row).encode()


def resolved(mirrors: Mirrors, layout: Literal["modules", "unpack"], *names: str) -> dict[str, tuple[NpmPackage, ...]]:
    return npm.resolve(NpmSet(into="/x", packages=names, layout=layout), BOTH, Web(mirrors), mirrors)


def unpacked(mirror: Server, *names: str) -> list[str]:
    found = resolved(mirror.mirrors(), "unpack", *names)
    return [f"{package.name}@{package.version}" for packages in found.values() for package in packages]


SPECS = {
    "exact": ("a@1.2.3", "a@1.2.3"),
    "bare": ("a", "a@3.0.0"),
    "caret": ("a@^1", "a@1.10.0"),
    "caret with a floor": ("a@^1.2.3", "a@1.10.0"),
    "tilde": ("a@~1.2", "a@1.2.3"),
    "caret below one": ("a@^0.2.1", "a@0.2.9"),
    "a number": ("a@1", "a@1.10.0"),
    "a number and x": ("a@1.2.x", "a@1.2.3"),
    "scoped": ("@s/a@^1", "@s/a@1.10.0"),
    "scoped and bare": ("@s/a", "@s/a@3.0.0"),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_single_package(name: str, mirror: Server) -> None:
    wanted, expected = SPECS[name]
    for package in ("a", "@s/a"):
        versions = ("0.2.1", "0.2.9", "0.3.0", "1.2.0", "1.2.3", "1.10.0", "1.11.0-rc.1", "3.0.0")
        document(mirror, package, *versions)
    for path in [path for path in mirror.files if path.startswith("/npm/@s/a")]:
        mirror.files[path.replace("@s/a", "@s%2Fa")] = mirror.files[path]
    assert unpacked(mirror, wanted) == [expected, expected]


def test_each_architecture_has_its_package(mirror: Server) -> None:
    for cpu in ("x64", "arm64"):
        document(mirror, f"node-{cpu}", "24.1.0")
    found = resolved(mirror.mirrors(), "unpack", "node-{npm}@24.1.0")
    assert found == {
        arch: (NpmPackage("", f"node-{cpu}", "24.1.0", integrity(f"node-{cpu} 24.1.0".encode())),)
        for arch, cpu in (("amd64", "x64"), ("arm64", "arm64"))
    }


def test_a_range_finds_the_newest_version_that_all_have(mirror: Server) -> None:
    document(mirror, "node-x64", "24.1.0", "24.2.0", "24.3.0")
    document(mirror, "node-arm64", "24.1.0", "24.2.0", "24.4.0")
    assert unpacked(mirror, "node-{npm}@24") == ["node-x64@24.2.0", "node-arm64@24.2.0"]


def test_latest_versions_that_differ_are_an_error(mirror: Server) -> None:
    document(mirror, "node-x64", "24.3.0")
    document(mirror, "node-arm64", "24.4.0")
    with pytest.raises(LockError, match=r"24\.3\.0 and 24.4.0 on different architectures"):
        unpacked(mirror, "node-{npm}")


@pytest.mark.parametrize("wanted", ["a@9.9.9", "a@^9", "gone", "gone@^1", "a@>=1 <2"])
def test_what_is_not_there_is_named(wanted: str, mirror: Server) -> None:
    document(mirror, "a", "1.0.0")
    with pytest.raises(LockError, match=wanted.partition("@")[0]):
        unpacked(mirror, wanted)


def test_a_package_without_sha512_is_refused(mirror: Server) -> None:
    document(mirror, "a", "1.0.0")
    for path, content in mirror.files.items():
        mirror.files[path] = content.replace(b"sha512-", b"sha1-")
    with pytest.raises(LockError, match=r"a@1\.0\.0 has no SHA-512"):
        unpacked(mirror, "a@1.0.0")


# --- trees ------------------------------------------------------------------------------------------------


@pytest.fixture
def client(tmp_path: Path) -> Path:
    """A folder with an npm that answers with `tree.json`, and notes how it was called."""
    folder = tmp_path / "client"
    folder.mkdir()
    (folder / "npm").write_text(NPM.format(folder=folder))
    (folder / "npm").chmod(0o755)
    return folder


def tree(mirror: Server, client: Path, packages: dict[str, dict[str, object]]) -> dict[str, tuple[NpmPackage, ...]]:
    (client / "tree.json").write_text(json.dumps({"lockfileVersion": 3, "packages": packages}))
    mirrors = mirror.mirrors(PATH=f"{client}:{os.environ['PATH']}", HOME=str(client))
    return resolved(mirrors, "modules", "a@^1", "tool-{npm}")


def test_a_tree(mirror: Server, client: Path) -> None:
    value = integrity(b"x")

    def row(version: str, **more: object) -> dict[str, object]:
        return {"version": version, "integrity": value, **more}

    found = tree(
        mirror, client,
        {
            "": {"dependencies": {"a": "^1"}},
            "node_modules/a": row("1.1.0"),
            "node_modules/a/node_modules/@s/b": row("2.0.0"),
            "node_modules/alias": row("3.0.0", name="real"),
            "node_modules/a/node_modules/bundled": {"version": "1.0.0", "inBundle": True},
            "node_modules/other-system": row("1.0.0", os=["darwin"]),
            "node_modules/only-arm": row("1.0.0", cpu=["arm64"]),
            "node_modules/not-arm": row("1.0.0", cpu=["!arm64"]),
            "node_modules/musl": row("1.0.0", libc=["musl"]),
        },
    )  # fmt: skip
    common = [
        NpmPackage("node_modules/a", "a", "1.1.0", value),
        NpmPackage("node_modules/a/node_modules/@s/b", "@s/b", "2.0.0", value),
        NpmPackage("node_modules/alias", "real", "3.0.0", value),
    ]
    assert found["amd64"] == (*common, NpmPackage("node_modules/not-arm", "not-arm", "1.0.0", value))
    assert found["arm64"] == (*common, NpmPackage("node_modules/only-arm", "only-arm", "1.0.0", value))
    calls = (client / "calls").read_text().splitlines()
    assert [call.split()[-1] for call in calls] == ["tool-x64", "tool-arm64"]
    for call, cpu in zip(calls, ("x64", "arm64"), strict=True):
        for option in ("--package-lock-only", "--ignore-scripts", "--omit=dev", "--os=linux", f"--cpu={cpu}"):
            assert option in call.split()
        assert call.split()[0] == f"registry={mirror.url}/npm"  # in the environment: arguments are everybody's to read


def test_what_has_no_hash_is_refused(mirror: Server, client: Path) -> None:
    with pytest.raises(LockError, match="node_modules/git-one has no SHA-512"):
        tree(mirror, client, {"node_modules/git-one": {"version": "1.0.0"}})


def test_npms_own_message_is_shown(mirror: Server, client: Path) -> None:
    mirrors = mirror.mirrors(PATH=f"{client}:{os.environ['PATH']}")
    with pytest.raises(LockError, match="cannot resolve a: E404 not found"):
        resolved(mirrors, "modules", "a")


def test_without_npm_the_message_says_so(mirror: Server, tmp_path: Path) -> None:
    with pytest.raises(LockError, match="npm, which resolves its packages, is not here"):
        resolved(mirror.mirrors(PATH=str(tmp_path)), "modules", "a")
