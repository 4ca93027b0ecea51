"""Unpacking wheels. Source of the format: PyPA's binary distribution format and entry points specifications."""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import io
import posixpath
import re
import zipfile
from calendar import timegm
from collections.abc import Sequence
from pathlib import Path

from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Tree
from imagemill.manifest import PypiSet

_EPOCH = 315532800  # 1980, where zip files begin: the time of what no wheel brings
_SCRIPT = """#!{interpreter}
import sys
{path}from {module} import {name}

sys.exit({call}())
"""


def unpack_set(wheels: Sequence[tuple[Path, str]], spec: PypiSet) -> Tree:
    """The distributions of one set, each given as its path and file name, in one directory.

    A file that two of them bring must be the same in both. Raises AssembleError where it is not, for a broken
    wheel, and for a name in `only_scripts` that no wheel has.
    """
    whole: Tree = {}
    for path, name in wheels:
        for place, entry in unpack(path, spec, name=name).items():
            if place in whole and whole[place].read() != entry.read():
                raise AssembleError(
                    f"{name} and another wheel bring /{place}", "put one of them into a set with another 'into'"
                )
            whole[place] = entry
    absent = [one for one in spec.only_scripts if spec.scripts and f"{spec.scripts.strip('/')}/{one}" not in whole]
    if absent:
        raise AssembleError(f"no wheel for {spec.into} brings: {', '.join(absent)}", "correct 'only_scripts'")
    return whole


def unpack(path: Path, spec: PypiSet, *, name: str) -> Tree:
    """The files of one wheel below `spec.into`, with its commands below `spec.scripts`.

    `name` is the wheel's file name (in the cache it has another). Raises AssembleError for a broken wheel.
    """
    into = spec.into.strip("/")
    tree: Tree = {}
    try:
        with zipfile.ZipFile(path) as archive:
            # setuptools carries whole distributions inside itself: only one at the top is the wheel's own
            info = next(m[1] for n in archive.namelist() if (m := re.fullmatch(r"([^/]+\.dist-info)/WHEEL", n)))
            for member in archive.infolist():
                if member.is_dir() or re.fullmatch(rf"{re.escape(info)}/RECORD(\.jws|\.p7s)?", member.filename):
                    continue
                if posixpath.normpath(member.filename) != member.filename or member.filename[0] in "/.":
                    raise AssembleError(f"{name}: path {member.filename!r} leads elsewhere", "do not use this wheel")
                place, script = _place(member.filename, spec)
                if place is None:
                    continue
                content = archive.read(member)
                if script:
                    content = re.sub(rb"\A#!pythonw?(?=[ \r\n])", b"#!" + spec.interpreter.encode(), content)
                mode = 0o755 if script or (member.external_attr >> 16) & 0o111 else 0o644
                tree[place] = Entry("file", mode, mtime=_time(member.date_time), content=content)
            if f"{info}/entry_points.txt" in archive.namelist():
                tree |= _commands(archive.read(f"{info}/entry_points.txt").decode(), spec)
    except (zipfile.BadZipFile, StopIteration, KeyError, configparser.Error, UnicodeDecodeError) as error:
        raise AssembleError(f"{name} is not a wheel: {error}", "remove it from the cache and build again") from None
    tree[f"{into}/{info}/INSTALLER"] = Entry("file", mtime=_EPOCH, content=b"imagemill\n")
    tree[f"{into}/{info}/RECORD"] = Entry("file", mtime=_EPOCH, content=_record(tree, into, info))
    return tree


def _place(member: str, spec: PypiSet) -> tuple[str | None, bool]:
    """Where a file of the wheel goes, None for one that is not wanted; and whether it is a script."""
    into = spec.into.strip("/")
    top, _, rest = member.partition("/")
    if not top.endswith(".data"):
        return f"{into}/{member}", False
    kind, _, rest = rest.partition("/")
    # the prefix of an interpreter's own site-packages; a directory for one program is its own prefix
    prefix = into.removesuffix(f"/lib/python{spec.python}/site-packages")
    match kind:
        case "purelib" | "platlib":
            return f"{into}/{rest}", False
        case "data":
            return f"{prefix}/{rest}", False
        case "headers":
            return f"{prefix}/include/python{spec.python}/{top.partition('-')[0]}/{rest}", False
        case "scripts" if spec.scripts and (not spec.only_scripts or rest in spec.only_scripts):
            return f"{spec.scripts.strip('/')}/{rest}", True
        case _:
            return None, False


def _time(stamp: tuple[int, int, int, int, int, int]) -> int:
    year, month, day, *clock = stamp
    return timegm((year, max(month, 1), max(day, 1), *clock, 0, 0, 0))  # some tools write month and day 0


def _commands(text: str, spec: PypiSet) -> Tree:
    """Programs for the console_scripts of entry_points.txt."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(text)
    tree: Tree = {}
    if not spec.scripts or not parser.has_section("console_scripts"):
        return tree
    path = "" if spec.into.endswith("/site-packages") else f"sys.path.insert(0, {spec.into!r})\n"
    targets = dict(parser.items("console_scripts"))
    if "pip" in targets:
        targets[f"pip{spec.python}"] = targets["pip"]  # pip makes this one when it installs itself
    for command, target in targets.items():
        if spec.only_scripts and command not in spec.only_scripts:
            continue
        module, _, call = target.partition("[")[0].strip().partition(":")
        source = _SCRIPT.format(
            interpreter=spec.interpreter,
            path=path,
            module=module.strip(),
            name=call.strip().partition(".")[0],
            call=call.strip(),
        )
        tree[f"{spec.scripts.strip('/')}/{command}"] = Entry("file", 0o755, mtime=_EPOCH, content=source.encode())
    return tree


def _record(tree: Tree, into: str, info: str) -> bytes:
    rows = [(f"{info}/RECORD", "", "")]
    for path, entry in tree.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(entry.read()).digest()).rstrip(b"=").decode()
        rows.append((posixpath.relpath(path, into), f"sha256={digest}", str(entry.size)))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    return text.getvalue().encode()
