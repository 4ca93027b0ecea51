"""Conformance: how far an image is what it should be.

A check is a function of a View and a Subject that yields Findings; `CHECKS` is all of them. It sees nothing
but the view, so the same checks judge an OCI layout on disk and whatever else a view is made for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from imagemill.conform import (
    accepted,
    budgets,
    building,
    configuration,
    content,
    environment,
    files,
    inside,
    paths,
    programs,
    running,
    session,
    storage,
    system,
)
from imagemill.conform.finding import Finding, Subject, skipped
from imagemill.conform.view import Completed, Config, LayoutView, Runner, View, open_layout
from imagemill.spool import Layers

if TYPE_CHECKING:
    from imagemill.recorder import Real
    from imagemill.sbom.bill import Bill

Check = Callable[[View, Subject], Iterator[Finding]]

STATIC: tuple[Check, ...] = (
    environment.exact,
    environment.absent,
    environment.search_path,
    configuration.architecture,
    configuration.user,
    configuration.workdir,
    configuration.entrypoint,
    configuration.command,
    configuration.ports,
    configuration.labels,
    configuration.lock,
    storage.media_types,
    storage.layers,
    storage.limits,
    budgets.size,
    paths.contract,
    paths.planned,
    system.accounts,
    system.certificates,
    system.time_zones,
    system.locale,
    system.packages,
    system.locked,
    system.release,
    files.privileged,
    files.world_writable,
    files.links,
    files.devices,
    files.leftovers,
    files.times,
    content.secrets,
    content.bytecode,
    content.readable,
    content.owners,
    programs.machine,
    programs.interpreter,
    programs.libraries,
    programs.language,
    programs.tools,
)
"""Checks that read the image."""

DYNAMIC: tuple[Check, ...] = (
    running.commands,
    running.example,
    budgets.measured,
    building.tools,
    building.native,
    inside.answers,
    inside.hardened,
    inside.user,
    inside.environment,
    inside.process,
    inside.writable,
    inside.place,
    inside.measures,
)
"""Checks that run it; on a view that cannot, they say that they were skipped."""

CHECKS = STATIC + DYNAMIC

TELLING = frozenset({inside.measures})
"""Checks that no image fails: they tell what was measured."""

OURS = frozenset(
    {budgets.size, budgets.measured, configuration.labels, configuration.lock, paths.planned}
    | {system.locked, files.times}
)
"""Checks that only hold for images made from these manifests."""

__all__ = [
    "CHECKS",
    "DYNAMIC",
    "OURS",
    "STATIC",
    "TELLING",
    "Check",
    "Completed",
    "Config",
    "Finding",
    "Layers",
    "LayoutView",
    "Runner",
    "Subject",
    "View",
    "conform",
    "further",
    "judge",
    "name_of",
    "open_layout",
]


def name_of(check: Check) -> str:
    """What findings call a check: its module and its function."""
    return f"{check.__module__.rpartition('.')[2]}.{check.__name__}".replace("_", "-")


def conform(view: View, subject: Subject, checks: Sequence[Check] | None = None) -> list[Finding]:
    """Hold `view` against `subject`: the findings of these checks, in their order, accepted differences among them.

    Without `checks` it is all of them, and those against what was given for the image.
    """
    if checks is None:
        checks = [*CHECKS, *further(subject.against, subject.bills)]
    found: list[Finding] = []
    with (
        _run_ahead(view, subject) if view.can_run and set(DYNAMIC) <= set(checks) else nullcontext(lambda: None) as wait
    ):
        for check in checks:
            if check not in STATIC:
                wait()
            if subject.foreign and check in OURS:
                reason = "the image was not made from these manifests"
                found.append(skipped(subject, name_of(check), reason, source=check.__doc__ or ""))
            else:
                found += check(view, subject)
    return accepted.apply(found, subject)


@contextmanager
def _run_ahead(view: View, subject: Subject) -> Iterator[Callable[[], object]]:
    """Start the containers that checks ask about, side by side, since each takes a while; checks that read go on.

    After the call that the block is given the view has what they said, and none is run a second time. Where one could
    not be run, the check that asks about it tries again, and tells why. None outlives the block.
    """
    asks: tuple[Callable[[], object], ...] = (
        lambda: session.held(view, subject),
        lambda: session.held(view, subject, hardened=True),
        lambda: running.called(view, subject, "", ""),
    )

    def tried(ask: Callable[[], object]) -> None:
        with suppress(Exception):
            ask()

    threads = [Thread(target=tried, args=[ask]) for ask in asks]

    def wait() -> None:
        for thread in threads:
            thread.join()

    for thread in threads:
        thread.start()
    try:
        yield wait
    finally:
        wait()


def further(real: Real | None, bills: Sequence[Bill]) -> Iterator[Check]:
    """Checks against what was given for images: a real environment, bills of materials."""
    if real:
        from imagemill.conform import against

        yield against.record
    if bills:
        from imagemill.conform import sbom

        yield sbom.packages


def judge(layout: Path, subject: Subject, *, layers: Layers, runner: Runner | None = None) -> list[Finding]:
    """Judge the image for `subject.platform` in an OCI layout on disk.

    `layers` keeps what was read of layers for the images judged after this one; with a `runner` the image is
    run too. Raises LayoutError when the layout cannot be read.
    """
    return conform(open_layout(layout, subject.platform, layers, runner), subject)
