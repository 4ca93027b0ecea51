from __future__ import annotations

from pathlib import Path

import pytest
from assemble_inputs import ar, deb, file, folder, link, tar

from imagemill.assemble import deb as debs
from imagemill.errors import AssembleError
from imagemill.filetree import Entry


@pytest.mark.parametrize("compression", ["xz", "gz"])
def test_a_package_is_read(tmp_path: Path, compression: str) -> None:
    entries = {
        "usr": folder(),
        "usr/bin": folder(),
        "usr/bin/tool": file(b"#!/bin/sh\n", 0o4755),
        "usr/bin/same": Entry("hardlink", 0o755, target="usr/bin/tool"),
        "usr/bin/short": link("tool"),
    }
    path = deb(tmp_path / "a.deb", "tool", entries, control={"postinst": b"exit 0\n"}, compression=compression)
    package = debs.unpack(path, tmp_path / "spool")
    assert (package.name, package.architecture) == ("tool", "amd64")
    assert package.control["postinst"] == b"exit 0\n"
    assert package.tree["usr/bin/tool"].read() == b"#!/bin/sh\n"
    assert package.tree["usr/bin/tool"].mode == 0o4755
    assert package.tree["usr/bin/same"].target == "usr/bin/tool"
    assert package.tree["usr/bin/short"].target == "tool"
    assert package.tree["usr/bin"].kind == "dir"


def test_paths_are_those_of_a_merged_usr(tmp_path: Path) -> None:
    entries = {
        "lib": folder(),
        "lib/x86": folder(),
        "lib/x86/libc.so": file(),
        "lib/x86/again": Entry("hardlink", target="lib/x86/libc.so"),
        "bin/sh": file(),
        "library/kept": file(),
    }
    tree = debs.unpack(deb(tmp_path / "a.deb", "tool", entries), tmp_path / "spool").tree
    assert set(tree) == {"usr/lib/x86", "usr/lib/x86/libc.so", "usr/lib/x86/again", "usr/bin/sh", "library/kept"}
    assert tree["usr/lib/x86/again"].target == "usr/lib/x86/libc.so"


def test_a_link_named_bin_stays(tmp_path: Path) -> None:
    assert debs.unpack(deb(tmp_path / "a.deb", "base", {"bin": link("usr/bin")}), tmp_path / "s").tree == {
        "bin": link("usr/bin")
    }


def test_packages_come_in_the_order_given(tmp_path: Path) -> None:
    paths = [deb(tmp_path / f"{n}.deb", f"tool{n}", {"f": file(str(n).encode())}) for n in range(9)]
    packages = debs.unpack_all(paths, tmp_path / "scratch")
    assert [package.name for package in packages] == [f"tool{n}" for n in range(9)]
    assert [package.tree["f"].read() for package in packages] == [str(n).encode() for n in range(9)]


def test_fields_with_continuation_lines() -> None:
    assert debs.fields(b"A: 1\nB:\n two\n three\n") == {"A": "1", "B": "\n two\n three"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\3\4", "is not a Debian package"),
        (ar({"debian-binary": b"2.0\n", "data.tar": tar({})}), "has no control file"),
        (ar({"control.tar": tar({"control": file(b"Package: a\n")}), "data.tar.xz": b"garbage"}), "damaged"),
        (ar({"control.tar.gz": b"garbage"}), "damaged"),
        (ar({"control.tar": tar({"control": file(b"Package: a\n")}), "data.tar": tar({"../../x": file()})}), "leaves"),
        (ar({"control.tar": tar({"control": file()}), "data.tar": b"x" * 512})[:-300], "ends early"),
    ],
    ids=["zip", "no control", "bad xz", "bad gz", "path that climbs out", "cut short"],
)
def test_what_is_no_package_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.deb").write_bytes(content)
    with pytest.raises(AssembleError, match=message) as caught:
        debs.unpack(tmp_path / "a.deb", tmp_path / "spool")
    assert "a.deb" in caught.value.message
    assert caught.value.remedy


def test_zstd_is_said_not_to_be_read(tmp_path: Path) -> None:
    path = deb(tmp_path / "ubuntu.deb", "tool", {}, compression="zst")
    with pytest.raises(AssembleError, match=r"ubuntu\.deb: control\.tar\.zst is compressed with zst"):
        debs.unpack(path, tmp_path / "spool")
