"""Budgets: exact for sizes, patient with times, and no part of what an image is made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conform_images import IMAGES, ROOT, FakeRunner, good_config, good_tree, rewrite, subject, write_layout
from msgspec import structs

from imagemill import lock
from imagemill.conform import Completed, Finding, Layers, Subject, budgets, open_layout
from imagemill.conform.budgets import NOISE
from imagemill.manifest import Budgets
from imagemill.render import Renderer


def having(about: Subject, budget: Budgets | None) -> Subject:
    """The same image, with other budgets."""
    runtime = structs.replace(about.image.runtime, budgets=budget)
    return structs.replace(about, image=structs.replace(about.image, runtime=runtime))


def measured(folder: Path, about: Subject, *, init: float = 9, call: float = 1, memory: int = 40) -> Finding:
    """What is found of an image whose example took this."""
    runner = FakeRunner(about)
    runner.logs = (
        "REPORT RequestId: 1\t"
        f"Init Duration: {init:.2f} ms\tDuration: {call:.2f} ms\tBilled Duration: 1 ms\tMax Memory Used: {memory} MB\n"
    )
    layout = write_layout(folder, good_config(about.image, about.platform), [good_tree(about.image, about.platform)])
    with Layers(folder / "scratch") as layers:
        [found] = budgets.measured(open_layout(layout, about.platform, layers, runner), about)
    return found


GIVEN = Budgets(size_mb=45, init_ms=100, call_ms=10, memory_mb=30)
CASES: Mapping[str, tuple[dict[str, float], str, str]] = {
    "within all": ({}, "info", ""),
    "as long as the budget": ({"init": 100, "call": 10, "memory": 30}, "info", ""),
    "a busy machine": ({"init": 1000, "call": 100, "memory": 60}, "info", "noise may explain: init, call, memory"),
    "a start that no noise explains": ({"init": 1001}, "fail", "init 1000"),
    "a call that no noise explains": ({"call": 100.01}, "fail", "call 100"),
    "memory that no noise explains": ({"memory": 61}, "fail", "memory 60"),
}


@pytest.mark.parametrize("case", CASES)
def test_times_fail_only_beyond_all_noise(case: str, tmp_path: Path) -> None:
    took, status, said = CASES[case]
    found = measured(tmp_path, having(subject(), GIVEN), **took)  # type: ignore[arg-type]
    assert found.status == status
    if status == "fail":
        assert said.partition(" ")[0] in found.expected and "budgets." in found.source
    else:
        assert said in found.remedy
        assert found.expected == "about init 100 ms, call 10 ms, memory 30 MB"


def test_the_best_of_three_tries_counts(tmp_path: Path) -> None:
    about = having(subject(), GIVEN)
    runner = FakeRunner(about)
    slow = runner.logs.replace("Init Duration: 9.00", "Init Duration: 5000.00")
    layout = write_layout(tmp_path, good_config(about.image, about.platform), [good_tree(about.image, about.platform)])

    def tried(fast: int) -> tuple[str, int]:
        calls = 0

        def run(*args: Any, **options: Any) -> Completed:
            nonlocal calls
            calls += 1
            return Completed(b"", (runner.logs if calls == fast else slow).encode(), 0)

        with Layers(tmp_path / "scratch") as layers:
            [found] = budgets.measured(open_layout(layout, about.platform, layers, run), about)
        return found.status, calls

    assert tried(fast=1) == ("info", 1)
    assert tried(fast=3) == ("info", 3)
    assert tried(fast=4) == ("fail", 3)


def test_a_start_that_is_not_reported_is_not_held(tmp_path: Path) -> None:
    about = having(subject(), GIVEN)
    runner = FakeRunner(about)
    runner.logs = "REPORT RequestId: 1\tDuration: 2.00 ms\tBilled Duration: 2 ms\tMax Memory Used: 40 MB\n"
    layout = write_layout(tmp_path, good_config(about.image, about.platform), [good_tree(about.image, about.platform)])
    with Layers(tmp_path / "scratch") as layers:
        [found] = budgets.measured(open_layout(layout, about.platform, layers, runner), about)
    assert (found.status, found.found) == ("info", "call 2 ms, memory 40 MB")


def test_nothing_is_held_where_there_is_no_budget_or_a_processor_is_emulated(tmp_path: Path) -> None:
    slow = {"init": 9000.0, "call": 9000.0}
    none = measured(tmp_path, having(subject(), None), **slow)  # type: ignore[arg-type]
    assert (none.status, none.expected) == ("info", "the manifest has no budgets")
    assert none.found == "init 9000 ms, call 9000 ms, memory 40 MB"
    (tmp_path / "emulated").mkdir()
    foreign = structs.replace(having(subject(), GIVEN), emulated=True)
    emulated = measured(tmp_path / "emulated", foreign, **slow)  # type: ignore[arg-type]
    assert (emulated.status, emulated.expected) == ("info", "no budgets where a processor is emulated")


def test_layers_that_are_not_compressed_are_not_weighed(tmp_path: Path) -> None:
    about = having(subject(), Budgets(size_mb=0.0001, init_ms=1, call_ms=1, memory_mb=1))
    layout = write_layout(tmp_path, good_config(about.image, about.platform), [good_tree(about.image, about.platform)])

    def judged() -> str:
        with Layers(tmp_path / "scratch") as layers:
            [found] = budgets.size(open_layout(layout, about.platform, layers), about)
        return found.status

    assert judged() == "fail"
    rewrite(layout, lambda manifest: manifest["layers"][0].update(mediaType="application/vnd.oci.image.layer.v1.tar"))
    assert judged() == "skip"


def test_a_budget_builds_no_image_anew() -> None:
    image = IMAGES["python3.13-debian"]
    other = having(subject(), Budgets(size_mb=1, init_ms=1, call_ms=1, memory_mb=1)).image
    pins = lock.read(lock.path_of(ROOT, image.base.name))
    hashes = []
    for one in (image, other, having(subject(), None).image):
        renderer = Renderer(ROOT)
        hashes.append(renderer.input_hash(renderer.render(one), pins))
    assert len(set(hashes)) == 1


def test_current_runtimes_have_the_budgets_that_were_promised() -> None:
    promised = {"python3.13": 45, "nodejs24.x": 75, "java21": 110, "provided.al2023": 25}
    for name, most in promised.items():
        given = IMAGES[f"{name}-debian"].runtime.budgets
        assert given is not None and given.size_mb <= most
    assert all(factor >= 2 for factor in NOISE.values())
