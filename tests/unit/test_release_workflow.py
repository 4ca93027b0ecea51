"""What the workflows of a release may do, in which order, and who gets to see a key."""

from __future__ import annotations

import copy
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}|\./\.github/workflows/[\w.-]+\.yml")
WRITES = {
    ("lock", "lock"): {"contents", "pull-requests", "actions"},
    ("release", "publish"): {"packages", "id-token"},
    ("release", "record"): {"contents", "pull-requests"},
}
"""Job -> what it may write; no other writes anything."""
ORDER = {
    ("images", "share"): ["shard", "judge", "pack"],
    ("images", "merge"): ["merge", "sboms", "pack"],
    ("release", "publish"): ["unpack", "release-keys", "publish", "verify", "keyless", "notes"],
}
"""Job -> the targets of make that it calls, in this order."""
AFTER = {("images", "merge"): "share", ("release", "publish"): "images", ("release", "record"): "publish"}

Workflows = dict[str, dict[Any, Any]]


def jobs(workflows: Workflows) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for name, workflow in workflows.items():
        for job, content in workflow["jobs"].items():
            yield (name, job), content


def targets(job: dict[str, Any]) -> list[str]:
    """What it has make do, apart from its setup."""
    runs = "\n".join(step.get("run", "") for step in job.get("steps", ()))
    return [name for name in re.findall(r"(?:^|[^\w-])make ([a-z-]+)", runs) if name != "setup"]


def violations(workflows: Workflows) -> Iterator[str]:
    """How something could be published that nobody judged, or a key be seen by who should not."""
    for name, workflow in workflows.items():
        if workflow.get("permissions") != {}:
            yield f"{name}: what no job asks for is allowed"
        if {"pull_request_target", "workflow_run"} & (workflow[True] or {}).keys():
            yield f"{name}: strangers start it with rights of its own"
    for (name, job), content in jobs(workflows):
        where = f"{name}/{job}"
        writes = {what for what, how in (content.get("permissions") or {"all": "write"}).items() if how == "write"}
        if writes - WRITES.get((name, job), set()):
            yield f"{where}: may write {', '.join(sorted(writes))}"
        steps = content.get("steps", [])
        for step in [content, *steps]:
            if "uses" in step and not PINNED.fullmatch(step["uses"].partition(" ")[0]):
                yield f"{where}: {step['uses']} is not pinned"
            if (
                "actions/checkout@" in step.get("uses", "")
                and step.get("with", {}).get("persist-credentials") is not False
            ):
                yield f"{where}: leaves its token in the checkout"
            if step.get("continue-on-error"):
                yield f"{where}: a failure does not count"
            if re.search(r"\$\{\{.*(inputs|github\.(event|head)|matrix|vars)\b", step.get("run", "")):
                yield f"{where}: words of others become commands"
        if "secrets." in str(content) and content.get("environment") != "release":
            yield f"{where}: has secrets without a maintainer's approval"
        found = [one for one in targets(content) if one in ORDER.get((name, job), ())]
        if found != ORDER.get((name, job), []):
            yield f"{where}: does {', '.join(found)}"
        needs = content.get("needs", [])
        if (name, job) in AFTER and AFTER[name, job] not in ([needs] if isinstance(needs, str) else needs):
            yield f"{where}: does not wait for {AFTER[name, job]}"
    yield from _publishing(workflows["release"]["jobs"]["publish"])
    share = workflows["images"]["jobs"]["share"]
    if "if" in share or any("if" in step for step in share["steps"] if "judge" in step.get("run", "")):
        yield "images/share: does not always judge"
    if not any(step.get("run", "").startswith("docker version") for step in share["steps"]):
        yield "images/share: may judge without running anything"


def _publishing(job: dict[str, Any]) -> Iterator[str]:
    if "github.ref == 'refs/heads/main'" not in job.get("if", "") or "!= 'pull_request'" not in job.get("if", ""):
        yield "release/publish: publishes what is not on main"
    steps = job["steps"]
    with_keys = [step for step in steps if "secrets." in str(step)]
    gone = next(
        (n for n, step in enumerate(steps) if "rm -rf" in step.get("run", "") and step.get("if") == "always()"), 0
    )
    if gone <= steps.index(with_keys[-1]):
        yield "release/publish: leaves keys behind"
    if any("uses" in step for step in with_keys):
        yield "release/publish: gives secrets to others' actions"
    if any("uses" in step for step in steps[steps.index(with_keys[0]) : gone]):
        yield "release/publish: others' actions run beside keys"


def read() -> Workflows:
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yml"))}


def test_nothing_unjudged_is_published_and_no_key_is_seen() -> None:
    found = read()
    assert {"ci", "images", "lock", "release"} <= found.keys()
    assert list(violations(found)) == []


