from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from assemble_inputs import CONTROL, MTIME, file, folder

from imagemill.assemble import deb, dpkg
from imagemill.errors import AssembleError
from imagemill.filetree import Tree

FILES = {"usr": folder(), "usr/bin": folder(), "usr/bin/tool": file(b"x"), "etc": folder(), "etc/tool.conf": file(b"c")}
SUMS = b"9dd4e461268c8034f5c8564e155c67a6  usr/bin/tool\n"


def row(
    name: str,
    tree: Tree,
    kept: Mapping[str, str] | None = None,
    *,
    fields: str = "",
    layer: Tree | None = None,
    **control: bytes,
) -> dict[str, Any]:
    stanza = (CONTROL.format(name=name, arch="amd64") + fields).encode()
    package = deb.Package(tree, {"control": stanza, **control})
    places = kept if kept is not None else {path: path for path in tree}
    placed = {places[path]: entry for path, entry in tree.items() if path in places}
    made: dict[str, Any] = json.loads(json.dumps(dpkg.record(package, places, layer or placed)))
    return made


def texts(*rows: dict[str, Any]) -> dict[str, str]:
    tree = dpkg.database(rows).tree
    return {
        path.removeprefix("var/lib/dpkg/"): entry.read().decode()
        for path, entry in tree.items()
        if entry.kind == "file"
    }


def test_a_package_is_installed() -> None:
    found = texts(row("tool", FILES, conffiles=b"/etc/tool.conf\n", md5sums=SUMS, postinst=b"exit 0\n"))
    assert found["status"] == (
        "Package: tool\nStatus: install ok installed\nVersion: 1.0\nArchitecture: amd64\n"
        "Maintainer: A <a@example.com>\nDescription: a tool\n"
        "Conffiles:\n /etc/tool.conf 4a8a08f09d37b73795649038408b5f33\n\n"
    )
    assert found["info/tool.list"] == "/.\n/etc\n/etc/tool.conf\n/usr\n/usr/bin\n/usr/bin/tool\n"
    assert found["info/tool.md5sums"] == SUMS.decode()
    assert found["info/tool.conffiles"] == "/etc/tool.conf\n"
    assert found["info/format"] == "1\n"
    assert found["arch-native"] == "amd64\n"
    assert "info/tool.control" not in found


def test_directories_that_a_package_brings_are_not_repeated() -> None:
    """Engines differ on whether an empty directory that a layer below has belongs to this one."""
    without = dpkg.database([row("tool", FILES)]).tree
    assert {path for path, entry in without.items() if entry.kind == "dir"} == {
        "var/lib/dpkg/parts",
        "var/lib/dpkg/updates",
    }
    owned = {**FILES, "var/lib/dpkg/parts": folder(), "var/lib/dpkg/updates": folder()}
    assert not [path for path, entry in dpkg.database([row("tool", owned)]).tree.items() if entry.kind == "dir"]


def test_modes_and_times() -> None:
    assembled = dpkg.database([row("tool", FILES, postinst=b"")])
    assert assembled.epoch == MTIME
    assert assembled.tree["var/lib/dpkg/info/tool.postinst"].mode == 0o755
    assert assembled.tree["var/lib/dpkg/info/tool.list"].mode == 0o644
    assert {entry.mtime for entry in assembled.tree.values()} == {MTIME}


def test_packages_are_sorted_and_counted_once() -> None:
    first, second = row("b", FILES), row("a", FILES)
    status = texts(first, second, first)["status"]
    assert [line for line in status.splitlines() if line.startswith("Package")] == ["Package: a", "Package: b"]
    assert texts(first, second) == texts(second, first)


def test_packages_that_coexist_have_their_architecture_in_the_name() -> None:
    assert "info/lib:amd64.list" in texts(row("lib", FILES, fields="Multi-Arch: same\n"))


