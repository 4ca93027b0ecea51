"""Checks on programs: they are there, where PATH finds them, and made for the image's processor."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from imagemill.conform import facts
from imagemill.conform.finding import Finding, Problem, Subject, verdict
from imagemill.conform.view import View
from imagemill.filetree import Entry
from imagemill.platforms import PLATFORMS

_MAGIC = b"\x7fELF"
_PT_INTERP = 3
_MAX_HEADERS = 4096  # bytes of program headers: some 70 of them, and linkers write about 12
_MAX_INTERPRETER = 4096


def machine(view: View, subject: Subject) -> Iterator[Finding]:
    """Every ELF file is for the image's processor."""
    wanted = subject.platform.elf_machine
    names = {p.elf_machine: p.machine for p in PLATFORMS.values()}
    problems, count = [], 0
    for key, _, head in _elf_files(view, subject):
        count += 1
        order = ">" if head[5] == 2 else "<"
        (found,) = struct.unpack_from(order + "H", head, 18)
        if found != wanted:
            problems.append(
                Problem(
                    f"/{key}: {subject.platform.machine}",
                    f"/{key}: {names.get(found, f'e_machine {found}')}",
                    f"{subject.runtime_file}: platforms",
                    "take the package of this architecture, or leave the file out",
                )
            )
    return verdict(
        subject,
        "programs.machine",
        problems,
        expected=f"ELF files for {subject.platform.machine}",
        found=f"{count} ELF files, all of them",
        source=f"{subject.runtime_file}: platforms",
    )


def interpreter(view: View, subject: Subject) -> Iterator[Finding]:
    """The dynamic loader that an ELF program names is in the image."""
    problems, loaders = [], set()
    for key, entry, head in _elf_files(view, subject):
        loader = _interpreter(view, entry, head)
        if loader is None:
            continue
        loaders.add(loader)
        if view.resolve(loader) is None:
            problems.append(
                Problem(
                    f"{loader}, which /{key} names",
                    "nothing there",
                    "elf(5): PT_INTERP",
                    "have it in the base",
                )
            )
    return verdict(
        subject,
        "programs.interpreter",
        problems,
        expected="each program's loader",
        found=", ".join(sorted(loaders)) or "no program needs one",
        source="elf(5): PT_INTERP",
    )


def tools(view: View, subject: Subject) -> Iterator[Finding]:
    """The commands that the manifests promise are on PATH, as executable files."""
    path = view.config.env.get("PATH", "")
    folders = [folder.rstrip("/") for folder in path.split(":") if folder.startswith("/")]
    image = subject.image
    problems = [
        Problem(
            f"{tool} on PATH",
            f"no executable {tool} in {path}",
            _promise(subject, tool),
            f"have {tool} in a layer, or take it from the manifest",
        )
        for tool in image.tools
        if not any(_executable(view, f"{folder}/{tool}") for folder in folders)
    ]
    return verdict(
        subject,
        "programs.tools",
        problems,
        expected=f"{len(image.tools)} commands",
        found="all of them on PATH",
        source=f"{subject.base_file}: tools; {subject.runtime_file}: tools",
    )


def _promise(subject: Subject, tool: str) -> str:
    """The manifest's file and key that promise a tool."""
    base, runtime = subject.image.base, subject.image.runtime
    for where, key, names in (
        (subject.base_file, "tools", base.tools),
        (subject.runtime_file, "tools", runtime.tools),
        (subject.base_file, "build_tools", base.build_tools),
    ):
        if tool in names:
            return f"{where}: {key}"
    return f"{subject.runtime_file}: build_tools"


def _executable(view: View, path: str) -> bool:
    key = view.resolve(path)
    entry = view.stat(key) if key is not None else None
    return entry is not None and entry.kind == "file" and entry.mode & 0o111 == 0o111


def _elf_files(view: View, subject: Subject) -> Iterator[tuple[str, Entry, bytes]]:
    """Key, entry and first 64 bytes of each ELF file but those that are foreign on purpose."""
    foreign = facts.Matcher(facts.about(subject.image, facts.filesystem().foreign))
    for key, entry in view.walk():
        if entry.kind == "file" and entry.size >= 64:
            head = view.part(entry, 0, 64)
            if head.startswith(_MAGIC) and not foreign(f"/{key}"):
                yield key, entry, head


def _interpreter(view: View, entry: Entry, head: bytes) -> str | None:
    """The path in an ELF file's PT_INTERP; None where there is none, as in libraries and static programs."""
    order = ">" if head[5] == 2 else "<"
    if head[4] == 2:  # 64 bit
        (table,) = struct.unpack_from(order + "Q", head, 32)
        width, count = struct.unpack_from(order + "HH", head, 54)
        layout = order + "I4xQ16xQ"  # p_type, p_offset, p_filesz
    else:
        (table,) = struct.unpack_from(order + "I", head, 28)
        width, count = struct.unpack_from(order + "HH", head, 42)
        layout = order + "II8xI"
    if width < struct.calcsize(layout):
        return None
    headers = view.part(entry, table, min(width * count, _MAX_HEADERS))
    for start in range(0, len(headers) - width + 1, width):
        kind, offset, size = struct.unpack_from(layout, headers, start)
        if kind == _PT_INTERP:
            raw = view.part(entry, offset, min(size, _MAX_INTERPRETER))
            return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")
    return None
