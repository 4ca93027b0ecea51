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
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from imagemill.errors import MirrorError

_SUITE = r"(stable|testing|unstable|oldstable|sid|bullseye|bookworm|trixie|forky|duke)"
_DEBIAN_SUITES = re.compile(rf"^{_SUITE}(-updates)?$")
_UPDATES_SUITES = re.compile(rf"^{_SUITE}-updates$")
_SECURITY_SUITES = re.compile(rf"^{_SUITE}-security$")


@dataclass(frozen=True)
class _Source:
    """One address and suite of apt's sources."""

    uri: str
    suite: str
    components: tuple[str, ...]


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
        found = setting or _debian_among(list(self._apt()))
        return _address(found, "Debian packages", "IMAGEMILL_DEBIAN_MIRROR", "apt's sources name none")

    @cached_property
    def debian_security(self) -> str:
        """The archive of Debian's security suites: beside the main one where nothing else is said."""
        setting = self._setting("IMAGEMILL_DEBIAN_SECURITY_MIRROR")
        if setting:
            return _address(setting, "Debian's security packages", "IMAGEMILL_DEBIAN_SECURITY_MIRROR", "")
        if not self._setting("IMAGEMILL_DEBIAN_MIRROR"):
            for source in self._apt():
                if _SECURITY_SUITES.match(source.suite) and "main" in source.components:
                    return source.uri
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
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"):
            if self._setting(name):
                return self._setting(name)
        return self._pip("cert") or self._npmrc("cafile")

    def download(self, url: str) -> str:
        """Where an upstream's file is fetched: from itself, or from a mirror that keeps it as `<host>/<path>`.

        That is the tree which `wget --force-directories` makes, and what caching proxies offer.
        """
        if url.startswith("debian:"):
            return f"{self.debian}/{url.removeprefix('debian:')}"
        setting = self._setting("IMAGEMILL_DOWNLOAD_MIRROR")
        if not setting:
            return url
        place = url.partition("://")[2]
        return f"{_address(setting, 'upstream downloads', 'IMAGEMILL_DOWNLOAD_MIRROR', '')}/{place}"

    def archive(self, name: str) -> str:
        """The address of a Debian archive by the name that locks use."""
        return self.debian_security if name == "debian-security" else self.debian

    def _setting(self, name: str) -> str:
        return self.environ.get(name, "").rstrip("/")

    def _apt(self) -> Iterator[_Source]:
        """apt's sources that are reached over HTTP, of both formats (sources.list(5))."""
        for path in [self.apt / "sources.list", *sorted((self.apt / "sources.list.d").glob("*"))]:
            parse = {".sources": _deb822, ".list": _one_line}.get(path.suffix)
            if parse is not None and path.is_file():
                found = parse(path.read_text(errors="replace"))
                yield from (source for source in found if source.uri.startswith("http"))

    def _pip(self, key: str) -> str:
        """A value of pip's configuration; the user's wins over the site's, a virtual environment's over both."""
        places = (
            *([Path(self.environ["PIP_CONFIG_FILE"])] if self.environ.get("PIP_CONFIG_FILE") else []),
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
        """A value of npm's configuration, without starting npm; its variables win over its files."""
        for name, value in self.environ.items():
            if name.lower() == f"npm_config_{key}" and value:
                return value.rstrip("/")
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


def _debian_among(sources: list[_Source]) -> str:
    """The address of Debian's own archive; vendors name suites and components as Debian does.

    Only an archive has `-updates` suites, and most are called `debian`; failing both, the first one counts.
    """
    fitting = [source for source in sources if _DEBIAN_SUITES.match(source.suite) and "main" in source.components]
    archives = {source.uri for source in fitting if _UPDATES_SUITES.match(source.suite)}
    fitting.sort(key=lambda source: (source.uri not in archives, not source.uri.endswith("/debian")))
    return fitting[0].uri if fitting else ""


def _deb822(text: str) -> Iterator[_Source]:
    for stanza in re.split(r"\n[ \t]*\n", text):
        lines = "\n".join(line for line in stanza.splitlines() if not line.startswith("#"))
        rows = re.findall(r"^([A-Za-z-]+):(.*(?:\n[ \t].*)*)", lines, re.MULTILINE)  # values go on in indented lines
        fields = {key.lower(): value.split() for key, value in rows}
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"])[:1] not in (["no"], ["false"]):
            for uri in fields.get("uris", []):
                for suite in fields.get("suites", []):
                    yield _Source(uri.rstrip("/"), suite, tuple(fields.get("components", [])))


def _one_line(text: str) -> Iterator[_Source]:
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[[^]]*\]\s*)?(\S+)\s+(\S+)([^#]*)", line)
        if match:
            yield _Source(match[1].rstrip("/"), match[2], tuple(match[3].split()))


def _pip_default() -> str:
    """The index that pip has built in; empty when no pip is here."""
    code = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    for python in (sys.executable, "python3"):  # an environment made without pip still has the system's
        with suppress(FileNotFoundError):
            done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return done.stdout.strip()
    return ""
