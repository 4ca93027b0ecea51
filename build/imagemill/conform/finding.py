"""What a check finds, and what it holds an image against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

if TYPE_CHECKING:
    from imagemill.plan import Image
    from imagemill.platforms import Platform
    from imagemill.recorder import Real
    from imagemill.sbom.bill import Bill
    from imagemill.sbom.inventory import Component

MOST = 50
"""Problems of one check that are told one by one."""

Status = Literal["pass", "fail", "skip", "info"]


class Finding(Struct, frozen=True, order=True):
    """One result of one check on one image.

    `source` is what the expectation rests on: a manifest's file and key, or a fact with where it was seen.
    A check that passes has one finding; one that fails has one for each thing that is wrong.
    """

    image: str
    platform: str
    check: str
    status: Status
    expected: str
    found: str
    source: str
    remedy: str = ""


class Subject(Struct, frozen=True):
    """What an image is held against: its plan, on one platform.

    `labels` are those that it must have, whatever others there are; `epoch` is the time (seconds since 1970)
    that no file may be younger than; `examples` is the directory that the manifests' examples are in. `packages`
    are the lock's, name to version; None where there is no lock to hold the image against. `now` is the time of
    the judgement, where it is not `epoch`. A `foreign` image was not made from these manifests: what only holds
    for those that were is not asked of it. `against` is a real environment that it is held against too. What
    runs it `emulated`, another processor, is slow in ways that say nothing of the image. `bills` of materials
    were given for it, and the lock says that `components` are in it which leave no trace there.
    """

    image: Image
    platform: Platform
    labels: Mapping[str, str] = field(default_factory=dict)
    epoch: int | None = None
    examples: Path | None = None
    packages: Mapping[str, str] | None = None
    now: int | None = None
    foreign: bool = False
    name: str = ""
    against: Real | None = None
    emulated: bool = False
    bills: Sequence[Bill] = ()
    components: Sequence[Component] = ()

    @property
    def called(self) -> str:
        """What findings call the image: the name that it was asked for by, or its full tag."""
        return self.name or self.image.name

    @property
    def base_file(self) -> str:
        """The manifest of the base, as findings name it."""
        return f"runtimes/bases/{self.image.base.name}.yaml"

    @property
    def runtime_file(self) -> str:
        """The manifest of the runtime, as findings name it."""
        return f"runtimes/{self.image.runtime.name}.yaml"


class Problem(Struct, frozen=True):
    """One thing that is wrong: what should be, what is, why it should, and what to do."""

    expected: str
    found: str
    source: str
    remedy: str


def verdict(
    subject: Subject, check: str, problems: Sequence[Problem], *, expected: str, found: str, source: str
) -> Iterator[Finding]:
    """A failing finding for each problem; without any, one that passes and says what was `found`.

    Of very many problems the first are told, and how many more there are.
    """
    name, platform = subject.called, str(subject.platform)
    for p in problems[:MOST]:
        yield Finding(name, platform, check, "fail", p.expected, p.found, p.source, p.remedy)
    if len(problems) > MOST:
        more = f"{len(problems) - MOST} more like the {MOST} above"
        yield Finding(name, platform, check, "fail", expected, more, source, problems[0].remedy)
    if not problems:
        yield Finding(name, platform, check, "pass", expected, found, source)


def skipped(subject: Subject, check: str, reason: str, *, source: str, remedy: str = "") -> Finding:
    """The finding of a check that could not be held, and why."""
    return Finding(subject.called, str(subject.platform), check, "skip", "", reason, source, remedy)


def inapplicable(subject: Subject, check: str, reason: str, *, source: str) -> Finding:
    """The finding of a check that has nothing to hold in an image of this kind, and why."""
    return Finding(subject.called, str(subject.platform), check, "pass", "nothing of the kind", reason, source)
