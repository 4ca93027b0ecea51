"""The packages in an image, found by what each package manager leaves behind; nothing is asked of the outside.

Whatever cannot be read is left out, so that a damaged file of one package hides no other.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from email.parser import HeaderParser

from imagemill.conform.system import database
from imagemill.conform.view import View
from imagemill.errors import LayoutError
from imagemill.filetree import Entry
from imagemill.sbom import golang
from imagemill.sbom.inventory import Component

_LIST = re.compile(r"var/lib/dpkg/info/([^/:]+)(?::[^/]+)?\.list")
_WHEEL = re.compile(r"(.*/)[^/]+\.(?:dist-info/METADATA|egg-info/PKG-INFO|egg-info)")
_NPM = re.compile(r"(.*/node_modules/(?:@[^/]+/)?[^/]+/)package\.json")
_GEM = re.compile(r"(.*/)specifications/(?:default/)?([^/]+)-(\d[^/-]*)(-[^/]+)?\.gemspec")
_JAR = re.compile(r".*/([^/]+?)(?:-(\d[^/]*))?\.jar")
_NODE = "var/lang/bin/node"
_FRAMEWORK = re.compile(r"(var/lang/bin/shared/([^/]+)/(\d[^/]*)/)[^/]+\.deps\.json")
_LARGEST = 64 << 20  # bytes of a file that is looked into
_MOST_RECORDED = 4 << 20


def found(view: View) -> Iterator[Component]:
    """Every package, once for each place that it is in."""
    lists: dict[str, frozenset[str]] = {}
    for key, entry in view.walk():
        if entry.kind != "file" or entry.size > _LARGEST:
            continue
        if match := _LIST.fullmatch(key):
            lists[match[1]] = frozenset(line.lstrip("/") for line in _text(view, entry).splitlines())
        elif match := _WHEEL.fullmatch(key):
            yield from _wheel(view, key, entry, match[1])
        elif match := _NPM.fullmatch(key):
            yield from _npm(view, entry, match[1])
        elif match := _GEM.fullmatch(key):
            yield _gem(view, key, entry, match)
        elif match := _JAR.fullmatch(key):
            yield from _jar(view, key, entry, match)
        elif match := _FRAMEWORK.fullmatch(key):
            yield Component("nuget", match[2], match[3], owns=frozenset({match[1]}))
    yield from _debian(view, lists)
    yield from _programs(view)


def _debian(view: View, lists: Mapping[str, frozenset[str]]) -> Iterator[Component]:
    release = _release(view)
    for row in database(view):
        name, version = row.get("Package"), row.get("Version")
        if name and version:
            source = (row.get("Source") or name).partition(" ")[0]
            qualifiers = (("arch", row.get("Architecture", "")), ("distro", release))
            owns = lists.get(name, frozenset())
            yield Component("deb", name, version, "debian", qualifiers, source=source, owns=owns)


def _release(view: View) -> str:
    try:
        rows = view.read("/etc/os-release").decode("utf-8", "replace").splitlines()
    except LayoutError:
        return ""
    said = {name: value.strip("\"'") for name, sign, value in (row.partition("=") for row in rows) if sign}
    return "-".join(filter(None, (said.get("ID", ""), said.get("VERSION_ID") or said.get("VERSION_CODENAME", ""))))


def _wheel(view: View, key: str, entry: Entry, folder: str) -> Iterator[Component]:
    said = HeaderParser().parsestr(_text(view, entry).partition("\n\n")[0])
    name, version = said.get("Name", ""), said.get("Version", "")
    if name and version:
        license = said.get("License-Expression") or said.get("License") or ""
        owns = frozenset({f"{key.rpartition('/')[0]}/", *_recorded(view, key, folder)})
        name = re.sub(r"[-_.]+", "-", name).lower()  # PEP 503
        yield Component("pypi", name, version, license=license if len(license) < 100 else "", owns=owns)


def _recorded(view: View, key: str, folder: str) -> Iterator[str]:
    """The files that a wheel's RECORD lists."""
    record = view.resolve(f"/{key.rpartition('/')[0]}/RECORD")
    entry = view.stat(record) if record else None
    if entry is not None and entry.kind == "file" and entry.size < _MOST_RECORDED:
        for line in _text(view, entry).splitlines():
            path = line.split(",")[0].strip('"')
            if not path.startswith(("/", "..")):
                yield folder + path


def _npm(view: View, entry: Entry, folder: str) -> Iterator[Component]:
    try:
        said = json.loads(_text(view, entry))
        name, version, license = said["name"], said["version"], said.get("license", "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return
    if isinstance(name, str) and isinstance(version, str):
        namespace, _, name = name.rpartition("/")
        license = license if isinstance(license, str) else ""
        yield Component("npm", name, version, namespace, license=license, owns=frozenset({folder}))


def _gem(view: View, key: str, entry: Entry, match: re.Match[str]) -> Component:
    folder, name, version, platform = match[1], match[2], match[3], match[4] or ""
    said = re.search(r"licenses = \[\"([^\"]+)\"", _text(view, entry))
    owns = frozenset({key, f"{folder}gems/{name}-{version}{platform}/"})
    return Component("gem", name, version, license=said[1] if said else "", owns=owns)


def _jar(view: View, key: str, entry: Entry, match: re.Match[str]) -> Iterator[Component]:
    """What Maven left in a jar; without it what the jar's manifest says, and its file's name."""
    try:
        with zipfile.ZipFile(io.BytesIO(view.part(entry, 0, entry.size))) as jar:
            properties = [name for name in jar.namelist() if re.fullmatch(r"META-INF/maven/.*/pom\.properties", name)]
            for name in properties:
                said = _pairs(jar.read(name).decode("utf-8", "replace"), "=")
                if said.keys() >= {"groupId", "artifactId", "version"}:
                    yield Component(
                        "maven", said["artifactId"], said["version"], said["groupId"], owns=frozenset({key})
                    )
            manifest = jar.read("META-INF/MANIFEST.MF") if "META-INF/MANIFEST.MF" in jar.namelist() else b""
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError):
        return
    said = _pairs(manifest.decode("utf-8", "replace"), ":")
    version = said.get("Implementation-Version") or said.get("Bundle-Version") or match[2]
    if not properties and version:
        yield Component("maven", match[1], version, said.get("Implementation-Vendor-Id", ""), owns=frozenset({key}))


def _programs(view: View) -> Iterator[Component]:
    """Node's own program, and what Go programs say that they were built from."""
    for key, program in view.programs():
        entry = view.stat(key)
        if entry is None or entry.size > _LARGEST * 4:
            continue
        if key == _NODE and (version := view.version(entry)):
            yield Component("generic", "node", version, owns=frozenset({key, "var/lang/include/", "var/lang/LICENSE"}))
        elif not program.needed and not program.interpreter:
            yield from golang.modules(view.part(entry, 0, entry.size), key)


def _pairs(text: str, sign: str) -> dict[str, str]:
    rows = (line.partition(sign) for line in text.splitlines() if not line.startswith((" ", "#")))
    return {name.strip(): value.strip() for name, found, value in rows if found}


def _text(view: View, entry: Entry) -> str:
    return view.part(entry, 0, entry.size).decode("utf-8", "replace")
