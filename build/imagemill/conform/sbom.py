"""An image against software bills of materials that were given for it: each package in both, in the same version."""

from __future__ import annotations

from collections.abc import Iterator

from imagemill.conform.finding import Finding, Problem, Subject, verdict
from imagemill.conform.view import View
from imagemill.sbom import packages as inside
from imagemill.sbom.bill import KINDS, Package, fitting, package

NAME = "sbom.packages"
_GIVEN = "the bills of materials that were given"
_REMEDY = "have the bill written anew from this image, or find out how the package came here"


def packages(view: View, subject: Subject) -> Iterator[Finding]:
    """The packages that are found in the image are those of the bill, and no others."""
    bill = fitting(subject.bills, view.manifest.digest)
    if bill is None:
        others = ", ".join(f"{bill.name}: {bill.digest}" for bill in subject.bills)
        remedy = "give the bill of this image too, or judge it on the platform alone that there is a bill for"
        problem = Problem(f"a bill of {view.manifest.digest}", others, _GIVEN, remedy)
        yield from verdict(subject, NAME, [problem], expected="a bill", found="", source=_GIVEN)
        return
    found = set(_packages(one.purl for one in inside.found(view)))
    # what leaves no trace in an image is there all the same, where the lock says so
    known = found | set(_packages(one.purl for one in subject.components))
    source = f"{bill.name} ({bill.digest or 'of whatever image'})"
    problems = [
        *(Problem(f"{one} in the bill", f"{one}: in the image only", source, _REMEDY) for one in found - bill.packages),
        *(Problem(f"{one} in the image", f"{one}: in the bill only", source, _REMEDY) for one in bill.packages - known),
    ]
    yield from verdict(
        subject,
        NAME,
        sorted(problems, key=lambda problem: problem.found),
        expected=f"{len(bill.packages)} packages",
        found="these, and no others",
        source=source,
    )


def _packages(purls: Iterator[str]) -> Iterator[Package]:
    return (one for purl in purls if (one := package(purl)) is not None and one.kind in KINDS)
