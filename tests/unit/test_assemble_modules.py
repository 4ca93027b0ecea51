"""Wheels and npm packages."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from assemble_inputs import MTIME, file, folder, npm, pypi, tar, wheel

from imagemill.assemble import npm as npms
from imagemill.assemble import wheel as wheels
from imagemill.errors import AssembleError
from imagemill.filetree import Tree
from imagemill.lock import NpmPackage
from imagemill.manifest import PypiSet

SITE = "var/lang/lib/python3.13/site-packages"
ENTRIES = b"[console_scripts]\ntool = tool.cli:main\nother = tool.cli:Group.run [extra]\n[x]\ny = z:a\n"


def test_a_wheel_is_unpacked(tmp_path: Path) -> None:
    members = {
        "tool/__init__.py": b"",
        "tool/scripts/not-a-script.py": b"#!python\n",
        "tool/program": b"\x7fELF",
        "tool-1.0.data/purelib/pure.py": b"",
        "tool-1.0.data/platlib/plat.so": b"",
        "tool-1.0.data/data/share/x": b"",
        "tool-1.0.data/headers/x.h": b"",
        "tool-1.0.data/scripts/run.sh": b"#!/bin/sh\n",
        "tool-1.0.data/scripts/run.py": b"#!python\nprint()\n",
    }
    tree = wheels.unpack(
        wheel(tmp_path / "w", members, executable="tool/program"), pypi(scripts="/var/lang/bin"), name="tool.whl"
    )
    modes = {path: entry.mode for path, entry in tree.items() if ".dist-info" not in path}
    assert modes == {
        f"{SITE}/tool/__init__.py": 0o644,
        f"{SITE}/tool/scripts/not-a-script.py": 0o644,
        f"{SITE}/tool/program": 0o755,
        f"{SITE}/pure.py": 0o644,
        f"{SITE}/plat.so": 0o644,
        "var/lang/share/x": 0o644,
        "var/lang/include/python3.13/tool/x.h": 0o644,
        "var/lang/bin/run.sh": 0o755,
        "var/lang/bin/run.py": 0o755,
    }
    assert tree["var/lang/bin/run.py"].read() == b"#!/var/lang/bin/python3.13\nprint()\n"
    assert tree[f"{SITE}/tool/scripts/not-a-script.py"].read() == b"#!python\n"
    assert tree[f"{SITE}/tool-1.0.dist-info/INSTALLER"].read() == b"imagemill\n"
    assert tree[f"{SITE}/tool/__init__.py"].mtime == 1672628646


def test_record_lists_what_is_there(tmp_path: Path) -> None:
    members = {"a,b.py": b"1", "tool-1.0.dist-info/entry_points.txt": ENTRIES}
    tree = wheels.unpack(wheel(tmp_path / "w", members), pypi(scripts="/var/lang/bin"), name="tool.whl")
    rows = tree[f"{SITE}/tool-1.0.dist-info/RECORD"].read().decode().splitlines()
    assert '"a,b.py",sha256=a4ayc_80_OGda4BO_1o_V0etpOqiLx1JwB5S3beHW0s,1' in rows
    assert any(row.startswith("../../../bin/tool,sha256=") for row in rows)
    assert "tool-1.0.dist-info/RECORD,," in rows
    assert len(rows) == len(tree)
    assert rows[0].startswith("../../../bin/other,")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (pypi(), set()),
        (pypi(scripts="/usr/bin"), {"tool", "other"}),
        (pypi(scripts="/usr/bin", only=("tool",)), {"tool"}),
    ],
    ids=["no place for scripts", "all", "some"],
)
def test_commands(tmp_path: Path, spec: PypiSet, expected: set[str]) -> None:
    path = wheel(tmp_path / "w", {"tool-1.0.dist-info/entry_points.txt": ENTRIES})
    tree = wheels.unpack(path, spec, name="tool.whl")
    assert {p.rpartition("/")[2] for p in tree if p.startswith("usr/bin/")} == expected


@pytest.mark.parametrize(
    ("into", "expected"),
    [
        (
            "/var/lang/lib/python3.13/site-packages",
            "#!/var/lang/bin/python3.13\nimport sys\nfrom tool.cli import Group\n\nsys.exit(Group.run())\n",
        ),
        (
            "/usr/local/lib/sam-cli",
            "#!/var/lang/bin/python3.13\nimport sys\nsys.path.insert(0, '/usr/local/lib/sam-cli')\n"
            "from tool.cli import Group\n\nsys.exit(Group.run())\n",
        ),
    ],
    ids=["on the interpreter's path", "in a directory of its own"],
)
def test_the_text_of_a_command(tmp_path: Path, into: str, expected: str) -> None:
    path = wheel(tmp_path / "w", {"tool-1.0.dist-info/entry_points.txt": ENTRIES})
    tree = wheels.unpack(path, pypi(into, scripts="/usr/bin"), name="tool.whl")
    assert tree["usr/bin/other"].read().decode() == expected


def test_pip_has_its_name_with_the_version(tmp_path: Path) -> None:
    path = wheel(tmp_path / "w", {"tool-1.0.dist-info/entry_points.txt": b"[console_scripts]\npip = pip:main\n"})
    tree = wheels.unpack_set([(path, "pip.whl")], pypi(scripts="/usr/bin", only=("pip", "pip3.13")))
    assert {"usr/bin/pip", "usr/bin/pip3.13"} <= set(tree)


def test_distributions_inside_a_wheel_are_not_the_wheel(tmp_path: Path) -> None:
    path = tmp_path / "w"
    wheel(path, {"tool/_vendor/inner-2.dist-info/RECORD": b"kept"}, name="zz")
    tree = wheels.unpack(path, pypi(), name="tool.whl")
    assert tree[f"{SITE}/tool/_vendor/inner-2.dist-info/RECORD"].read() == b"kept"
    assert f"{SITE}/zz-1.0.dist-info/RECORD" in tree


def test_namespace_packages_meet(tmp_path: Path) -> None:
    one = wheel(tmp_path / "1", {"ns/__init__.py": b"", "ns/a.py": b"a"}, name="one")
    two = wheel(tmp_path / "2", {"ns/__init__.py": b"", "ns/b.py": b"b"}, name="two")
    tree = wheels.unpack_set([(one, "one.whl"), (two, "two.whl")], pypi())
    assert {f"{SITE}/ns/a.py", f"{SITE}/ns/b.py"} <= set(tree)


def test_two_wheels_with_different_files_are_an_error(tmp_path: Path) -> None:
    one = wheel(tmp_path / "1", {"ns/__init__.py": b"1"}, name="one")
    two = wheel(tmp_path / "2", {"ns/__init__.py": b"2"}, name="two")
    with pytest.raises(AssembleError, match=r"two\.whl and another wheel bring /var/lang/.*/ns/__init__\.py"):
        wheels.unpack_set([(one, "one.whl"), (two, "two.whl")], pypi())


def test_a_command_that_no_wheel_has_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssembleError, match="brings: tool"):
        wheels.unpack_set([(wheel(tmp_path / "w", {}), "w.whl")], pypi(scripts="/usr/bin", only=("tool",)))


@pytest.mark.parametrize("member", ["../../etc/passwd", "/etc/passwd", "a/../../b"])
def test_a_path_that_leads_elsewhere_is_an_error(tmp_path: Path, member: str) -> None:
    with pytest.raises(AssembleError, match="leads elsewhere"):
        wheels.unpack(wheel(tmp_path / "w", {member: b""}), pypi(), name="bad.whl")


def test_what_is_no_wheel_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"nothing")
    with pytest.raises(AssembleError, match=r"bad\.whl is not a wheel"):
        wheels.unpack(tmp_path / "w", pypi(), name="bad.whl")


def tgz(path: Path, files: Tree, top: str = "package/") -> Path:
    path.write_bytes(gzip.compress(tar(files, top)))
    return path


PACKAGE = {
    "package.json": file(json.dumps({"bin": {"tool": "./cli.js", "gone": "none.js"}}).encode()),
    "cli.js": file(b"#!/usr/bin/env node\n"),
    "bin/node": file(b"\x7fELF", 0o755),
    "include/node.h": file(),
    "docs": folder(),
}


@pytest.mark.parametrize("top", ["package/", "node-v24/"])
def test_an_npm_package_goes_to_its_place(tmp_path: Path, top: str) -> None:
    package = NpmPackage("node_modules/tool", "tool", "1.0.0", "")
    spec = npm(scripts="/var/lang/bin")
    tree = npms.unpack(tgz(tmp_path / "t", PACKAGE, top), package, spec, tmp_path / "spool")
    place = "var/lang/lib/node_modules/tool"
    assert {path: entry.mode for path, entry in tree.items()} == {
        f"{place}/package.json": 0o644,
        f"{place}/cli.js": 0o755,
        f"{place}/bin/node": 0o755,
        f"{place}/include/node.h": 0o644,
        "var/lang/bin/tool": 0o777,
    }
    assert tree["var/lang/bin/tool"].target == "../lib/node_modules/tool/cli.js"
    assert tree[f"{place}/cli.js"].mtime == MTIME


def test_only_packages_that_were_asked_for_get_links(tmp_path: Path) -> None:
    files = {"package.json": file(b'{"bin": "cli.js"}'), "cli.js": file()}
    for place, linked in {
        "node_modules/tool": True,
        "node_modules/dep": False,
        "node_modules/a/node_modules/tool": False,
    }.items():
        package = NpmPackage(place, place.rpartition("/")[2], "1.0.0", "")
        tree = npms.unpack(tgz(tmp_path / "t", files), package, npm(scripts="/usr/bin"), tmp_path / "spool")
        assert ("usr/bin/tool" in tree) == linked, place
        assert tree[f"var/lang/lib/{place}/cli.js"].mode == 0o755


def test_an_unpacked_package_keeps_what_is_named(tmp_path: Path) -> None:
    package = NpmPackage("node_modules/tool", "tool", "1.0.0", "")
    spec = npm("/var/lang", layout="unpack", only=("bin", "package.json"))
    tree = npms.unpack(tgz(tmp_path / "t", PACKAGE), package, spec, tmp_path / "spool")
    assert set(tree) == {"var/lang/bin/node", "var/lang/package.json"}


def test_a_broken_package_json_is_an_error(tmp_path: Path) -> None:
    package = NpmPackage("node_modules/tool", "tool", "1.0.0", "")
    with pytest.raises(AssembleError, match=r"tool 1\.0\.0: package\.json"):
        npms.unpack(tgz(tmp_path / "t", {"package.json": file(b"{")}), package, npm(), tmp_path / "spool")


def test_a_damaged_package_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"nothing")
    package = NpmPackage("node_modules/tool", "tool", "1.0.0", "")
    with pytest.raises(AssembleError, match=r"tool 1\.0\.0 is a damaged npm package"):
        npms.unpack(tmp_path / "t", package, npm(), tmp_path / "spool")
