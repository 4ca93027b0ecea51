"""Checks on programs: they are there, where PATH finds them, made for the image's processor, with what they need."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping

from imagemill.conform import facts
from imagemill.conform.finding import Finding, Problem, Subject, inapplicable, verdict
from imagemill.conform.view import View
from imagemill.elf import Elf
from imagemill.platforms import PLATFORMS

_DEFAULT_FOLDERS = ("/lib", "/usr/lib", "/lib64", "/usr/lib64")  # ld.so(8); Debian's loader adds those of multiarch


def machine(view: View, subject: Subject) -> Iterator[Finding]:
    """Every ELF file is for the image's processor."""
    wanted = subject.platform.elf_machine
    names = {p.elf_machine: p.machine for p in PLATFORMS.values()}
    problems, count = [], 0
    for key, program in _programs(view, subject):
        count += 1
        if program.machine != wanted:
            problems.append(
                Problem(
                    f"/{key}: {subject.platform.machine}",
                    f"/{key}: {names.get(program.machine, f'e_machine {program.machine}')}",
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
    for key, program in _programs(view, subject):
        loader = program.interpreter
        if not loader:
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


def libraries(view: View, subject: Subject) -> Iterator[Finding]:
    """The libraries that programs and libraries need are where the dynamic loader looks for them."""
    folders = (*_search(view), *(f"{place}/{subject.platform.multiarch}" for place in ("/lib", "/usr/lib")))
    known: dict[tuple[str, tuple[str, ...]], bool] = {}
    problems, count = [], 0
    for key, program in _programs(view, subject):
        if program.machine != subject.platform.elf_machine or (
            program.interpreter and view.resolve(program.interpreter) is None
        ):
            continue  # other checks say so
        here = posixpath.dirname(f"/{key}")
        own = tuple(one.replace("$ORIGIN", here).replace("${ORIGIN}", here) for one in program.search)
        for name in program.needed:
            count += 1
            if (name, own) not in known:
                places = [name] if "/" in name else [f"{folder}/{name}" for folder in (*own, *folders)]
                known[name, own] = any(view.resolve(place) for place in places)
            if not known[name, own] and not _beside(view, here, name, program):
                problems.append(
                    Problem(
                        f"{name}, which /{key} needs",
                        f"/{key}: no {name} in {':'.join((*own, *folders))}",
                        "ld.so(8)",
                        "have its package in a layer",
                    )
                )
    return verdict(
        subject,
        "programs.libraries",
        problems,
        expected="each library that is needed",
        found=f"all of {len(known)}, needed {count} times",
        source="ld.so(8)",
    )


def language(view: View, subject: Subject) -> Iterator[Finding]:
    """What is in /var/lang is of the version that the runtime's name promises."""
    runtime = subject.image.runtime
    source = f"{subject.runtime_file}: name"
    promised = runtime.name.removeprefix(runtime.family).removeprefix("core").removesuffix(".x").removesuffix(".al2")
    if runtime.family not in _STATED:
        yield inapplicable(subject, "programs.language", f"{runtime.family} has no interpreter", source=source)
        return
    path, version = _STATED[runtime.family](view, promised)
    problems = []
    if not f"{version}.".startswith(f"{promised}."):
        found = f"{path}: {version or ('no version in it' if view.resolve(path) else 'nothing')}"
        problems.append(Problem(f"{path}: {promised}", found, source, "have another version in the layer"))
    yield from verdict(
        subject, "programs.language", problems, expected=f"{path}: {promised}", found=version, source=source
    )


def _in_program(path: str) -> Callable[[View, str], tuple[str, str]]:
    """The version that a program has in it; its path may depend on the version."""

    def stated(view: View, promised: str) -> tuple[str, str]:
        place = path.format(promised)
        key = view.resolve(place)
        entry = view.stat(key) if key else None
        return place, view.version(entry) if entry else ""

    return stated


def _in_folder(path: str) -> Callable[[View, str], tuple[str, str]]:
    """The version that a folder in `path` is called by, the newest of them."""

    def stated(view: View, _: str) -> tuple[str, str]:
        below = f"{path[1:]}/"
        names = {key.removeprefix(below).partition("/")[0] for key, _ in view.walk() if key.startswith(below)}
        return path, max((name for name in names if name[0].isdigit()), default="")

    return stated


def _in_release(view: View, promised: str) -> tuple[str, str]:
    """The version in the file `release` of a Java, which Debian's Java 8 has in a library only."""
    path = "/var/lang/release"
    if view.resolve(path):
        found = re.search(r'^JAVA_VERSION="([^"]+)"', view.read(path).decode("utf-8", "replace"), re.MULTILINE)
        return path, found[1].removeprefix("1.") if found else ""
    library = next((f"/{key}" for key, _ in view.programs() if re.fullmatch("var/lang/lib/.*/libjava.so", key)), path)
    return _in_program(library)(view, promised)


_STATED: Mapping[str, Callable[[View, str], tuple[str, str]]] = {
    "python": _in_program("/var/lang/bin/python{}"),
    "nodejs": _in_program("/var/lang/bin/node"),
    "ruby": _in_folder("/var/lang/lib/ruby"),
    "java": _in_release,
    "dotnet": _in_folder("/var/lang/bin/shared/Microsoft.NETCore.App"),
}
"""Family -> where a version is stated, and which; of it, its beginning is what the runtime's name promises."""


def _search(view: View) -> Iterator[str]:
    """Where the loader of the image looks: LD_LIBRARY_PATH, ld.so.conf, and what is built in."""
    yield from (part for part in view.config.env.get("LD_LIBRARY_PATH", "").split(":") if part.startswith("/"))
    for key, entry in view.walk():
        if key.startswith("etc/ld.so.conf.d/") and entry.kind == "file":
            rows = view.part(entry, 0, 1 << 16).decode("utf-8", "replace").splitlines()
            yield from (row.strip() for row in rows if row.startswith("/"))
    yield from _DEFAULT_FOLDERS


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


def _beside(view: View, folder: str, name: str, program: Elf) -> bool:
    """Whether `name` is with its user in `folder`, or is what loads it: the JVM, in a folder below its libraries."""
    if view.resolve(f"{folder}/{name}"):
        return True
    return not program.interpreter and any(view.resolve(f"{folder}/{below}/{name}") for below in ("server", "client"))


def _executable(view: View, path: str) -> bool:
    key = view.resolve(path)
    entry = view.stat(key) if key is not None else None
    return entry is not None and entry.kind == "file" and entry.mode & 0o111 == 0o111


def _programs(view: View, subject: Subject) -> Iterator[tuple[str, Elf]]:
    """Key and headers of each ELF file but those that are foreign on purpose."""
    foreign = facts.matcher(facts.about(subject.image, facts.filesystem().foreign))
    return ((key, program) for key, program in view.programs() if not foreign(f"/{key}"))
