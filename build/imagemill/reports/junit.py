"""A report as JUnit XML: a test suite for each image and platform, a test case for each check.

Source of the elements and attributes: the schema that Jenkins publishes for its xUnit plugin (junit-10.xsd).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from imagemill.conform.finding import Finding
from imagemill.reports.summary import Behaviour, Judged, Report, by_check, by_image, details, printable


def to_junit(report: Report) -> str:
    """The report as JUnit XML."""
    root = Element("testsuites", name="imagemill conform")
    for judged, found in by_image(report):
        _judged(SubElement(root, "testsuite"), report, judged, found)
    ran: dict[tuple[str, str], list[Behaviour]] = {}
    for behaviour in sorted(report.behaviours):
        ran.setdefault((behaviour.runtime, behaviour.platform), []).append(behaviour)
    for (runtime, platform), behaviours in ran.items():
        _behaved(SubElement(root, "testsuite"), f"behaviours {runtime} {platform}", behaviours)
    totals = ("tests", "failures", "skipped", "errors")
    for total in totals[:2]:  # these the schema knows of the whole
        root.set(total, str(sum(int(suite.attrib[total]) for suite in root)))
    indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _judged(suite: Element, report: Report, judged: Judged, found: Sequence[Finding]) -> None:
    name = f"{judged.image} {judged.platform}"
    about = {"digest": judged.digest, "imagemill": report.version, "engine": report.engine}
    _properties(suite, {key: value for key, value in about.items() if value})
    for check, findings in by_check(found).items():
        failing = sorted(f for f in findings if f.status == "fail")
        skipping = sorted(f for f in findings if f.status == "skip")
        case = _case(suite, name, check)
        if failing:
            body = "\n\n".join("\n".join(f"{k}: {v}" for k, v in details(f)) for f in failing)
            _failure(case, failing[0].found, body)
        elif skipping:
            SubElement(case, "skipped", message=_attribute(skipping[0].found))
    if not found:  # an image without checks must not look like one that passes
        _failure(_case(suite, name, "checked"), "no check ran", "")
    _head(suite, name, report.date)


def _behaved(suite: Element, name: str, behaviours: Sequence[Behaviour]) -> None:
    _properties(suite, {"digest": behaviours[0].digest})
    for behaviour in behaviours:
        case = _case(suite, name, behaviour.case)
        if behaviour.status == "fail":
            _failure(case, behaviour.reason.partition("\n")[0], behaviour.reason)
        elif behaviour.status == "inapplicable":
            SubElement(case, "skipped", message=_attribute(behaviour.reason))
    _head(suite, name, "")


def _head(suite: Element, name: str, time: str) -> None:
    suite.set("name", _attribute(name))
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    suite.set("errors", "0")
    if time:
        suite.set("timestamp", time.removesuffix("Z"))  # xs:dateTime of JUnit's own schema has no zone


def _properties(suite: Element, values: Mapping[str, str]) -> None:
    properties = SubElement(suite, "properties")
    for key, value in values.items():
        SubElement(properties, "property", name=key, value=_attribute(value))


def _case(suite: Element, suite_name: str, name: str) -> Element:
    return SubElement(suite, "testcase", classname=_attribute(suite_name), name=_attribute(name))


def _failure(case: Element, message: str, body: str) -> None:
    SubElement(case, "failure", message=_attribute(message), type="conformance").text = printable(body) or None


def _attribute(value: str) -> str:
    return printable(value).replace("\n", " ")
