"""Mirrors: from settings, or from apt's, pip's and npm's own configuration; a clear message where neither is."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagemill.errors import MirrorError
from imagemill.mirrors import Mirrors

DEB822 = """# a comment
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: trixie trixie-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: trixie-security
Components: main
"""
ONE_LINE = """# deb http://commented.example/debian trixie main
deb-src http://source.example/debian trixie main
deb [signed-by=/k.gpg arch=amd64] http://mirror.example/debian/ bookworm main
deb http://mirror.example/debian-security bookworm-security main
"""
OTHERS = "Types: deb\nURIs: http://vendor.example/apt\nSuites: nodistro\nComponents: main\n"
DISABLED = "Enabled: no\n" + DEB822
FOLDED = """Types: deb
URIs:
 http://mirror.example/debian/
Suites:
 trixie
# a comment between
 trixie-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: trixie-security
Components: main
"""
# vendors call their suites as Debian does, and some their component too
VENDORS = """deb http://vendor.example/linux/debian trixie stable
deb http://vendor.example/main trixie main
deb file:/srv/debian trixie main
deb http://other.example/debian-security trixie-security contrib
"""

SOURCES = {
    "deb822": ("sources.list.d/debian.sources", DEB822),
    "one line": ("sources.list", ONE_LINE),
    "one line in a part": ("sources.list.d/debian.list", ONE_LINE),
    "deb822 over several lines": ("sources.list.d/debian.sources", FOLDED),
}


@pytest.mark.parametrize("name", SOURCES)
def test_apt_knows_the_debian_mirror(name: str, tmp_path: Path) -> None:
    place, text = SOURCES[name]
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "a-vendor.sources").write_text(OTHERS)
    (tmp_path / "sources.list.d" / "a-vendor.list").write_text(VENDORS)
    (tmp_path / place).write_text(text)
    mirrors = Mirrors({}, apt=tmp_path)
    assert mirrors.debian == "http://mirror.example/debian"
    assert mirrors.debian_security == "http://mirror.example/debian-security"
    assert mirrors.archive("debian-security") == mirrors.debian_security
    assert mirrors.archive("debian") == mirrors.debian


@pytest.mark.parametrize("text", [OTHERS, DISABLED, ""])
def test_without_a_debian_source_the_message_names_the_setting(text: str, tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "x.sources").write_text(text)
    with pytest.raises(MirrorError) as caught:
        _ = Mirrors({}, apt=tmp_path).debian
    assert "set IMAGEMILL_DEBIAN_MIRROR" in str(caught.value)


def test_settings_win(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(ONE_LINE)
    settings = {
        "IMAGEMILL_DEBIAN_MIRROR": "https://own.example/debian/",
        "IMAGEMILL_PYPI_INDEX": "https://own.example/simple",
        "IMAGEMILL_NPM_REGISTRY": "https://own.example/npm/",
    }
    mirrors = Mirrors(settings, apt=tmp_path)
    assert mirrors.debian == "https://own.example/debian"
    assert mirrors.debian_security == "https://own.example/debian-security"
    assert (mirrors.pypi, mirrors.npm) == ("https://own.example/simple", "https://own.example/npm")


def test_security_is_beside_the_main_archive_where_nothing_else_is_said(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://mirror.example/debian trixie main\n")
    assert Mirrors({}, apt=tmp_path).debian_security == "http://mirror.example/debian-security"
    setting = {"IMAGEMILL_DEBIAN_SECURITY_MIRROR": "http://own.example/security/"}
    assert Mirrors(setting, apt=tmp_path).debian_security == "http://own.example/security"


def test_a_setting_that_is_no_address_is_an_error() -> None:
    with pytest.raises(MirrorError, match="IMAGEMILL_DEBIAN_MIRROR"):
        _ = Mirrors({"IMAGEMILL_DEBIAN_MIRROR": "/srv/debian"}).debian
    with pytest.raises(MirrorError, match="IMAGEMILL_DEBIAN_SECURITY_MIRROR"):
        _ = Mirrors({"IMAGEMILL_DEBIAN_SECURITY_MIRROR": "/srv/debian"}).debian_security


def test_nothing_is_looked_up_before_it_is_needed(tmp_path: Path) -> None:
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    npm.chmod(0o755)
    settings = {"IMAGEMILL_DEBIAN_MIRROR": "http://own.example/debian", "PATH": str(tmp_path)}
    assert Mirrors(settings, home=tmp_path).debian
    assert not (tmp_path / "asked").exists()


def test_pip_knows_the_index(tmp_path: Path) -> None:
    config = tmp_path / ".config/pip/pip.conf"
    config.parent.mkdir(parents=True)
    config.write_text("[global]\nindex-url = https://index.example/simple/\n")
    assert Mirrors({}, home=tmp_path).pypi == "https://index.example/simple"
    assert Mirrors({"PIP_INDEX_URL": "https://env.example/simple"}, home=tmp_path).pypi == "https://env.example/simple"


def test_pip_has_an_index_built_in(tmp_path: Path) -> None:
    assert Mirrors({}, home=tmp_path).pypi.startswith("https://")


def test_npmrc_knows_the_registry(tmp_path: Path) -> None:
    (tmp_path / ".npmrc").write_text("audit=false\nregistry = https://registry.example/\n")
    assert Mirrors({}, home=tmp_path).npm == "https://registry.example"


def test_npms_variables_win_over_its_file(tmp_path: Path) -> None:
    (tmp_path / ".npmrc").write_text("registry=https://registry.example/\n")
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        assert Mirrors({name: "https://env.example/"}, home=tmp_path).npm == "https://env.example"


def test_certificates(tmp_path: Path) -> None:
    (tmp_path / ".npmrc").write_text("cafile=/npm.pem\n")
    config = tmp_path / "pip.conf"
    environ = {"PIP_CONFIG_FILE": str(config)}  # it wins over what this machine may have
    config.write_text("[global]\ncert =\n")
    assert Mirrors(environ, home=tmp_path).certificates == "/npm.pem"
    config.write_text("[global]\ncert = /pip.pem\n")
    assert Mirrors(environ, home=tmp_path).certificates == "/pip.pem"
    environ["PIP_CERT"] = "/variable.pem"
    assert Mirrors(environ, home=tmp_path).certificates == "/variable.pem"
    environ["SSL_CERT_FILE"] = "/all.pem"
    assert Mirrors(environ, home=tmp_path).certificates == "/all.pem"


def test_npm_is_asked(tmp_path: Path) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\n[ \"$1 $2 $3\" = 'config get registry' ] && echo '\"https://npm.example/\"'\n")
    npm.chmod(0o755)
    assert Mirrors({"PATH": str(tmp_path)}, home=tmp_path).npm == "https://npm.example"


def test_without_npm_the_message_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(MirrorError) as caught:
        _ = Mirrors({"PATH": str(tmp_path)}, home=tmp_path).npm
    assert "set IMAGEMILL_NPM_REGISTRY" in str(caught.value)
