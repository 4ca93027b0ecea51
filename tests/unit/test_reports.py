"""Reports: one summary as table, JSON, JUnit XML, Markdown and HTML, and the status that follows from it."""

from __future__ import annotations

import html.parser
import json
import random
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from imagemill import reports
from imagemill.conform import Finding
from imagemill.errors import LayoutError
from imagemill.reports import Behaviour, Judged, Report, behaviours, table
from imagemill.reports.summary import STATUSES, VARYING

PASS = Finding("python3.13-debian", "linux/amd64", "files.devices", "pass", "none", "none", "a rule")
FAIL = Finding("python3.13-debian", "linux/amd64", "paths.contract", "fail", "/tmp: 1777", "0755", "fact x", "chmod it")
FAIL_TOO = Finding(
    "python3.13-debian", "linux/amd64", "paths.contract", "fail", "/opt: dir", "nothing", "fact y", "add"
)
SKIP = Finding("python3.13-debian", "linux/amd64", "running.example", "skip", "", "nothing runs it", "m", "have podman")
IMAGE = Judged("python3.13-debian", "linux/amd64", "sha256:" + "1" * 64, 40_000_000, 3)
OTHER = Judged("python3.13-debian", "linux/arm64", "sha256:" + "2" * 64, 20_000_000, 3)


def behaved(case: str, status: Any, reason: str = "", runtime: str = "python3.13") -> Behaviour:
    return Behaviour(runtime, f"{runtime}-debian", "linux/amd64", IMAGE.digest, case, status, reason)


BEHAVED = (
    behaved("success", "pass"),
    behaved("success", "pass", runtime="nodejs24.x"),
    behaved("layers", "inapplicable", "it has <none>", runtime="nodejs24.x"),
)
MISBEHAVED = (*BEHAVED, behaved("slow", "fail", "assert 1 == 2\nand a log"))


def of(*findings: Finding, images: tuple[Judged, ...] = (IMAGE,), behaviours: tuple[Behaviour, ...] = ()) -> Report:
    return Report(findings, images, "0.1.0", 1_700_000_000, "podman", behaviours)


EXIT_CODES = {
    "all pass": (of(PASS), 0),
    "one fails": (of(PASS, FAIL), 1),
    "skipped beside one that passes": (of(PASS, SKIP), 0),
    "no check ran": (of(), 1),
    "no image and no check": (of(images=()), 1),
    "all skipped": (of(SKIP), 1),
    "one of two images has no check": (of(PASS, images=(IMAGE, OTHER)), 1),
    "functions behave": (of(PASS, behaviours=BEHAVED), 0),
    "a function misbehaves": (of(PASS, behaviours=MISBEHAVED), 1),
}


@pytest.mark.parametrize("case", EXIT_CODES)
def test_exit_code(case: str) -> None:
    found, code = EXIT_CODES[case]
    assert reports.exit_code(found) == code


@pytest.mark.parametrize("case", EXIT_CODES)
def test_junit_fails_exactly_when_the_report_does(case: str) -> None:
    found, code = EXIT_CODES[case]
    suites = ElementTree.fromstring(reports.to_junit(found)).findall("testsuite")  # noqa: S314 - our own text
    if suites and case != "all skipped":  # JUnit has no word for a suite that did nothing but skip
        assert sum(int(suite.attrib["failures"]) for suite in suites) > 0 or not code
        assert (sum(int(suite.attrib["failures"]) for suite in suites) > 0) == bool(code)


def test_text_names_failures_and_counts_the_rest() -> None:
    text = reports.to_text(of(PASS, FAIL, SKIP))
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
    assert any("\x1b[31m" in line for line in table.to_lines(of(FAIL)))


def test_text_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    reports.print_table(of(SKIP))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "an image was not checked at all" in captured.err


def test_junit_has_a_suite_for_each_image_and_a_case_for_each_check() -> None:
    found = of(PASS, FAIL, FAIL_TOO, SKIP, images=(IMAGE, OTHER))
    root = ElementTree.fromstring(reports.to_junit(found))  # noqa: S314 - our own text
    first, second = root.findall("testsuite")
    assert first.attrib == {
        "name": "python3.13-debian linux/amd64", "tests": "3", "failures": "1", "skipped": "1", "errors": "0",
        "timestamp": "2023-11-14T22:13:20",
    }  # fmt: skip
    cases = {case.attrib["name"]: case for case in first.findall("testcase")}
    assert list(cases) == ["files.devices", "paths.contract", "running.example"]
    failure = cases["paths.contract"].find("failure")
    assert failure is not None and "/tmp: 1777" in str(failure.text) and "/opt: dir" in str(failure.text)
    assert cases["running.example"].find("skipped") is not None
    assert second.attrib["failures"] == "1"


