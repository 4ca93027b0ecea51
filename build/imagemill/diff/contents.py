"""What is in an image, by name: packages of every kind, and the tools on its search path.

Read from the merged tree, so nothing is run. Sources: dpkg(1) and distroless' README (var/lib/dpkg/status.d), PyPA's
"Recording installed projects", npm's package.json, RubyGems' specifications.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from imagemill.merged import MergedTree

_DPKG = re.compile(r"var/lib/dpkg/(status|status\.d/.*(?<!\.md5sums))")
_WHEEL = re.compile(r"(?:.*/)?[^/]+\.dist-info/METADATA")
_NPM = re.compile(r"(?:.*/)?node_modules/((?:@[^/]+/)?[^/@.][^/]*)/package\.json")
_GEM = re.compile(r"(?:.*/)?specifications/(?:default/)?([^/]+)-(\d[^/-]*)(?:-[^/]+)?\.gemspec")


def packages(tree: MergedTree) -> dict[str, str]:
    """Kind and name (`dpkg bash`) -> version; several versions of one are told in their order."""
    found: dict[str, set[str]] = {}
    for key, entry in tree.entries.items():
        if entry.kind == "file":
            for name, version in _packages(tree, key):
                found.setdefault(name, set()).add(version)
    return {name: ", ".join(sorted(found[name])) for name in sorted(found)}


def tools(tree: MergedTree, env: Mapping[str, str]) -> dict[str, str]:
    """Name -> path of the executable file that PATH leads to."""
    found: dict[str, str] = {}
    for folder in env.get("PATH", "").split(":"):
        key = tree.resolve(folder) if folder.startswith("/") else None
        for child in tree.children(key) if key is not None else ():
            end = tree.resolve(child)
            entry = tree.entries.get(end) if end else None
            if entry is not None and entry.kind == "file" and entry.mode & 0o111:
                found.setdefault(child.rpartition("/")[2], f"{folder.rstrip('/')}/{child.rpartition('/')[2]}")
    return found


def _packages(tree: MergedTree, key: str) -> Iterator[tuple[str, str]]:
    if _DPKG.fullmatch(key):
        for paragraph in tree.read(key).decode("utf-8", "replace").split("\n\n"):
            fields = _headers(paragraph)
            if fields.get("Package") and fields.get("Version"):
                yield f"dpkg {fields['Package']}", fields["Version"]
    elif _WHEEL.fullmatch(key):
        fields = _headers(tree.read(key).decode("utf-8", "replace").partition("\n\n")[0])
        if fields.get("Name") and fields.get("Version"):
            yield f"python {re.sub(r'[-_.]+', '-', fields['Name']).lower()}", fields["Version"]
    elif match := _NPM.fullmatch(key):
        try:
            data = json.loads(tree.read(key))
        except ValueError:
            return
        if isinstance(data, dict) and isinstance(data.get("version"), str):
            yield f"npm {match[1]}", data["version"]
    elif match := _GEM.fullmatch(key):
        yield f"gem {match[1]}", match[2]


def _headers(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in text.splitlines() if line[:1].strip())
    return {name: value.strip() for name, colon, value in lines if colon}
