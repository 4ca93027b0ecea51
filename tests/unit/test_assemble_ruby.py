"""Debian's Ruby at /var/lang: where its files go, and what it is told of that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from assemble_inputs import base, deb, file

from imagemill.assemble import Assembled, assemble, ruby
from imagemill.errors import AssembleError
from imagemill.filetree import Tree
from imagemill.lock import DebianPackage, Inputs
from imagemill.manifest import Layer
from imagemill.platforms import Platform, find

PLATFORMS = [find("linux/amd64"), find("linux/arm64")]
PLACES = ("/usr/local/lib/site_ruby/3.3.0", "/usr/local/lib/{0}/site_ruby", "/usr/local/lib/site_ruby",
          "/usr/lib/ruby/vendor_ruby/3.3.0", "/usr/lib/{0}/ruby/vendor_ruby/3.3.0", "/usr/lib/ruby/vendor_ruby",
          "/usr/lib/ruby/3.3.0", "/usr/lib/{0}/ruby/3.3.0")  # fmt: skip


def library(multiarch: str, places: tuple[str, ...] = PLACES) -> bytes:
    """A libruby with this load path inside."""
    return b"ELF\0" + b"".join(place.format(multiarch).encode() + b"\0" for place in places) + b"\0/usr\0ELF"


def settings(multiarch: str) -> bytes:
    lines = [f'  TOPDIR = File.dirname(__FILE__).chomp!("/lib/{multiarch}/ruby/3.3.0")']
    lines.append('  CONFIG["prefix"] = (TOPDIR || DESTDIR + "/usr")')
    lines += [f'  CONFIG["{name}"] = "what Debian has"' for name in ruby._SETTINGS]
    lines.append('  CONFIG["CC"] = "cc"')
    return "\n".join(lines).encode() + b"\n"


def debian_ruby(multiarch: str) -> Tree:
    libraries = f"usr/lib/{multiarch}"
    return {
        "usr/bin/ruby3.3": file(b"ELF", 0o755),
        "usr/bin/bundle3.3": file(b"#!/usr/bin/ruby3.3\nputs\n", 0o755),
        "usr/lib/ruby/3.3.0/set.rb": file(),
        "usr/lib/ruby/gems/3.3.0/gems/rake-13.1.0/rake.rb": file(),
        f"usr/lib/ruby/gems/3.3.0/extensions/{multiarch}/3.3.0/racc.so": file(),
        f"{libraries}/ruby/3.3.0/rbconfig.rb": file(settings(multiarch)),
        f"{libraries}/ruby/3.3.0/json.so": file(),
        f"{libraries}/libruby-3.3.so.3.3.13": file(library(multiarch)),
    }


def made(tmp_path: Path, platform: Platform, tree: Tree) -> Assembled:
    deb(tmp_path / "ruby3.3", "ruby3.3", tree, arch=platform.arch)
    package = DebianPackage("ruby3.3", "1.0", platform.arch, "ruby3.3", "1.0", "debian", "ruby3.3", 0, "")
    return assemble(
        Layer(packages=("ruby3.3",), ruby="3.3"),
        Inputs((package,)),
        platform=platform,
        base=base(),
        path_of=lambda item: tmp_path / item.name,
        scratch=tmp_path / "scratch",
    )


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_files_are_where_upstream_has_them(tmp_path: Path, platform: Platform) -> None:
    tree = made(tmp_path, platform, debian_ruby(platform.multiarch)).tree
    arch = f"{platform.machine}-linux"
    assert {path for path, entry in tree.items() if entry.kind == "file"} == {
        "var/lang/bin/ruby",
        "var/lang/bin/bundle",
        "var/lang/lib/ruby/3.3.0/set.rb",
        f"var/lang/lib/ruby/3.3.0/{arch}/json.so",
        f"var/lang/lib/ruby/3.3.0/{arch}/rbconfig.rb",
        "var/lang/lib/ruby/gems/3.3.0/gems/rake-13.1.0/rake.rb",
        f"var/lang/lib/ruby/gems/3.3.0/extensions/{arch}/3.3.0/racc.so",
        f"usr/lib/{platform.multiarch}/libruby-3.3.so.3.3.13",
    }
    assert tree["var/lang/bin/bundle"].read() == b"#!/var/lang/bin/ruby\nputs\n"


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_the_library_looks_there(tmp_path: Path, platform: Platform) -> None:
    tree = made(tmp_path, platform, debian_ruby(platform.multiarch)).tree
    content = tree[f"usr/lib/{platform.multiarch}/libruby-3.3.so.3.3.13"].read()
    top = "/var/lang/lib/ruby"
    arch = f"{platform.machine}-linux"
    assert content[4:].split(b"\0\0")[0].decode().split("\0") == [
        f"{top}/site_ruby/3.3.0",
        f"{top}/site_ruby/3.3.0/{arch}",
        f"{top}/site_ruby",
        f"{top}/vendor_ruby",
        f"{top}/3.3.0",
        f"{top}/3.3.0/{arch}",
    ]
    assert len(content) == len(library(platform.multiarch))
    assert content.endswith(b"\0/usr\0ELF")


def test_the_settings_say_so(tmp_path: Path) -> None:
    platform = PLATFORMS[1]
    tree = made(tmp_path, platform, debian_ruby(platform.multiarch)).tree
    text = tree["var/lang/lib/ruby/3.3.0/aarch64-linux/rbconfig.rb"].read().decode()
    assert 'chomp!("/lib/ruby/3.3.0/aarch64-linux")' in text
    assert '  CONFIG["prefix"] = (TOPDIR || DESTDIR + "/var/lang")\n' in text
    assert '  CONFIG["arch"] = "aarch64-linux"\n' in text
    assert '  CONFIG["archlibdir"] = "/usr/lib/aarch64-linux-gnu"\n' in text
    assert '  CONFIG["CC"] = "cc"\n' in text
    assert "what Debian has" not in text


def test_headers_need_no_interpreter(tmp_path: Path) -> None:
    tree = {
        "usr/include/ruby-3.3.0/ruby.h": file(),
        "usr/include/x86_64-linux-gnu/ruby-3.3.0/ruby/config.h": file(),
    }
    found = made(tmp_path, PLATFORMS[0], tree).tree
    assert {path for path, entry in found.items() if entry.kind == "file"} == {
        "var/lang/include/ruby-3.3.0/ruby.h",
        "var/lang/include/ruby-3.3.0/x86_64-linux/ruby/config.h",
    }


MULTIARCH = PLATFORMS[0].multiarch
LIBRARY = f"usr/lib/{MULTIARCH}/libruby-3.3.so.3.3.13"
CONFIG = f"usr/lib/{MULTIARCH}/ruby/3.3.0/rbconfig.rb"
MISTAKES: dict[str, tuple[Callable[[Tree], object], str]] = {
    "no library": (lambda t: t.pop(LIBRARY), "there are 0 files libruby-3.3.so"),
    "no settings": (lambda t: t.pop(CONFIG), "rbconfig.rb is missing"),
    "another load path": (lambda t: t.update({LIBRARY: file(b"ELF\0/opt/ruby\0\0")}), "not hold Debian's load path"),
    "no room": (lambda t: t.update({LIBRARY: file(library(MULTIARCH, PLACES[:2]))}), "has room for"),
    "a setting is gone": (
        lambda t: t.update({CONFIG: file(settings(MULTIARCH).replace(b'"arch"', b'"x"'))}),
        "0 times",
    ),
    "a setting is there twice": (lambda t: t.update({CONFIG: file(settings(MULTIARCH) * 2)}), "2 times"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_not_as_debian_builds_it_is_an_error(tmp_path: Path, name: str) -> None:
    change, message = MISTAKES[name]
    tree = debian_ruby(MULTIARCH)
    change(tree)
    with pytest.raises(AssembleError, match=message):
        made(tmp_path, PLATFORMS[0], tree)
