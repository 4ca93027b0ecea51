"""Checks on the places of Lambda's contract: they exist, as what they should be, with mode and owner."""

from __future__ import annotations

from collections.abc import Iterator

from imagemill.conform import facts
from imagemill.conform.facts import PathFact
from imagemill.conform.finding import Finding, Problem, Subject, verdict
from imagemill.conform.view import View
from imagemill.filetree import Entry
from imagemill.manifest import Directory, Layer

_EXECUTABLE = 0o111


def contract(view: View, subject: Subject) -> Iterator[Finding]:
    """The paths of the facts: /var/task, /tmp, the init, the bootstrap, and what must not be there."""
    concerned = facts.about(subject.image, facts.filesystem().paths)
    problems = [problem for fact in concerned for problem in _against_fact(view, fact)]
    return verdict(
        subject,
        "paths.contract",
        problems,
        expected=f"{len(concerned)} paths",
        found="all of them as they should be",
        source=", ".join(fact.id for fact in concerned),
    )


def planned(view: View, subject: Subject) -> Iterator[Finding]:
    """The directories, links and files that the manifests list for the image's layers."""
    problems: list[Problem] = []
    count = 0
    for source, layer in _layers(subject):
        count += len(layer.directories) + len(layer.links) + len(layer.files)
        for path, directory in layer.directories.items():
            problems += _against_directory(view, path, directory, f"{source}.directories.{path}")
        for path, target in layer.links.items():
            entry = view.stat(path)
            found = "nothing" if entry is None else entry.target if entry.kind == "symlink" else entry.kind
            if found != target:
                problems.append(
                    Problem(
                        f"{path} -> {target}",
                        f"{path}: {found}",
                        f"{source}.links.{path}",
                        "build the layer again",
                    )
                )
        for path in layer.files:
            if view.resolve(path) is None:
                problems.append(Problem(path, "nothing", f"{source}.files.{path}", "build the layer again"))
    return verdict(
        subject,
        "paths.planned",
        problems,
        expected=f"{count} paths",
        found="all of them as planned",
        source=f"{subject.base_file}: system; {subject.runtime_file}: bases.{subject.image.base.kind}",
    )


def _layers(subject: Subject) -> Iterator[tuple[str, Layer]]:
    image = subject.image
    offer = f"{subject.runtime_file}: bases.{image.base.kind}"
    yield f"{subject.base_file}: system", image.base.system
    yield f"{offer}.language", image.offer.language
    if image.variant == "build":
        yield f"{subject.base_file}: toolchain", image.base.toolchain
        yield f"{offer}.build", image.offer.build


def _against_fact(view: View, fact: PathFact) -> Iterator[Problem]:
    key = view.resolve(fact.path)
    entry = view.stat(key) if key is not None else None
    if fact.kind == "absent":
        if view.stat(fact.path) is not None:
            yield Problem(f"nothing at {fact.path}", f"{fact.path} is there", fact.source, "leave it out of the image")
        return
    found = "nothing" if entry is None else entry.kind
    if entry is None or entry.kind != ("dir" if fact.kind == "dir" else "file"):
        yield Problem(f"{fact.path}: {fact.kind}", f"{fact.path}: {found}", fact.source, f"have {fact.path} in a layer")
        return
    if fact.kind == "executable" and entry.mode & _EXECUTABLE != _EXECUTABLE:
        yield Problem(f"{fact.path} executable for all", _mode(entry), fact.source, f"chmod 0755 {fact.path}")
    if fact.mode is not None and entry.mode != int(fact.mode, 8):
        yield Problem(f"{fact.path}: mode {fact.mode}", _mode(entry), fact.source, f"chmod {fact.mode} {fact.path}")
    if fact.owner is not None and _owner(entry) != fact.owner:
        yield Problem(f"{fact.path}: owner {fact.owner}", _owner(entry), fact.source, f"chown {fact.owner} {fact.path}")


def _against_directory(view: View, path: str, planned: Directory, source: str) -> Iterator[Problem]:
    entry = view.stat(path)
    if entry is None or entry.kind != "dir":
        found = "nothing" if entry is None else entry.kind
        if path in {fact.path for fact in facts.filesystem().paths}:
            return  # `contract` says so
        yield Problem(f"{path}: dir", f"{path}: {found}", source, "build the layer again")
    elif entry.mode != int(planned.mode, 8) or _owner(entry) != planned.owner:
        yield Problem(
            f"{path}: mode {planned.mode}, owner {planned.owner}",
            f"{path}: mode {_mode(entry)}, owner {_owner(entry)}",
            source,
            "build the layer again, or correct the manifest",
        )


def _mode(entry: Entry) -> str:
    return f"{entry.mode:04o}"


def _owner(entry: Entry) -> str:
    return f"{entry.uid}:{entry.gid}"
