"""Where packages come from: the mirrors that this machine's own apt, pip and npm use, or settings.

No host is named anywhere in the project. What the machine does not know, a setting must say; the error says
which one.
"""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from imagemill.errors import MirrorError

_DEBIAN_SUITES = re.compile(r"^(stable|testing|unstable|oldstable|sid|bullseye|bookworm|trixie|forky|duke)(-updates)?$")
_SECURITY_SUITES = re.compile(r"^[a-z]+-security$")


@dataclass(frozen=True)
class Mirrors:
    """Addresses of package sources, each looked up when it is first needed.

    `environ` holds the settings; `apt` is the folder of apt's configuration, `home` the user's.
    """

    environ: Mapping[str, str] = field(repr=False)
    apt: Path = Path("/etc/apt")
    home: Path = Path("/nonexistent")

    @staticmethod
    def discover(environ: Mapping[str, str]) -> Mirrors:
        """The mirrors of this machine."""
        return Mirrors(environ, home=Path(environ.get("HOME", "/nonexistent")))

    @cached_property
    def debian(self) -> str:
        """The Debian archive (the folder that has `dists` and `pool`)."""
        setting = self._setting("IMAGEMILL_DEBIAN_MIRROR")
        found = setting or next((uri for uri, suite in self._apt() if _DEBIAN_SUITES.match(suite)), "")
        return _address(found, "Debian packages", "IMAGEMILL_DEBIAN_MIRROR", "apt's sources name none")

    @cached_property
    def debian_security(self) -> str:
        """The archive of Debian's security suites: beside the main one where nothing else is said."""
        setting = self._setting("IMAGEMILL_DEBIAN_SECURITY_MIRROR")
        if setting:
            return setting
        if not self._setting("IMAGEMILL_DEBIAN_MIRROR"):
            for uri, suite in self._apt():
                if _SECURITY_SUITES.match(suite):
                    return uri
        return f"{self.debian}-security"

    @cached_property
    def debian_snapshot(self) -> str:
        """A snapshot archive that still has superseded packages; empty when none is set."""
        return self._setting("IMAGEMILL_DEBIAN_SNAPSHOT")

    @cached_property
    def pypi(self) -> str:
        """The Python package index (its `simple` page)."""
        found = self._setting("IMAGEMILL_PYPI_INDEX") or self._setting("PIP_INDEX_URL") or self._pip("index-url")
        return _address(found or _pip_default(), "Python packages", "IMAGEMILL_PYPI_INDEX", "pip names no index")

    @cached_property
    def npm(self) -> str:
        """The npm registry."""
        found = self._setting("IMAGEMILL_NPM_REGISTRY") or self._npmrc("registry") or self._npm("registry")
        return _address(found, "npm packages", "IMAGEMILL_NPM_REGISTRY", "there is no npm here to ask")

    @cached_property
    def certificates(self) -> str:
        """A bundle of certificates to trust; empty for the system's."""
        return self._setting("SSL_CERT_FILE") or self._setting("PIP_CERT") or self._pip("cert")

    def archive(self, name: str) -> str:
        """The address of a Debian archive by the name that locks use."""
        return self.debian_security if name == "debian-security" else self.debian

    def _setting(self, name: str) -> str:
        return self.environ.get(name, "").rstrip("/")

    def _apt(self) -> Iterator[tuple[str, str]]:
        """Addresses and suites of apt's sources, of both formats (sources.list(5))."""
        for path in [self.apt / "sources.list", *sorted((self.apt / "sources.list.d").glob("*"))]:
            if path.suffix == ".sources":
                yield from _deb822(path.read_text(errors="replace"))
            elif path.suffix == ".list" and path.is_file():
                yield from _one_line(path.read_text(errors="replace"))

    def _pip(self, key: str) -> str:
        """A value of pip's configuration; the user's wins over the site's, a virtual environment's over both."""
        places = (
            Path(sys.prefix) / "pip.conf",
            self.home / ".config/pip/pip.conf",
            self.home / ".pip/pip.conf",
            Path("/etc/xdg/pip/pip.conf"),
            Path("/etc/pip.conf"),
        )
        for place in places:
            parser = configparser.RawConfigParser()
            if place.is_file() and parser.read(place) and parser.has_option("global", key):
                return parser.get("global", key).strip().rstrip("/")
        return ""

    def _npmrc(self, key: str) -> str:
        for place in (self.home / ".npmrc", Path("/etc/npmrc")):
            if place.is_file():
                for line in place.read_text(errors="replace").splitlines():
                    name, equals, value = line.partition("=")
                    if equals and name.strip() == key:
                        return value.strip().strip('"').rstrip("/")
        return ""

    def _npm(self, key: str) -> str:
        """What npm itself says, with its built-in default."""
        npm = shutil.which("npm", path=self.environ.get("PATH"))
        if npm is None:
            return ""
        done = subprocess.run(
            [npm, "config", "get", key, "--json"], env=self.environ, capture_output=True, text=True, check=False
        )
        try:
            value = json.loads(done.stdout)
        except ValueError:
            value = done.stdout.strip()
        return value.rstrip("/") if isinstance(value, str) and value.startswith("http") else ""


def _address(found: str, what: str, setting: str, why: str) -> str:
    if not found:
        raise MirrorError(f"no mirror for {what}: {why}", f"set {setting} to the address of one")
    if not re.match(r"https?://", found):
        raise MirrorError(f"the mirror for {what} is {found!r}", f"set {setting} to one that begins with https://")
    return found.rstrip("/")


def _deb822(text: str) -> Iterator[tuple[str, str]]:
    for stanza in re.split(r"\n\s*\n", text):
        lines = (line for line in stanza.splitlines() if not line.startswith("#"))
        fields = dict(re.findall(r"^(\S+):\s*(.*)$", "\n".join(lines), re.MULTILINE))
        if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes") != "no":
            for uri in fields.get("URIs", "").split():
                for suite in fields.get("Suites", "").split():
                    yield uri.rstrip("/"), suite


def _one_line(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[[^]]*\]\s*)?(\S+)\s+(\S+)", line)
        if match:
            yield match[1].rstrip("/"), match[2]


def _pip_default() -> str:
    """The index that pip has built in."""
    code = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()