def test_json_is_the_same_for_the_same_findings_in_any_order(tmp_path: Path) -> None:
    rows = [PASS, FAIL, FAIL_TOO, SKIP]
    first = reports.to_json(of(*rows))
    random.Random(1).shuffle(rows)  # noqa: S311 - an order, not a secret
    assert reports.to_json(of(*rows)) == first
    data = json.loads(first)
    assert data["failed"] is True
    assert data["counts"] == {"pass": 1, "fail": 2, "skip": 1, "info": 0}
    assert data["images"][0]["digest"] == IMAGE.digest


_TEXT = st.text(max_size=12)
_FINDINGS = st.builds(Finding, _TEXT, _TEXT, _TEXT, st.sampled_from(STATUSES), _TEXT, _TEXT, _TEXT, _TEXT)


@given(st.lists(_FINDINGS, max_size=5), st.lists(st.builds(Judged, _TEXT, _TEXT, _TEXT), max_size=3))
def test_whatever_is_found_can_be_written_and_read(findings: list[Finding], images: list[Judged]) -> None:
    found = of(*sorted(findings), images=tuple(sorted(images)))
    reports.to_markdown(found)
    reports.to_html(found)
    ElementTree.fromstring(reports.to_junit(found))  # noqa: S314 - our own text
    assert re.sub(r"\x1b\[\d+m", "", "".join(table.to_lines(found))).translate({9: None, 10: None}).isprintable()
    data = json.loads(reports.to_json(found))
    assert len(data["findings"]) == len(findings)


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    odd = Finding("a", "linux/amd64", "files.links", "fail", "a link", "/caf\udce9 -> \x1b[31m", "s", "r")
    found = of(*sorted([PASS, FAIL, odd]), behaviours=tuple(sorted(MISBEHAVED)))
    reports.write(found, "json", tmp_path / "new" / "report.json")
    assert reports.read(tmp_path / "new" / "report.json") == found
    reports.write(found, "junit", tmp_path / "new" / "junit.xml")
    assert "\x1b" not in (tmp_path / "new" / "junit.xml").read_text()


