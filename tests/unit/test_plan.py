"""The plan: names, tags, parents, selection."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from msgspec import structs

from imagemill import show
from imagemill.errors import SelectionError
from imagemill.load import load
from imagemill.plan import current, plan, select
from imagemill.render import Renderer

ROOT = Path(__file__).parents[2]
IMAGES = plan(load(ROOT))
NAMES = [image.name for image in IMAGES]


def test_each_runtime_has_three_variants_on_its_base() -> None:
    assert {"python3.13-debian", "build-python3.13-debian", "serve-python3.13-debian"} <= set(NAMES)
    assert (
        len(set(NAMES))
        == len(NAMES)
        == 3 * len([one for one in load(ROOT).runtimes.values() if not one.bases["debian"].unavailable])
    )


def test_the_default_base_has_the_short_tag() -> None:
    image = select(IMAGES, ["build-python3.13"])[0]
    assert image.tags == ("build-python3.13-debian", "build-python3.13")


def test_parents_come_before_children() -> None:
    for number, image in enumerate(IMAGES):
        for parent in image.parents:
            assert parent in NAMES[:number] or parent == image.base.name


def test_run_and_serve_share_every_layer() -> None:
    run, serve = (select(IMAGES, [name])[0] for name in ("python3.13", "serve-python3.13"))
    assert run.layers == serve.layers


SELECTIONS = {
    "a short tag": (["python3.13"], ["python3.13-debian"]),
    "a full tag": (["serve-nodejs24.x-debian"], ["serve-nodejs24.x-debian"]),
    "a variant": (["serve"], [name for name in NAMES if name.startswith("serve-")]),
    "a runtime": (["@python3.13"], [name for name in NAMES if "python3.13" in name]),
    "a glob": (["build-*"], [name for name in NAMES if name.startswith("build-")]),
    "two words, in the plan's order": (
        ["serve-python3.13", "python3.13"],
        ["python3.13-debian", "serve-python3.13-debian"],
    ),
    "nothing": ([], NAMES),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_selection(name: str) -> None:
    words, expected = SELECTIONS[name]
    assert [image.name for image in select(IMAGES, words)] == expected


def test_a_word_that_selects_nothing_is_an_error() -> None:
    with pytest.raises(SelectionError, match=r"no image is called 'python9.9'") as caught:
        select(IMAGES, ["python3.13", "python9.9"])
    assert "python3.13" in caught.value.remedy


def test_deprecated_runtimes_are_not_in_the_default_set() -> None:
    image = select(IMAGES, ["python3.13"])[0]
    date = datetime.date(2029, 6, 30)
    old = structs.replace(image, runtime=structs.replace(image.runtime, deprecated=date))
    assert current([old], date - datetime.timedelta(1)) == [old]
    assert current([old], date) == []


ENVIRONMENTS = {
    "run has the execution environment": ("python3.13", "AWS_EXECUTION_ENV", "AWS_Lambda_python3.13"),
    "serve leaves it to the bootstrap": ("serve-python3.13", "AWS_EXECUTION_ENV", None),
    "OS-only runtimes have none": ("provided.al2023", "AWS_EXECUTION_ENV", None),
    "run is UTC": ("python3.13", "TZ", ":UTC"),
    "serve is as AWS's images": ("serve-python3.13", "TZ", ":/etc/localtime"),
    "build has its own": ("build-python3.13", "PIPX_HOME", "/var/lang/pipx"),
    "run has not": ("python3.13", "PIPX_HOME", None),
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environment(name: str) -> None:
    tag, variable, value = ENVIRONMENTS[name]
    assert select(IMAGES, [tag])[0].env.get(variable) == value


def test_the_matrix_has_a_job_for_each_image_and_platform() -> None:
    renderer = Renderer(ROOT)
    matrix = show.matrix(
        show.rows(ROOT, [renderer.render(image) for image in select(IMAGES, ["python3.13"])], renderer)
    )
    assert matrix == {
        "include": [
            {"image": "python3.13-debian", "platform": "linux/amd64", "arch": "amd64"},
            {"image": "python3.13-debian", "platform": "linux/arm64", "arch": "arm64"},
        ]
    }


def test_the_matrix_of_shares_has_no_more_of_them_than_a_platform_has_runtimes() -> None:
    renderer = Renderer(ROOT)
    chosen = select(IMAGES, ["@python3.13", "go1.x"])  # the latter is for amd64 alone
    rows = show.rows(ROOT, [renderer.render(image) for image in chosen], renderer)
    assert show.shards(rows, 5) == {
        "include": [
            {"shard": "1/2", "platform": "linux/amd64", "arch": "amd64"},
            {"shard": "2/2", "platform": "linux/amd64", "arch": "amd64"},
            {"shard": "1/1", "platform": "linux/arm64", "arch": "arm64"},
        ]
    }
    assert [row["shard"] for row in show.shards(rows, 1)["include"]] == ["1/1", "1/1"]