def test_every_target_that_a_workflow_calls_is_one_of_make() -> None:
    known = subprocess.run(
        ["make", "-pnq", "-C", str(ROOT), "help"], capture_output=True, text=True, check=False
    ).stdout
    there = set(re.findall(r"^([a-z-]+):", known, re.MULTILINE))
    for where, job in jobs(read()):
        assert set(targets(job)) <= there, where


def test_every_step_of_a_release_is_rehearsed() -> None:
    text = (ROOT / "tests" / "trust" / "rehearsal.py").read_text(encoding="utf-8")
    rehearsed = set(re.findall(r'one\.make\(\s*"([a-z-]+)"', text)) | {"release-keys"}
    workflows = read()
    called = {name for (of, _), job in jobs(workflows) for name in targets(job) if of in ("images", "release")}
    assert called - rehearsed == {"keyless"}, "which needs an identity that only the forge gives"
    assert rehearsed <= called


def step(job: dict[str, Any], word: str) -> dict[str, Any]:
    found: dict[str, Any] = next(s for s in job["steps"] if word in s.get("run", "") + s.get("uses", ""))
    return found


def without(job: dict[str, Any], word: str) -> None:
    job["steps"].remove(step(job, word))


Spoil = Callable[[Workflows], object]
SPOILED: dict[str, tuple[Spoil, str]] = {
    "rights for all": (
        lambda w: w["release"].update(permissions="write-all"),
        "release: what no job asks for is allowed",
    ),
    "rights of a job": (
        lambda w: w["images"]["jobs"]["share"]["permissions"].update(packages="write"),
        "images/share: may write packages",
    ),
    "no word of rights": (lambda w: w["release"]["jobs"]["due"].pop("permissions"), "release/due: may write all"),
    "strangers": (
        lambda w: w["release"][True].update(pull_request_target=None),
        "release: strangers start it with rights of its own",
    ),
    "an action by its tag": (
        lambda w: step(w["release"]["jobs"]["publish"], "actions/checkout").update(uses="actions/checkout@v5"),
        "release/publish: actions/checkout@v5 is not pinned",
    ),
    "a token that stays": (
        lambda w: step(w["images"]["jobs"]["merge"], "actions/checkout").pop("with"),
        "images/merge: leaves its token in the checkout",
    ),
    "judgement that does not count": (
        lambda w: step(w["images"]["jobs"]["share"], "judge").update({"continue-on-error": True}),
        "images/share: a failure does not count",
    ),
    "judgement on a condition": (
        lambda w: step(w["images"]["jobs"]["share"], "judge").update({"if": "false"}),
        "images/share: does not always judge",
    ),
    "no engine": (
        lambda w: without(w["images"]["jobs"]["share"], "docker version"),
        "images/share: may judge without running anything",
    ),
    "no judgement": (lambda w: without(w["images"]["jobs"]["share"], "judge"), "images/share: does shard, pack"),
    "no verification": (
        lambda w: without(w["release"]["jobs"]["publish"], "make verify"),
        "release/publish: does unpack, release-keys, publish, keyless, notes",
    ),
    "no environment": (
        lambda w: w["release"]["jobs"]["publish"].pop("environment"),
        "release/publish: has secrets without a maintainer's approval",
    ),
    "a secret elsewhere": (
        lambda w: w["release"]["jobs"]["dry-run"]["env"].update(KEY="${{ secrets.RELEASE_KEYS }}"),
        "release/dry-run: has secrets without a maintainer's approval",
    ),
    "any branch": (
        lambda w: w["release"]["jobs"]["publish"].update({"if": "true"}),
        "release/publish: publishes what is not on main",
    ),
    "nothing awaited": (
        lambda w: w["release"]["jobs"]["publish"].update(needs=["due"]), "release/publish: does not wait for images",
    ),
    "keys that stay": (
        lambda w: without(w["release"]["jobs"]["publish"], "rm -rf"), "release/publish: leaves keys behind",
    ),
    "keys that stay after a failure": (
        lambda w: step(w["release"]["jobs"]["publish"], "rm -rf").pop("if"), "release/publish: leaves keys behind",
    ),
    "an action that gets a secret": (
        lambda w: step(w["release"]["jobs"]["publish"], "download").update(env={"X": "${{ secrets.RELEASE_KEYS }}"}),
        "release/publish: gives secrets to others' actions",
    ),
    "a command from outside": (
        lambda w: step(w["release"]["jobs"]["due"], "make unreleased").update(run="echo ${{ inputs.images }}"),
        "release/due: words of others become commands",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILED)
def test_what_could_go_wrong_is_seen(name: str) -> None:
    spoil, expected = SPOILED[name]
    workflows = copy.deepcopy(read())
    spoil(workflows)
    assert expected in list(violations(workflows))
