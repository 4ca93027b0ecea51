"""Manifests: every mistake is found, all of them at once, each with file, key and remedy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from imagemill import schema
from imagemill.errors import ManifestError
from imagemill.load import load

ROOT = Path(__file__).parents[2]
Data = dict[str, Any]


@pytest.fixture
def runtime() -> Data:
    """The manifest of python3.13, as data to spoil."""
    data: Data = yaml.safe_load((ROOT / "runtimes/python3.13.yaml").read_text())
    data["released"] = str(data["released"])
    data["deprecated"] = str(data["deprecated"])
    return data


def write(tmp_path: Path, *runtimes: Data, base: Data | None = None) -> Path:
    """A checkout with these manifests."""
    folder = tmp_path / "runtimes" / "bases"
    folder.mkdir(parents=True)
    text = (ROOT / "runtimes/bases/debian-trixie.yaml").read_text()
    (folder / "debian-trixie.yaml").write_text(yaml.safe_dump(base) if base else text)
    for data in runtimes:
        (tmp_path / "runtimes" / f"{data['name']}.yaml").write_text(yaml.safe_dump(data))
    return tmp_path


def mistakes(root: Path) -> tuple[str, ...]:
    with pytest.raises(ManifestError) as caught:
        load(root)
    assert caught.value.exit_code == 11
    return caught.value.mistakes


def test_what_is_committed_loads() -> None:
    catalog = load(ROOT)
    assert {"python3.13", "nodejs24.x", "provided.al2023"} <= set(catalog.runtimes)
    assert "debian-trixie" in catalog.bases


SPOILS: dict[str, tuple[Callable[[Data], object], str]] = {
    "unknown key": (
        lambda d: d.update(famly="x"),
        "runtimes/python3.13.yaml: key 'famly' is unknown; did you mean 'family'?",
    ),
    "unknown nested key": (
        lambda d: d["bases"]["debian"]["language"].update(pakages=[]),
        "key 'bases.debian.language.pakages' is unknown; did you mean 'packages'?",
    ),
    "missing key": (lambda d: d.pop("released"), "key 'released' is missing; add it"),
    "wrong type": (
        lambda d: d["example"].update(handler=3),
        "key 'example.handler' is 3: input should be a valid string",
    ),
    "a budget of nothing": (
        lambda d: d.update(budgets={"size_mb": 0, "init_ms": 1, "call_ms": 1, "memory_mb": 1}),
        "key 'budgets.size_mb' is 0: input should be a number above 0",
    ),
    "a budget in words": (
        lambda d: d.update(budgets={"size_mb": 45, "init_ms": "1 s", "call_ms": 1, "memory_mb": 1}),
        "key 'budgets.init_ms' is '1 s': input should be a number",
    ),
    "half a budget": (lambda d: d.update(budgets={"size_mb": 45}), "key 'budgets.init_ms' is missing; add it"),
    "string for a list": (lambda d: d.update(tools="pip"), "key 'tools' is 'pip': input should be a list"),
    "relative PATH entry": (
        lambda d: d["env"].update(PATH="/usr/bin:bin"),
        "key 'env': search path entry 'bin' is relative; start each entry with '/'",
    ),
    "empty PATH entry": (
        lambda d: d["build_env"].update(PATH="/usr/bin::/bin"),
        "search path entry '' is relative",
    ),
    "unknown architecture": (
        lambda d: d.update(platforms=["linux/amd64", "linux/mips"]),
        "key 'platforms': unknown architecture 'linux/mips'; use linux/amd64, linux/arm64",
    ),
    "platform twice": (lambda d: d.update(platforms=["linux/amd64"] * 2), "a platform is listed twice"),
    "no platform": (lambda d: d.update(platforms=[]), "key 'platforms'"),
    "relative path": (
        lambda d: d["bases"]["debian"]["language"].update(links={"var/x": "y"}),
        "write it as an absolute path",
    ),
    "bad variable name": (lambda d: d["env"].update({"9X": "1"}), "key 'env.9X'"),
    "bad date": (lambda d: d.update(released="soon"), "key 'released' is 'soon'"),
    "unknown family": (lambda d: d.update(family="cobol"), "key 'family' is 'cobol'"),
    "unknown base": (
        lambda d: d["bases"]["debian"].update(base="debian-potato"),
        "key 'bases.debian'.base names 'debian-potato', which runtimes/bases does not have",
    ),
    "neither base nor reason": (
        lambda d: d["bases"]["debian"].pop("base"),
        "needs either 'base' or 'unavailable' with the reason",
    ),
    "base of another kind": (
        lambda d: d["bases"].update(amazon={"base": "debian-trixie"}),
        "is of kind 'debian'; list it under 'bases.debian'",
    ),
}


@pytest.mark.parametrize("name", SPOILS)
def test_a_mistake_is_named_with_file_key_and_remedy(name: str, runtime: Data, tmp_path: Path) -> None:
    spoil, expected = SPOILS[name]
    spoil(runtime)
    found = mistakes(write(tmp_path, runtime))
    assert any(expected in line for line in found), found
    assert all(line.startswith("runtimes/") for line in found)


def test_all_mistakes_of_a_file_come_at_once(runtime: Data, tmp_path: Path) -> None:
    runtime.update(famly="x", aliases=3, platforms=["linux/mips"])
    runtime["env"]["PATH"] = "bin"
    assert len(mistakes(write(tmp_path, runtime))) == 4


def test_mistakes_of_several_files_come_at_once(runtime: Data, tmp_path: Path) -> None:
    other = copy.deepcopy(runtime) | {"name": "python3.12", "aliases": []}
    for data in (runtime, other):
        data["family"] = "cobol"
    assert len(mistakes(write(tmp_path, runtime, other))) == 2


def test_a_tag_belongs_to_one_image(runtime: Data, tmp_path: Path) -> None:
    other = copy.deepcopy(runtime) | {"name": "python3.12"}
    found = mistakes(write(tmp_path, runtime, other))
    assert any("tag 'lambda-python:3.13' is also a tag of runtimes/python3.12.yaml" in line for line in found)


def test_the_name_is_the_file_name(runtime: Data, tmp_path: Path) -> None:
    root = write(tmp_path, runtime)
    (root / "runtimes/python3.13.yaml").rename(root / "runtimes/python3.12.yaml")
    assert mistakes(root) == ("runtimes/python3.12.yaml: key 'name' is 'python3.13'; name it as the file is named",)


def test_a_key_given_twice_is_an_error(runtime: Data, tmp_path: Path) -> None:
    root = write(tmp_path, runtime)
    path = root / "runtimes/python3.13.yaml"
    path.write_text(path.read_text() + "family: python\n")
    assert "key 'family' is given twice" in mistakes(root)[0]


@pytest.mark.parametrize("text", ["a: [", "\t- x", "- 1", "", "a: \x00", "? [a]\n: b", "&a [*a]", "a: &b {c: *b}"])
def test_what_is_not_a_mapping_is_an_error_and_no_traceback(text: str, runtime: Data, tmp_path: Path) -> None:
    root = write(tmp_path, runtime)
    (root / "runtimes/broken.yaml").write_text(text)
    assert mistakes(root)[0].startswith("runtimes/broken.yaml")


def test_a_platform_that_the_base_lacks(runtime: Data, tmp_path: Path) -> None:
    base = yaml.safe_load((ROOT / "runtimes/bases/debian-trixie.yaml").read_text())
    base["platforms"] = ["linux/amd64"]
    assert (
        "key 'platforms' has linux/arm64, which base 'debian-trixie' lacks"
        in mistakes(write(tmp_path, runtime, base=base))[0]
    )


def test_manifests_are_short_and_name_their_schema() -> None:
    for path in [*ROOT.glob("runtimes/*.yaml"), *ROOT.glob("runtimes/bases/*.yaml")]:
        lines = path.read_text().splitlines()
        assert len(lines) <= 75, path
        assert lines[0].startswith("# yaml-language-server: $schema="), path
        assert (path.parent / lines[0].partition("=")[2]).is_file(), path


def test_schemas_are_what_the_classes_say() -> None:
    assert schema.drift(ROOT) == []


def test_a_drifted_schema_is_seen(tmp_path: Path) -> None:
    schema.write(tmp_path)
    assert schema.drift(tmp_path) == []
    (tmp_path / "runtimes/schema/runtime.json").write_text("{}")
    assert schema.drift(tmp_path) == ["runtimes/schema/runtime.json"]


@pytest.mark.parametrize("kind", ["base", "runtime"])
def test_schemas_accept_what_is_committed_and_refuse_unknown_keys(kind: str) -> None:
    import json

    text = schema.schemas()[f"runtimes/schema/{kind}.json"]
    validator = jsonschema.Draft202012Validator(json.loads(text))
    folder = ROOT / "runtimes" / ("bases" if kind == "base" else "")
    for path in folder.glob("*.yaml"):
        data = json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))
        assert list(validator.iter_errors(data)) == [], path
        assert list(validator.iter_errors(data | {"famly": 1}))
