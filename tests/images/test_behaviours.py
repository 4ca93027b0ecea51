"""One table of behaviours for all languages: every runtime with every case that applies, and the reason otherwise.

What is called stands in functions/<family>/cases.yaml, with the texts of the real runtimes; see functions/README.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from stage import DURATION, IMAGES, Behaved, Loaded

from imagemill.engine import containers
from imagemill.plan import Image

pytestmark = pytest.mark.engine

FUNCTIONS = Path(__file__).parent / "functions"
EVENTS: Mapping[str, Any] = {
    "success": {"a": [1, "é", None]},
    "unhandled": {},
    "leave": {"leave": True},
    "slow": {"seconds": 30},
    "context": {},
    "large": {"bytes": 5_900_000},
    "unicode": "ß",
    "remaining": {"seconds": 0.2},
    "nested": {"a": 1},
    "huge_event": {"text": "ü" * 3_000_000},
}
ERRORS = {
    *("error", "unhandled", "leave", "slow", "init_error"),
    *("missing_handler", "missing_module", "malformed_handler", "syntax_error"),
}
PIPED = "huge_event"  # longer than an argument can be
STREAMED = "streaming"  # is tried in test_init.py, with a client that reads streams


@dataclass(frozen=True)
class Family:
    """How the runtimes of a language are called."""

    name: str
    table: Mapping[str, Any]

    @property
    def mounts(self) -> list[containers.Mount]:
        """The function, and its layers where it has some."""
        folder = FUNCTIONS / self.name
        found = [containers.Mount(folder / self.table.get("task", ""), "/var/task")]
        if "layers" in self.table:
            found.append(containers.Mount(folder / self.table["layers"], "/opt"))
        return found

    def reason(self, runtime: str, case: str) -> str:
        """Why a case does not apply; empty when it does."""
        return str(
            self.table.get("except", {}).get(runtime, {}).get(case) or self.table.get("inapplicable", {}).get(case, "")
        )

    def expected(self, runtime: str, case: str) -> Mapping[str, str]:
        """The error that a case gives."""
        special = self.table.get("expected_of", {}).get(runtime, {})
        return dict(special.get(case) or self.table.get("expected", {}).get(case, {}))


FAMILIES = {
    path.parent.name: Family(path.parent.name, yaml.safe_load(path.read_text(encoding="utf-8")))
    for path in sorted(FUNCTIONS.glob("*/cases.yaml"))
}
RUN = [image for image in IMAGES if image.variant == "run" and image.runtime.family in FAMILIES]
MATRIX = [
    pytest.param(image, case, id=f"{image.runtime.name}-{case}")
    for image in RUN
    for case in FAMILIES[image.runtime.family].table["handlers"]
    if case != STREAMED and not FAMILIES[image.runtime.family].reason(image.runtime.name, case)
]


INAPPLICABLE = [
    pytest.param(image, case, reason, id=f"{image.runtime.name}-{case}")
    for image in RUN
    for family in [FAMILIES[image.runtime.family]]
    for case in {**family.table["handlers"], **family.table.get("inapplicable", {})}
    if (reason := family.reason(image.runtime.name, case))
]


@pytest.mark.parametrize(("image", "case"), MATRIX)
def test_behaviour(image: Image, case: str, runner: containers.Runner, loaded: Loaded, behaved: Behaved) -> None:
    name = loaded(image)
    try:
        _try(image, case, runner, name)
    except (Exception, pytest.fail.Exception) as error:
        behaved(image, case, "fail", str(error))
        raise
    behaved(image, case, "pass")


@pytest.mark.parametrize(("image", "case", "reason"), INAPPLICABLE)
def test_what_does_not_apply_is_noted(image: Image, case: str, reason: str, behaved: Behaved) -> None:
    behaved(image, case, "inapplicable", reason)


def _try(image: Image, case: str, runner: containers.Runner, name: str) -> None:
    family = FAMILIES[image.runtime.family]
    event = EVENTS.get(case, {})
    text = json.dumps(event, ensure_ascii=case != PIPED)
    handler, env = family.table["handlers"][case], {"AWS_LAMBDA_FUNCTION_TIMEOUT": "3" if case == "slow" else "20"}
    done = runner.run(
        name,
        args=[handler] if case == PIPED else [handler, text],
        stdin=text.encode() if case == PIPED else None,
        mounts=family.mounts,
        env={**env, "DOCKER_LAMBDA_USE_STDIN": "1"} if case == PIPED else env,
        network="none",
        timeout=DURATION,
    )
    if case == "bytes":
        assert (done.code, done.stdout.rstrip(b"\n")[-2:]) == (0, b"\xff\xfe"), f"{done.stdout!r} {done.stderr!r}"
        return
    last = done.stdout.splitlines()[-1] if done.stdout.strip() else b""
    said = f"{last[:500]!r}\n{done.stderr.decode(errors='replace')}"
    answer = json.loads(last)
    if case in ERRORS:
        expected = family.expected(image.runtime.name, case)
        assert done.code == 1, said
        assert {key: str(answer[key]) for key in expected} == expected or _holds(answer, expected), said
        if case == family.table.get("stack_in", "error"):
            assert any(word.lower().startswith("stack") or word == "trace" for word in answer), said
        return
    assert done.code == 0, said
    _check(case, event, answer, done, said)


def _holds(answer: Mapping[str, Any], expected: Mapping[str, str]) -> bool:
    """Whether the answer begins with what is expected: paths and request ids follow."""
    return all(expected[key] in str(answer.get(key)) for key in expected)


def _check(case: str, event: Any, answer: Any, done: containers.Completed, said: str) -> None:
    match case:
        case "success" | "nested":
            assert answer == event, said
        case "huge_event":
            assert answer == len(event["text"]), said
        case "es_module":
            assert answer == "modern.mjs", said
        case "top_level_await":
            assert answer == "waited", said
        case "context":
            assert answer["name"] == "test", said
            assert answer["version"] == "$LATEST", said
            assert int(answer["memory"]) == 1536, said
            assert len(answer["request_id"]) == 36, said
            assert answer["arn"] == "arn:aws:lambda:us-east-1:012345678912:function:test", said
            assert answer["log_group"] == "/aws/lambda/test", said
            assert 15_000 < answer["remaining"] <= 20_000, said
        case "environment":
            assert answer["LAMBDA_TASK_ROOT"] == "/var/task", said
            assert answer["AWS_LAMBDA_FUNCTION_NAME"] == "test", said
            assert not [name for name in answer if name.startswith("DOCKER_LAMBDA")], said
        case "layers":
            assert "layer" in str(answer), said
        case "large":
            assert answer == "x" * event["bytes"]
        case "unicode":
            assert answer == "äöü €𝄞" + event, said
        case "binary":
            assert answer == "printed", said
            assert b"\xff" in done.stderr + done.stdout, said
        case "remaining":
            first, second = answer
            assert 150 <= first - second <= 2_000, said
        case "log":
            assert done.stderr.count(b"noted") + done.stdout.count(b"noted") >= 2, said
        case _:
            pytest.fail(f"{case} is in no table")


@pytest.mark.parametrize("name", FAMILIES)
def test_every_case_has_a_handler_or_a_reason(name: str) -> None:
    table = FAMILIES[name].table
    cases = {
        *ERRORS,
        "success",
        "context",
        "environment",
        "layers",
        STREAMED,
        "large",
        "unicode",
        "binary",
        "remaining",
        "log",
        "nested",
        "bytes",
        "es_module",
        "top_level_await",
        PIPED,
    }
    assert cases <= {*table["handlers"], *table.get("inapplicable", {})}