def test_two_versions_of_a_package_are_an_error() -> None:
    with pytest.raises(AssembleError, match="different versions of tool"):
        dpkg.database([row("tool", FILES), row("tool", FILES, fields="Homepage: x\n")])


def test_what_was_left_out_is_not_listed() -> None:
    kept = {path: path for path in FILES if not path.startswith("etc")}
    found = texts(row("tool", FILES, kept, conffiles=b"/etc/tool.conf\n", md5sums=SUMS + b"00  etc/gone\n"))
    assert "etc" not in found["info/tool.list"]
    assert found["info/tool.md5sums"] == SUMS.decode()
    assert "Conffiles" not in found["status"]


def test_a_changed_file_has_no_checksum() -> None:
    layer = {**FILES, "usr/bin/tool": file(b"patched")}
    found = texts(row("tool", FILES, layer=layer, md5sums=SUMS))
    assert "/usr/bin/tool\n" in found["info/tool.list"]
    assert found["info/tool.md5sums"] == ""


MOVED = {**{path: path for path in FILES}, "usr/bin/tool": "var/lang/bin/tool"}


def test_lists_say_where_files_were_moved() -> None:
    found = texts(row("tool", FILES, MOVED, md5sums=SUMS))
    assert "/var/lang/bin\n/var/lang/bin/tool\n" in found["info/tool.list"]
    assert found["info/tool.md5sums"].endswith("  var/lang/bin/tool\n")


def test_where_dpkg_is_it_does_not_own_what_was_moved() -> None:
    """It would remove /var/lang/bin/tool when it upgrades the package."""
    found = texts(row("tool", FILES, MOVED, md5sums=SUMS), row("dpkg", {"usr/bin/dpkg": file()}))
    assert "var/lang" not in found["info/tool.list"]
    assert found["info/tool.md5sums"] == ""


def test_a_package_in_two_layers_is_where_it_was_not_moved() -> None:
    found = texts(row("tool", FILES, MOVED), row("tool", FILES), row("dpkg", {"usr/bin/dpkg": file()}))
    assert "/usr/bin/tool\n" in found["info/tool.list"]


def test_triggers() -> None:
    lines = b"# from debhelper\ninterest-noawait /usr/share/x\ninterest named\nactivate-noawait ldconfig\n"
    found = texts(row("tool", FILES, triggers=lines), row("lib", FILES, fields="Multi-Arch: same\n", triggers=lines))
    assert found["triggers/File"] == "/usr/share/x lib:amd64/noawait\n/usr/share/x tool/noawait\n"
    assert found["triggers/named"] == "lib:amd64\ntool\n"
    assert "triggers/ldconfig" not in found


def test_bytes_that_are_no_text_survive() -> None:
    assembled = dpkg.database([row("tool", {"é": file()}, preinst=b"\x7fELF\xff\0", md5sums="00  é\n".encode())])
    assert assembled.tree["var/lib/dpkg/info/tool.preinst"].read() == b"\x7fELF\xff\0"
    assert assembled.tree["var/lib/dpkg/info/tool.md5sums"].read() == "00  é\n".encode()


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="asks dpkg, which is not here")
def test_dpkg_itself_is_content(tmp_path: Path) -> None:
    tree = dpkg.database([row("tool", FILES, conffiles=b"/etc/tool.conf\n", md5sums=SUMS)]).tree | FILES
    for path, entry in tree.items():
        place = tmp_path / path
        if entry.kind == "dir":
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(entry.read())

    def ask(*words: str) -> tuple[int, str]:
        done = subprocess.run(["dpkg", f"--root={tmp_path}", *words], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    assert ask("-V") == (0, "")
    assert ask("-S", "/usr/bin/tool") == (0, "tool: /usr/bin/tool\n")
    assert "ii  tool" in ask("-l")[1]
    (tmp_path / "usr/bin/tool").write_bytes(b"broken")
    assert "/usr/bin/tool" in ask("-V")[1], "dpkg sees what is not the package's"
