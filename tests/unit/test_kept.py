"""What YAML became is kept, and is never what another file says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from conform_images import ROOT

from imagemill import catalog
from imagemill import load as loading
from imagemill.conform import facts
from imagemill.errors import ManifestError
from imagemill.kept import kept
from imagemill.load import load


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Manifests to spoil."""
    shutil.copytree(ROOT / "runtimes", tmp_path / "checkout" / "runtimes")
    return tmp_path / "checkout"


def test_kept_manifests_are_those_that_are_read(tmp_path: Path) -> None:
    read = load(ROOT)
    for _ in range(2):
        assert catalog.current(ROOT, tmp_path) == read
    assert list(catalog.current(ROOT, tmp_path).runtimes) == list(read.runtimes)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_manifest_that_changes_is_read_again(checkout: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    catalog.current(checkout, folder)
    file = checkout / "runtimes" / "python3.13.yaml"
    file.write_text(file.read_text().replace("released: 2024-11-14", "released: 2024-11-15"))
    assert catalog.current(checkout, folder).runtimes["python3.13"].released.day == 15
    file.unlink()
    assert "python3.13" not in catalog.current(checkout, folder).runtimes


def test_only_what_changed_is_read_again(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, files = tmp_path / "kept", []
    check = loading.check_file

    def noted(path: Path, shown: str, kind: type[Any]) -> Any:
        files.append(shown)
        return check(path, shown, kind)

    monkeypatch.setattr(loading, "check_file", noted)
    catalog.current(checkout, folder)
    assert len(files) > 30
    files.clear()
    for name in ("runtimes/python3.13.yaml", "runtimes/bases/debian-trixie.yaml"):
        with (checkout / name).open("a") as file:
            file.write("# more\n")
    found = catalog.current(checkout, folder)
    assert sorted(files) == ["runtimes/bases/debian-trixie.yaml", "runtimes/python3.13.yaml"]
    assert found == load(ROOT)
    monkeypatch.setattr(catalog, "_MODULES", (*catalog._MODULES, checkout / "runtimes" / "python3.13.yaml"))
    files.clear()
    catalog.current(checkout, folder)
    assert len(files) > 30, "with other modules everything is read again"


def test_mistakes_are_told_each_time(checkout: Path, tmp_path: Path) -> None:
    (checkout / "runtimes" / "python3.13.yaml").write_text("name: python3.13\n")
    for _ in range(2):
        with pytest.raises(ManifestError, match="platforms"):
            catalog.current(checkout, tmp_path / "kept")


def test_kept_facts_are_those_that_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = facts.environment, facts.filesystem, facts.invoke
    read = [kind.__wrapped__() for kind in kinds]
    monkeypatch.setattr(facts, "_folders", [])
    facts.keep(tmp_path)
    for _ in range(2):
        assert [kind.__wrapped__() for kind in kinds] == read
    assert len(list(tmp_path.iterdir())) == 3


def test_what_is_damaged_is_made_again_and_only_the_latest_stay(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for number in range(9):
        source.write_text(str(number))
        assert kept(tmp_path / "kept", "numbers", [source], int, lambda number=number: number) == number  # type: ignore[misc]
    files = list((tmp_path / "kept").iterdir())
    assert len(files) == 4
    for file in files:
        file.write_bytes(b"\xc1")
    assert kept(tmp_path / "kept", "numbers", [source], int, lambda: 8) == 8
    assert kept(tmp_path / "kept", "numbers", [source], int, lambda: 0) == 8


def test_where_nothing_can_be_written_it_is_made_each_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for number in (1, 2):
        assert kept(tmp_path / "file" / "folder", "numbers", [], int, lambda number=number: number) == number  # type: ignore[misc]
