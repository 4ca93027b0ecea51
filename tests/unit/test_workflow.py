"""What continuous integration may skip: work whose result is there, never a test."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOW = Path(__file__).parents[2] / ".github" / "workflows" / "ci.yml"
TESTS = ".ci/run"
CACHED = ["dist", ".imagemill/layers"]


def violations(workflow: dict[Any, Any]) -> Iterator[str]:
    """How a change could get through without its tests, or with what they found of another one."""
    events = workflow[True]  # YAML 1.1 takes `on` for that
    if {"push", "pull_request"} - events.keys():
        yield "not every change has a run"
    if any(word in (event or {}) for event in events.values() for word in ("paths", "paths-ignore")):
        yield "some files start no run"
    [job] = workflow["jobs"].values()
    if {"if", "continue-on-error", "strategy"} & job.keys():
        yield "the job may not run, or not count"
    steps = job["steps"]
    tests = [step for step in steps if step.get("run") == TESTS]
    if len(tests) != 1 or tests[0].keys() != {"run"}:
        yield "the tests do not always run"
        return
    after = steps[steps.index(tests[0]) + 1 :]
    if any(step.get("continue-on-error") for step in steps):
        yield "a failure does not count"
    for step in steps:
        if "actions/cache" not in step.get("uses", ""):
            continue
        if step["with"]["path"].split() != CACHED:
            yield "more than images is cached"
        if "/restore@" not in step["uses"] and (step not in after or step.get("if") != "github.event_name == 'push'"):
            yield "what a pull request built, or nobody tested, is cached"
    kept = [step for step in after if "actions/upload-artifact@" in step.get("uses", "")]
    written = re.findall(r"dist/conformance\.\w+", (WORKFLOW.parents[2] / "Makefile").read_text(encoding="utf-8"))
    removing = next((n for n, step in enumerate(after) if "-delete" in step.get("run", "")), len(after))
    if [sorted(step["with"]["path"].split()) for step in kept] != [sorted(written)] or after.index(kept[0]) > removing:
        yield "the reports of conformance are not kept"
    elif kept[0].get("if") != "${{ !cancelled() }}":
        yield "the reports of what fails are not kept"
    if not any("build --verify" in step.get("run", "") for step in steps):
        yield "what was cached is not read"


def read() -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    return found


def test_no_test_is_skipped() -> None:
    assert list(violations(read())) == []


def step(workflow: dict[Any, Any], word: str) -> dict[str, Any]:
    """The step with this word in `run` or `uses`."""
    [job] = workflow["jobs"].values()
    found: dict[str, Any] = next(s for s in job["steps"] if word in s.get("run", "") + s.get("uses", ""))
    return found


SPOILED: dict[str, tuple[Callable[[dict[Any, Any]], object], str]] = {
    "paths": (lambda w: w[True].update(pull_request={"paths-ignore": ["docs/**"]}), "some files start no run"),
    "no pull requests": (lambda w: w[True].pop("pull_request"), "not every change has a run"),
    "a job on a condition": (lambda w: w["jobs"]["test"].update({"if": "false"}), "the job may not run, or not count"),
    "tests on a condition": (lambda w: step(w, TESTS).update({"if": "x"}), "the tests do not always run"),
    "no tests": (lambda w: step(w, TESTS).update(run="true"), "the tests do not always run"),
    "tests that do not count": (
        lambda w: step(w, "make setup").update({"continue-on-error": True}), "a failure does not count",
    ),
    "findings are cached": (
        lambda w: step(w, "cache/save")["with"].update(path=".imagemill"), "more than images is cached",
    ),
    "a pull request saves": (
        lambda w: step(w, "cache/save").pop("if"), "what a pull request built, or nobody tested, is cached",
    ),
    "no upload": (lambda w: step(w, "upload-artifact").update(uses="x"), "the reports of conformance are not kept"),
    "an upload of less": (
        lambda w: step(w, "upload-artifact")["with"].update(path="dist/conformance.html"),
        "the reports of conformance are not kept",
    ),
    "an upload of what passes": (
        lambda w: step(w, "upload-artifact").pop("if"), "the reports of what fails are not kept",
    ),
    "unread": (lambda w: step(w, "build --verify").update(run="true"), "what was cached is not read"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILED)
def test_what_could_skip_one_is_seen(name: str) -> None:
    spoil, expected = SPOILED[name]
    workflow = copy.deepcopy(read())
    spoil(workflow)
    assert expected in list(violations(workflow))
