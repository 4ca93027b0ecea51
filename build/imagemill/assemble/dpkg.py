"""The dpkg database of an image. One file of it lists all packages, so it is a layer of its own.

Scanners read it, and where dpkg itself is in the image, `apt-get install` goes on from it. Source of the
format: dpkg(1), deb-triggers(5), and lib/dpkg/{dump,trigdb}.c of dpkg.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imagemill.assemble import deb
from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Tree

_ADMIN = "var/lib/dpkg"


@dataclass(frozen=True)
class Assembled:
    """A layer before it is written: its tree, what it adds to the dpkg database, and its newest time.

    `epoch` (seconds since 1970) is 0 for a layer that no package brings anything to.
    """

    tree: Tree
    records: list[dict[str, Any]]
    epoch: int


def record(package: deb.Package, kept: Mapping[str, str], tree: Tree) -> dict[str, Any]:
    """What the database says of one package, as JSON.

    `kept` maps the package's own paths to those in the image, without the ones left out; `tree` is the layer.
    """
    kept = {path: place for path, place in kept.items() if place in tree}
    control = {name: text.decode("latin-1") for name, text in package.control.items()}
    conffiles = {}
    for line in package.control.get("conffiles", b"").decode().splitlines():
        path = deb.merged(line.strip().lstrip("/"))
        if path in kept:
            conffiles["/" + path] = hashlib.md5(tree[kept[path]].read(), usedforsecurity=False).hexdigest()
    newest = max((entry.mtime for entry in package.tree.values()), default=0)
    changed = [path for path, place in kept.items() if _changed(package.tree[path], tree[place])]
    return {
        "control": control,
        "conffiles": conffiles,
        "paths": kept,
        "changed": sorted(changed),
        "newest": newest,
    }


def _changed(original: Entry, now: Entry) -> bool:
    return original.kind == "file" and original.content is not now.content and original.read() != now.read()


def database(records: Sequence[Mapping[str, Any]]) -> Assembled:
    """The layer below /var/lib/dpkg for the packages in `records`, which may name one package several times.

    Where dpkg is among them, files that 'move' took elsewhere are in no list: dpkg would write them to Debian's
    place when it upgrades the package, and must not remove ours. Elsewhere lists say where the files are.
    """
    packages: dict[str, list[Mapping[str, Any]]] = {}
    for row in records:
        packages.setdefault(_name(row), []).append(row)
    epoch = max((row["newest"] for row in records), default=0)
    tree: Tree = {}

    def add(path: str, content: bytes, mode: int = 0o644) -> None:
        tree[f"{_ADMIN}/{path}"] = Entry("file", mode, mtime=epoch, content=content)

    stanzas = []
    triggers: dict[str, list[str]] = {"File": []}
    for name, rows in sorted(packages.items()):
        if len({row["control"]["control"] for row in rows}) > 1:
            raise AssembleError(f"layers of one image bring different versions of {name}", "lock them together")
        stanzas.append(_stanza(rows))
        for file, (content, mode) in _info(rows, live="dpkg" in packages).items():
            add(f"info/{name}.{file}", content, mode)
        for line in rows[0]["control"].get("triggers", "").splitlines():
            _interest(line, name, triggers)
    add("status", "".join(stanza + "\n" for stanza in stanzas).encode("latin-1"))
    add("available", b"")
    add("diversions", b"")
    add("statoverride", b"")
    add("info/format", b"1\n")
    add("triggers/Lock", b"")
    add("triggers/Unincorp", b"")
    for file, lines in triggers.items():
        add(f"triggers/{file}", "".join(line + "\n" for line in lines).encode())
    for architecture in sorted({_fields(row)["Architecture"] for row in records} - {"all"}):
        add("arch-native", f"{architecture}\n".encode())
    there = {place for row in records for place in row["paths"].values()}
    for folder in (f"{_ADMIN}/parts", f"{_ADMIN}/updates"):
        if folder not in there:  # an empty directory that a layer below has is no part of this one for all engines
            tree[folder] = Entry("dir", 0o755, mtime=epoch)
    return Assembled(tree, [], epoch)


def _name(row: Mapping[str, Any]) -> str:
    """The name of a package's files in the database: with its architecture where several may be installed."""
    fields = _fields(row)
    qualified = fields.get("Multi-Arch") == "same"
    return f"{fields['Package']}:{fields['Architecture']}" if qualified else fields["Package"]


def _fields(row: Mapping[str, Any]) -> dict[str, str]:
    return deb.fields(row["control"]["control"].encode("latin-1"))


def _stanza(rows: Sequence[Mapping[str, Any]]) -> str:
    conffiles = {path: digest for row in rows for path, digest in row["conffiles"].items()}
    lines = []
    for line in rows[0]["control"]["control"].splitlines():
        if line.strip():
            lines.append(line)
        if line.startswith("Package:"):
            lines.append("Status: install ok installed")
    if conffiles:
        lines += ["Conffiles:", *(f" {path} {digest}" for path, digest in sorted(conffiles.items()))]
    return "\n".join([*lines, ""])


def _info(rows: Sequence[Mapping[str, Any]], *, live: bool) -> dict[str, tuple[bytes, int]]:
    """The files of one package below info: suffix -> content and mode."""
    places: dict[str, str] = {}
    for row in rows:
        for path, place in row["paths"].items():
            if live and path == place:
                places[path] = path
            elif not live:
                places.setdefault(path, place)
    changed = {path for row in rows for path in row["changed"]}
    listed = sorted({"/" + part for place in places.values() for part in _with_parents(place)})
    found = {"list": ("".join(f"{path}\n" for path in ["/.", *listed]).encode("utf-8", "surrogateescape"), 0o644)}
    for name, text in rows[0]["control"].items():
        content = text.encode("latin-1")
        if name == "control":
            continue
        if name == "md5sums":
            content = _sums(text, places, changed)
        elif name == "conffiles":
            content = "".join(f"{path}\n" for path in rows[0]["conffiles"]).encode()
        found[name] = (content, 0o755 if name in ("config", "postinst", "postrm", "preinst", "prerm") else 0o644)
    return found


def _with_parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def _sums(text: str, places: Mapping[str, str], changed: set[str]) -> bytes:
    """The checksums of what is in the image as the package brought it."""
    lines = []
    for line in text.encode("latin-1").decode("utf-8", "surrogateescape").splitlines():
        digest, _, path = line.partition("  ")
        path = deb.merged(path.removeprefix("./"))
        if path in places and path not in changed:
            lines.append(f"{digest}  {places[path]}\n")
    return "".join(lines).encode("utf-8", "surrogateescape")


def _interest(line: str, name: str, triggers: dict[str, list[str]]) -> None:
    """Note what a line of a triggers file is interested in: a path, or a trigger with a name."""
    verb, _, what = line.partition("#")[0].strip().partition(" ")
    if not verb.startswith("interest"):
        return
    who = f"{name}/noawait" if verb == "interest-noawait" else name
    what = what.strip()
    if what.startswith("/"):
        triggers["File"].append(f"{what} {who}")
    else:
        triggers.setdefault(what, []).append(who)
