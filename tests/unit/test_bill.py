"""Bills of materials that are given for an image: read in both formats, and held against what is in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conform_images import ROOT, good_config, good_tree, subject, write_layout
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from test_conform_command import BROKEN, NAME, built, conform
from test_sbom import TREE

from imagemill.cli import main
from imagemill.conform import Finding, Layers, Subject, open_layout, sbom
from imagemill.conform import conform as held
from imagemill.errors import SbomError
from imagemill.filetree import Entry, Tree
from imagemill.platforms import PLATFORMS
from imagemill.sbom import FORMATS, Component, take
from imagemill.sbom.bill import Bill, Package, fitting, package, read

AMD64 = PLATFORMS["linux/amd64"]
TREES: Tree = {**good_tree(subject().image, AMD64), **TREE}


def failing(folder: Path, tree: Tree, about: Subject) -> list[Finding]:
    """What fails of an image with this tree, of this one check."""
    folder.mkdir()
    layout = write_layout(folder, good_config(about.image, AMD64), [tree])
    with Layers(folder / "scratch") as layers:
        found = held(open_layout(layout, AMD64, layers), about, [sbom.packages])
    told = [one for one in found if one.check == sbom.NAME]
    assert told
    return [one for one in told if one.status == "fail"]


@pytest.fixture(params=sorted(FORMATS))
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A bill of the image with these trees, in each format; of no digest, so that others can be held against it."""
    (tmp_path / "good").mkdir()
    layout = write_layout(tmp_path / "good", good_config(subject().image, AMD64), [TREES])
    with Layers(tmp_path / "scratch") as layers:
        inventory = replace(take(open_layout(layout, AMD64, layers), "x", "linux/amd64"), digest="unknown")
    path = tmp_path / "bill.json"
    path.write_text(FORMATS[request.param](inventory))
    return path


def status(tree: Tree, change: Callable[[bytes], bytes]) -> Tree:
    return {**tree, "var/lib/dpkg/status": Entry("file", content=change(tree["var/lib/dpkg/status"].read()))}


def module(tree: Tree) -> Tree:
    return {**tree, "var/task/x-1.dist-info/METADATA": Entry("file", content=b"Name: X_x\nVersion: 1\n\n")}


NMAP = b"\nPackage: nmap\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2:7\n"
SPOILT: Mapping[str, tuple[Callable[[Tree], Tree], list[str]]] = {
    "nothing": (lambda tree: tree, []),
    "a package that is not in the bill": (
        lambda tree: status(tree, lambda text: text + NMAP),
        ["deb nmap 2:7: in the image only"],
    ),
    "a package that is in the bill only": (
        lambda tree: status(tree, lambda text: text.partition(b"\n\nPackage: dash")[0] + b"\n"),
        ["deb dash 0.5: in the bill only"],
    ),
    "another version": (
        lambda tree: status(tree, lambda text: text.replace(b"Version: 0.5", b"Version: 0.6")),
        ["deb dash 0.5: in the bill only", "deb dash 0.6: in the image only"],
    ),
    "a module that nobody listed": (module, ["pypi x-x 1: in the image only"]),
}


@pytest.mark.parametrize("case", SPOILT)
def test_each_difference_is_a_finding(case: str, file: Path, tmp_path: Path) -> None:
    spoil, expected = SPOILT[case]
    found = failing(tmp_path / "image", spoil(TREES), structs.replace(subject(), bills=[read(file)]))
    assert [one.found for one in found] == expected
    assert all(str(file) in one.source and one.remedy for one in found)


def test_what_only_the_lock_knows_is_in_the_image_too(file: Path, tmp_path: Path) -> None:
    bill = read(file)
    more = Bill(bill.name, "", bill.packages | {Package("npm", "@aws/ric", "1")})
    known = [Component("npm", "ric", "1", "@aws"), Component("generic", "imagemill", "0")]
    about = structs.replace(subject(), bills=[more], components=known)
    assert failing(tmp_path / "known", TREES, about) == []
    [found] = failing(tmp_path / "unknown", TREES, structs.replace(about, components=()))
    assert found.found == "npm @aws/ric 1: in the bill only"


def test_a_bill_of_another_image_is_none_of_this_one(file: Path, tmp_path: Path) -> None:
    other = Bill("other.json", "sha256:" + "0" * 64, read(file).packages)
    [found] = failing(tmp_path / "image", TREES, structs.replace(subject(), bills=[other]))
    assert "other.json" in found.found and "platform" in found.remedy
    assert fitting([other, read(file)], "sha256:1") == read(file)
    assert fitting([read(file), other], other.digest) == other


PURLS: Mapping[str, tuple[str, str] | None] = {
    "pkg:deb/debian/bash@5.2.37-2%2Bb1?arch=amd64&distro=debian-13": ("bash", "5.2.37-2+b1"),
    "pkg:deb/debian/nmap@7?epoch=2": ("nmap", "2:7"),
    "pkg:deb/debian/nmap@2%3A7?epoch=2": ("nmap", "2:7"),
    "pkg:pypi/Foo.Bar_baz@1": ("foo-bar-baz", "1"),
    "pkg:npm/%40aws-sdk/core@3#sub": ("@aws-sdk/core", "3"),
    "pkg:golang/stdlib@1.24.4": ("std", "1.24.4"),
    "pkg:golang/golang.org/x/sys@v0.30.0": ("golang.org/x/sys", "0.30.0"),
    "pkg:maven/org.example/lib@2.0": ("lib", "2.0"),
    "pkg:npm/left-pad": None,
    "https://example.org/x@1": None,
}


@pytest.mark.parametrize("purl", PURLS)
def test_package_urls_of_all_tools_are_read_alike(purl: str) -> None:
    found = package(purl)
    assert (found and (found.name, found.version)) == PURLS[purl]


@given(st.text())
def test_no_text_is_too_odd_for_a_package_url(text: str) -> None:
    package(f"pkg:{text}")


def test_statements_are_opened_and_digests_are_found(file: Path, tmp_path: Path) -> None:
    bare: dict[str, Any] = json.loads(file.read_text())
    path = tmp_path / "statement.json"
    path.write_text(json.dumps({"_type": "https://in-toto.io/Statement/v1", "predicate": bare}))
    assert read(path).packages == read(file).packages
    path.write_text(file.read_text().replace("unknown", "sha256:" + "a" * 64))
    assert read(path).digest == "sha256:" + "a" * 64
    assert read(file).digest == ""


NO_BILLS = ("", "[]", "{}", '{"spdxVersion": "SPDX-2.3"}', '{"bomFormat": "CycloneDX", "components": 1}')


@pytest.mark.parametrize("text", NO_BILLS)
def test_what_is_no_bill_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bill.json"
    path.write_text(text)
    with pytest.raises(SbomError):
        read(path)


def test_the_command_takes_the_bills_that_imagemill_writes(tmp_path: Path) -> None:
    dist = built(tmp_path)
    words = []
    for arch in ("amd64", "arm64"):
        out = tmp_path / f"{arch}.json"
        command = ["--root", str(ROOT), "sbom", str(dist.layout(NAME, arch)), "--out", str(out)]
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
        words += ["--sbom", str(out)]
    both = conform(dist, *words)
    assert both.exit_code == 0, both.output
    one = conform(dist, *words[:2])
    assert one.exit_code == 1 and one.stderr.count("FAIL") == 1, "the other platform has none"
    (tmp_path / "broken").mkdir()
    assert "sbom.packages" in conform(built(tmp_path / "broken", BROKEN), *words).stderr
