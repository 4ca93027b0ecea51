"""Reports: one list of findings as text, JSON and JUnit, and the status that follows from it."""

from __future__ import annotations

import io
import json
import random
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from imagemill import report
from imagemill.conform import Finding
from imagemill.errors import LayoutError
from imagemill.report import STATUSES, Judged, Report

PASS = Finding("python3.13-debian", "linux/amd64", "files.devices", "pass", "none", "none", "a rule")
FAIL = Finding("python3.13-debian", "linux/amd64", "paths.contract", "fail", "/tmp: 1777", "0755", "fact x", "chmod it")
FAIL_TOO = Finding(
    "python3.13-debian", "linux/amd64", "paths.contract", "fail", "/opt: dir", "nothing", "fact y", "add"
)
SKIP = Finding("python3.13-debian", "linux/amd64", "running.example", "skip", "", "nothing runs it", "m", "have podman")
IMAGE = Judged("python3.13-debian", "linux/amd64", "sha256:" + "1" * 64)
OTHER = Judged("python3.13-debian", "linux/arm64", "sha256:" + "2" * 64)


def of(*findings: Finding, images: tuple[Judged, ...] = (IMAGE,)) -> Report:
    return Report(findings, images, "0.1.0")


EXIT_CODES = {
    "all pass": (of(PASS), 0),
    "one fails": (of(PASS, FAIL), 1),
    "skipped beside one that passes": (of(PASS, SKIP), 0),
    "no check ran": (of(), 1),
    "no image and no check": (of(images=()), 1),
    "all skipped": (of(SKIP), 1),
    "one of two images has no check": (of(PASS, images=(IMAGE, OTHER)), 1),
}


@pytest.mark.parametrize("case", EXIT_CODES)
def test_exit_code(case: str) -> None:
    found, code = EXIT_CODES[case]
    assert report.exit_code(found) == code


@pytest.mark.parametrize("case", EXIT_CODES)
def test_junit_fails_exactly_when_the_report_does(case: str) -> None:
    found, code = EXIT_CODES[case]
    suites = ElementTree.fromstring(report.to_junit(found)).findall("testsuite")  # noqa: S314 - our own text
    if suites and case != "all skipped":  # JUnit has no word for a suite that did nothing but skip
        assert sum(int(suite.attrib["failures"]) for suite in suites) > 0 or not code
        assert (sum(int(suite.attrib["failures"]) for suite in suites) > 0) == bool(code)


def test_text_names_failures_and_counts_the_rest() -> None:
    out = io.StringIO()
    report.text(of(PASS, FAIL, SKIP), Console(file=out, width=60))
    text = out.getvalue()
    for part in (
        "FAIL python3.13-debian linux/amd64 paths.contract",
        "/tmp: 1777",
        "fact x",
        "chmod it",
        "SKIP",
    ):
        assert part in text
    assert "files.devices" not in text
    assert "1 images, 3 findings: 1 fail, 1 skip, 0 info, 1 pass" in text
    assert "\x1b" not in text  # a file is no terminal


def test_text_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    report.print_table(of(SKIP))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "an image was not checked at all" in captured.err


def test_junit_has_a_suite_for_each_image_and_a_case_for_each_check() -> None:
    found = of(PASS, FAIL, FAIL_TOO, SKIP, images=(IMAGE, OTHER))
    root = ElementTree.fromstring(report.to_junit(found))  # noqa: S314 - our own text
    first, second = root.findall("testsuite")
    assert first.attrib == {
        "name": "python3.13-debian linux/amd64", "tests": "3", "failures": "1", "skipped": "1", "errors": "0",
    }  # fmt: skip
    cases = {case.attrib["name"]: case for case in first.findall("testcase")}
    assert list(cases) == ["files.devices", "paths.contract", "running.example"]
    failure = cases["paths.contract"].find("failure")
    assert failure is not None and "/tmp: 1777" in str(failure.text) and "/opt: dir" in str(failure.text)
    assert cases["running.example"].find("skipped") is not None
    assert second.attrib["failures"] == "1"


def test_json_is_the_same_for_the_same_findings_in_any_order(tmp_path: Path) -> None:
    rows = [PASS, FAIL, FAIL_TOO, SKIP]
    first = report.to_json(of(*rows))
    random.Random(1).shuffle(rows)  # noqa: S311 - an order, not a secret
    assert report.to_json(of(*rows)) == first
    data = json.loads(first)
    assert data["failed"] is True
    assert data["counts"] == {"pass": 1, "fail": 2, "skip": 1, "info": 0}
    assert data["images"][0]["digest"] == IMAGE.digest


_TEXT = st.text(max_size=12)
_FINDINGS = st.builds(Finding, _TEXT, _TEXT, _TEXT, st.sampled_from(STATUSES), _TEXT, _TEXT, _TEXT, _TEXT)


@given(st.lists(_FINDINGS, max_size=5), st.lists(st.builds(Judged, _TEXT, _TEXT, _TEXT), max_size=3))
def test_whatever_is_found_can_be_written_and_read(findings: list[Finding], images: list[Judged]) -> None:
    found = Report(tuple(sorted(findings)), tuple(sorted(images)), "0.1.0")
    ElementTree.fromstring(report.to_junit(found))  # noqa: S314 - our own text
    report.text(found, Console(file=io.StringIO()))
    data = json.loads(report.to_json(found))
    assert len(data["findings"]) == len(findings)


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    odd = Finding("a", "linux/amd64", "files.links", "fail", "a link", "/caf\udce9 -> \x1b[31m", "s", "r")
    found = Report(tuple(sorted([PASS, FAIL, odd])), (IMAGE,), "0.1.0")
    report.write_json(found, tmp_path / "new" / "report.json")
    assert report.read(tmp_path / "new" / "report.json") == found
    report.write_junit(found, tmp_path / "new" / "junit.xml")
    assert "\x1b" not in (tmp_path / "new" / "junit.xml").read_text()


GOOD = json.loads(report.to_json(of(PASS)))
DAMAGED = {
    "not there": (None, "there is no report"),
    "not JSON": ("{", "not JSON"),
    "a list": ("[]", "no report of format"),
    "another format": (json.dumps({**GOOD, "format": 2}), "no report of format"),
    "no findings": (json.dumps({k: v for k, v in GOOD.items() if k != "findings"}), "damaged"),
    "an unknown status": (
        json.dumps({**GOOD, "findings": [{**GOOD["findings"][0], "status": "ok"}]}),
        "damaged",
    ),
    "a field too many": (json.dumps({**GOOD, "findings": [{**GOOD["findings"][0], "x": "y"}]}), "damaged"),
    "a number": (json.dumps({**GOOD, "findings": [{**GOOD["findings"][0], "found": 1}]}), "damaged"),
    "findings are none": (json.dumps({**GOOD, "findings": None}), "damaged"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_report_is_refused(case: str, tmp_path: Path) -> None:
    text, message = DAMAGED[case]
    path = tmp_path / "report.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(LayoutError, match=message) as error:
        report.read(path)
    assert error.value.remedy