GOOD = json.loads(reports.to_json(of(PASS)))
DAMAGED = {
    "not there": (None, "there is no report"),
    "not JSON": ("{", "not JSON"),
    "a list": ("[]", "no report of format"),
    "another format": (json.dumps({**GOOD, "format": 1}), "no report of format"),
    "no findings": (json.dumps({k: v for k, v in GOOD.items() if k != "findings"}), "damaged"),
    "an unknown status": (
        json.dumps({**GOOD, "findings": [{**GOOD["findings"][0], "status": "ok"}]}),
        "damaged",
    ),
    "a field too many": (json.dumps({**GOOD, "findings": [{**GOOD["findings"][0], "x": "y"}]}), "damaged"),
    "a number": (json.dumps({**GOOD, "findings": [{**GOOD["findings"][0], "found": 1}]}), "damaged"),
    "no date": (json.dumps({**GOOD, "time": "yesterday"}), "damaged"),
    "findings are none": (json.dumps({**GOOD, "findings": None}), "damaged"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_report_is_refused(case: str, tmp_path: Path) -> None:
    text, message = DAMAGED[case]
    path = tmp_path / "report.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(LayoutError, match=message) as error:
        reports.read(path)
    assert error.value.remedy


SCHEMA = json.loads((Path(reports.__file__).parent / "report.schema.json").read_text())
SAMPLES = {
    "nothing": of(images=()),
    "all": of(PASS, FAIL, FAIL_TOO, SKIP, images=(IMAGE, OTHER), behaviours=MISBEHAVED),
}


@pytest.mark.parametrize("case", SAMPLES)
def test_json_is_what_the_schema_says(case: str) -> None:
    jsonschema.validate(json.loads(reports.to_json(SAMPLES[case])), SCHEMA)


def test_the_schema_refuses_what_it_does_not_know() -> None:
    data = json.loads(reports.to_json(SAMPLES["all"]))
    for wrong in ({**data, "more": 1}, {**data, "format": 3}, {**data, "findings": [{**data["findings"][0], "x": 1}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)


def test_only_what_is_declared_varies() -> None:
    one = of(PASS, images=(IMAGE,))
    other = Report((PASS,), (replace(IMAGE, cached=True),), "0.1.0", 1_800_000_000, "podman")
    documents = [json.loads(reports.to_json(each)) for each in (one, other)]
    for document in documents:
        del document["time"], document["images"][0]["cached"]
    assert documents[0] == documents[1]
    assert VARYING == ("time", "images[].cached")


# What junit-10.xsd of Jenkins' xUnit plugin lets an element have: attributes, those it must have, and children.
JUNIT: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "disabled", "errors"}, set(), {"testsuite"}),
    "testsuite": (
        {
            "name",
            "tests",
            "failures",
            "errors",
            "time",
            "disabled",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
        },
        {"name", "tests"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, {"name", "value"}, set()),
    "testcase": (
        {"name", "assertions", "time", "classname", "status"},
        {"name"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": ({"type", "message"}, set(), set()),
    "skipped": ({"type", "message"}, set(), set()),
}


def junit_mistakes(element: ElementTree.Element) -> list[str]:
    """What the schema has against an element and those in it."""
    if element.tag not in JUNIT:
        return [f"{element.tag}: unknown"]
    allowed, required, children = JUNIT[element.tag]
    found = [f"{element.tag}: attribute {name}" for name in element.attrib.keys() - allowed]
    found += [f"{element.tag}: without {name}" for name in required - element.attrib.keys()]
    found += [f"{element.tag}: with {child.tag}" for child in element if child.tag not in children]
    return found + [mistake for child in element for mistake in junit_mistakes(child)]


@pytest.mark.parametrize("case", SAMPLES)
def test_junit_is_what_its_schema_says(case: str) -> None:
    root = ElementTree.fromstring(reports.to_junit(SAMPLES[case]))  # noqa: S314 - our own text
    assert junit_mistakes(root) == []
    for suite in root:
        cases = suite.findall("testcase")
        assert len(cases) == int(suite.attrib["tests"])
        assert len({case.attrib["name"] for case in cases}) == len(cases)


def test_a_mistake_in_junit_is_seen() -> None:
    wrong = ElementTree.fromstring('<testsuites><testsuite tests="1"><testcase x="1"/></testsuite></testsuites>')  # noqa: S314
    assert junit_mistakes(wrong) == ["testsuite: without name", "testcase: attribute x", "testcase: without name"]


def test_junit_has_a_suite_for_each_runtime_that_was_tried() -> None:
    root = ElementTree.fromstring(reports.to_junit(of(PASS, behaviours=MISBEHAVED)))  # noqa: S314 - our own text
    suites = {suite.attrib["name"]: suite for suite in root}
    assert list(suites)[1:] == ["behaviours nodejs24.x linux/amd64", "behaviours python3.13 linux/amd64"]
    [failure] = suites["behaviours python3.13 linux/amd64"].findall("testcase/failure")
    assert failure.attrib["message"] == "assert 1 == 2"
    [skip] = suites["behaviours nodejs24.x linux/amd64"].findall("testcase/skipped")
    assert skip.attrib["message"] == "it has <none>"


def test_the_table_shows_behaviours_and_what_is_cached() -> None:
    found = of(PASS, images=(replace(IMAGE, cached=True),), behaviours=MISBEHAVED)
    lines = reports.to_text(found).splitlines()
    assert lines[1].split() == ["python3.13-debian", "linux/amd64", "0", "0", "0", "1", "cached"]
    assert lines[2].split() == ["runtime", "platform", "a", "b", "c"]
    assert lines[3].split() == ["nodejs24.x", "linux/amd64", "–", "✓"]
    assert lines[5] == "a layers, b slow, c success"
    assert "FAIL python3.13 linux/amd64 slow" in lines
    assert "– layers (nodejs24.x): it has <none>" in lines
    assert "an image was not checked" not in reports.to_text(found)


def test_markdown_says_what_fails_and_is_not_broken_by_what_is_found() -> None:
    odd = replace(FAIL, found="a|b\n<script>`x`")
    text = reports.to_markdown(of(PASS, odd, SKIP, behaviours=MISBEHAVED))
    assert text.startswith("## Conformance: FAILED\n")
    [row] = [line for line in text.splitlines() if "paths.contract" in line]
    assert "a\\|b \\<script\\>\\`x\\`" in row
    assert re.sub(r"\\.", "", row).count("|") == 7
    assert "- ✗ python3.13 linux/amd64 slow: assert 1 == 2 and a log" in text
    assert "<details><summary>1 skipped</summary>" in text
    assert reports.to_markdown(of(PASS)).startswith("## Conformance: passed\n")


def test_markdown_of_very_many_failures_is_short() -> None:
    text = reports.to_markdown(of(*(replace(FAIL, found=str(n)) for n in range(5000))))
    assert "and 4800 more" in text
    assert len(text) < 100_000


class _Page(html.parser.HTMLParser):
    """What a page refers to, its ids, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.hidden: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id":
                self.ids.append(value or "")
            elif name in ("href", "src", "action", "srcset"):
                self.links.append(value or "")
            elif name == "hidden":
                self.hidden.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_but_itself() -> None:
    text = reports.to_html(SAMPLES["all"])
    page = _Page(text)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert len(page.ids) == len(set(page.ids))
    assert not re.search(r"url\(|@import|https?://", text)
    assert page.hidden == ["form"], "only what needs JavaScript waits for it"
    for finding in (PASS, FAIL, FAIL_TOO, SKIP):
        for part in (finding.check, finding.expected, finding.found, finding.source, finding.remedy):
            assert part in page.text
    assert IMAGE.digest in page.text and OTHER.digest in page.text and "2023-11-14T22:13:20Z" in page.text


def test_the_page_shows_what_is_found_and_runs_none_of_it() -> None:
    odd = replace(FAIL, found="</script><script>alert(1)</script>\x1b", check='a"b.<i>')
    text = reports.to_html(of(odd, behaviours=(behaved("<b>", "fail", "<script>"),)))
    assert text.count("<script") == 1
    assert "\x1b" not in text and "&lt;/script&gt;" in text


def test_the_chart_is_drawn_to_the_largest_image() -> None:
    text = reports.to_html(of(PASS, images=(IMAGE, OTHER)))
    assert re.findall(r"width:([\d.]+)%", text) == ["100.0", "50.0"]


PAIRS = [
    ("text", "page"),
    ("text", "panel"),
    ("quiet", "page"),
    ("quiet", "panel"),
    ("link", "page"),
    ("text", "fail-back"),
]
PAIRS += [(status, f"{status}-back") for status in STATUSES]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_stand_out(scheme: str) -> None:
    """At least 4.5 to 1, as WCAG 2.2 wants it (criterion 1.4.3); axe leaves out texts of one sign."""
    style = (Path(reports.__file__).parent / "page.css").read_text()
    light, dark = style.split("prefers-color-scheme: dark", 1)
    colours = dict(re.findall(r"--([\w-]+): (#\w+);", light if scheme == "light" else dark))
    low = {(one, other): contrast(colours[one], colours[other]) for one, other in PAIRS}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}


def contrast(one: str, other: str) -> float:
    """The contrast of two colours (WCAG 2.2, "contrast ratio")."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_known() -> None:
    assert round(contrast("#fff", "#000000"), 2) == 21
    assert contrast("#777777", "#ffffff") < 4.5


def test_reports_of_shares_become_one() -> None:
    first = of(PASS, images=(IMAGE,), behaviours=BEHAVED)
    second = replace(of(replace(PASS, platform="linux/arm64"), images=(OTHER,)), time=1_800_000_000, engine="")
    whole = reports.joined([first, second])
    assert whole.images == (IMAGE, OTHER)
    assert len(whole.findings) == 2
    assert (whole.time, whole.engine, whole.version) == (1_800_000_000, "podman", "0.1.0")
    again = reports.joined([whole, of(FAIL, images=(IMAGE,))])
    assert [finding.status for finding in again.findings] == ["fail", "pass"], "the last one counts"
    assert not whole.failed and again.failed


def test_behaviours_are_kept_by_image(tmp_path: Path) -> None:
    path = tmp_path / "dist" / "behaviours.json"
    assert behaviours.read(path) == ()
    behaviours.write(path, MISBEHAVED)
    behaviours.write(path, [behaved("slow", "pass")])
    assert [(row.case, row.status) for row in behaviours.read(path) if row.runtime == "python3.13"] == [
        ("slow", "pass"),
        ("success", "pass"),
    ]
    new = replace(behaved("success", "pass"), digest=OTHER.digest)
    behaviours.write(path, [new])
    assert [row for row in behaviours.read(path) if row.runtime == "python3.13"] == [new], "older bytes are forgotten"
    assert behaviours.about(behaviours.read(path), [OTHER]) == (new,)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2, "behaviours": []}', '{"format": 1, "behaviours": [{}]}'])
def test_damaged_behaviours_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(LayoutError):
        behaviours.read(tmp_path / "x")
