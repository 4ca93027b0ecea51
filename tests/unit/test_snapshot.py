"""The snapshot of a plan: used while nothing has changed, and never when anything has."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from imagemill import snapshot

ROOT = Path(__file__).parents[2]


def append(name: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        with (root / name).open("a") as file:
            file.write("\n")

    return change


CHANGES: dict[str, tuple[Callable[[Path], object], bool]] = {
    "a manifest": (append("runtimes/python3.13.yaml"), True),
    "a base": (append("runtimes/bases/debian-trixie.yaml"), True),
    "a lock": (append("runtimes/lock/debian-trixie.json"), True),
    "a template": (append("templates/macros.j2"), True),
    "a bootstrap": (append("build/bootstraps/python/bootstrap.py"), True),
    "an executable bit": (lambda root: (root / "build/bootstraps/python/bootstrap.py").chmod(0o755), True),
    "the init": (append("build/init/main.go"), True),
    "the factory": (append("build/imagemill/plan.py"), True),
    "one file more": (lambda root: (root / "runtimes/x.yaml").write_text(""), True),
    "one file less": (lambda root: (root / "runtimes/nodejs24.x.yaml").unlink(), True),
    "a name": (lambda root: (root / "templates/macros.j2").rename(root / "templates/m.j2"), True),
    "nothing": (lambda root: None, False),
    "only a time": (lambda root: (root / "templates/macros.j2").touch(), False),
    "a test of the init": (append("build/init/main_test.go"), False),
    "compiled Python": (lambda root: (root / "build/imagemill/__pycache__").mkdir(exist_ok=True), False),
    "what is not read": (append("README.md"), False),
}


def variants(runtime: str) -> set[str]:
    return {runtime, f"build-{runtime}", f"serve-{runtime}"}


def edited(root: Path) -> set[str]:
    path = root / "runtimes/python3.13.yaml"
    path.write_text(path.read_text().replace("deprecated: ", "deprecated: 2040-01-01 # "))
    return variants("python3.13")


def commented(root: Path) -> set[str]:
    append("runtimes/nodejs24.x.yaml")(root)
    return variants("nodejs24.x")


def added(root: Path) -> set[str]:
    text = (root / "runtimes/ruby3.3.yaml").read_text()
    text = text.replace("name: ruby3.3", "name: ruby0.1").replace("aliases: ", "aliases: [] # ")
    (root / "runtimes/ruby0.1.yaml").write_text(text)
    return variants("ruby0.1")


def removed(root: Path) -> set[str]:
    (root / "runtimes/ruby0.1.yaml").unlink()
    return set()


PIECEMEAL: dict[str, Callable[[Path], set[str]]] = {
    "a key": edited,
    "a comment": commented,
    "one runtime more": added,
    "one runtime less": removed,
}


def plain(one: snapshot.Snapshot) -> object:
    return json.loads(json.dumps(asdict(one)))


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_any_input_is_another_key(name: str, checkout: Path, tmp_path: Path) -> None:
    change, matters = CHANGES[name]
    before = snapshot.source(checkout, tmp_path).key
    change(checkout)
    assert (snapshot.source(checkout, tmp_path).key != before) is matters


def test_the_set_time_the_engine_and_the_libraries_are_in_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {snapshot.source(ROOT, tmp_path, *words).key for words in ((None,), (1,), (None, "buildah"))}
    (tmp_path / "isal-99.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert len({*keys, snapshot.source(ROOT, tmp_path).key}) == 4


def test_it_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = snapshot.current(ROOT, tmp_path)
    monkeypatch.setattr(snapshot, "derive", lambda source, before: pytest.fail("derived again"))
    again = snapshot.current(ROOT, tmp_path)
    assert plain(again) == plain(made)
    assert snapshot.drift(ROOT / "tests" / "golden", again.golden) == []


def test_only_what_changed_is_derived_again(checkout: Path, tmp_path: Path, rendered: list[str]) -> None:
    snapshot.current(checkout, tmp_path)
    for name, change in PIECEMEAL.items():
        rendered.clear()
        changed = change(checkout)
        found = snapshot.current(checkout, tmp_path)
        assert {image.removesuffix("-debian") for image in rendered} == changed, name
        assert plain(found) == plain(snapshot.derive(snapshot.source(checkout, tmp_path / "fresh"))), name


def test_only_the_latest_are_kept(tmp_path: Path) -> None:
    empty = snapshot.Snapshot([], {}, {}, [], {}, "")
    for number in range(9):
        snapshot.keep(tmp_path, str(number), empty)
    assert len(list((tmp_path / "plans").iterdir())) == 4
    assert snapshot.read(tmp_path, "8") == empty
    assert snapshot.read(tmp_path, "0") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"rows": []}'])
def test_a_damaged_one_counts_as_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "x.json").write_text(text)
    assert snapshot.read(tmp_path, "x") is None
