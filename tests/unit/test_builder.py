"""The builder's hash: no module or library that makes bytes is missing from it, and no other is in it."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from imagemill import builder

PACKAGE = Path(__file__).parents[2] / "build" / "imagemill"
ROOTS = [builder.LAYERS, ("engine.embedded",), ("engine.docker",), ("engine.buildah",)]


def names(roots: tuple[str, ...]) -> set[str]:
    """The modules of the closure, dotted, packages by their own name."""
    found = (path.relative_to(PACKAGE).with_suffix("").parts for path in builder.closure(PACKAGE, roots)[0])
    return {".".join(part for part in parts if part != "__init__") for parts in found}


@pytest.mark.parametrize("roots", ROOTS, ids=lambda roots: roots[0])
def test_what_makers_really_import_is_in_the_hash_or_named_with_its_reason(roots: tuple[str, ...]) -> None:
    script = (
        "import importlib, sys\n"
        f"importlib.import_module('imagemill.{roots[0]}')\n"
        "print(*(name for name in sys.modules if name.startswith('imagemill')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[2] for name in done.stdout.split()}
    # what only carriers import is as little a maker as they are
    behind = set().union(*(names((carrier,)) for carrier in builder.CARRIERS if carrier in loaded))
    missing = loaded - names(roots) - behind - set(builder.CARRIERS)
    assert missing == set()


def test_every_part_of_assemble_makes_bytes() -> None:
    parts = {f"assemble.{path.stem}" for path in (PACKAGE / "assemble").glob("*.py") if path.stem != "__init__"}
    assert parts <= names(builder.LAYERS)
    assert {"layers", "oci", "toolchain", "tarwalk"} <= names(builder.LAYERS)


def test_what_makes_no_bytes_is_not_in_the_hash() -> None:
    all_names = set().union(*map(names, ROOTS))
    assert not {name for name in all_names if name.partition(".")[0] in ("cli", "conform", "resolve", "reports")}
    assert not all_names & set(builder.CARRIERS)


def test_every_carrier_is_a_module_that_exists() -> None:
    for name in builder.CARRIERS:
        assert (PACKAGE / f"{name.replace('.', '/')}.py").is_file(), name


@pytest.mark.parametrize(("library", "distribution"), [("isal", "isal"), ("yaml", "PyYAML"), ("click", "click")])
def test_versions_are_those_of_the_distributions(library: str, distribution: str) -> None:
    assert builder.version(library) == metadata.version(distribution)


def test_a_library_that_is_not_here_has_no_version() -> None:
    assert builder.version("no_such_library") == ""


def test_the_compressor_counts_with_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "isal" in builder.closure(PACKAGE, builder.LAYERS)[1]
    assert builder.version("isal").split(".")[0].isdigit()
    before = builder.code(PACKAGE, builder.LAYERS)
    monkeypatch.setattr(builder, "version", lambda library: "0")
    assert builder.code(PACKAGE, builder.LAYERS) != before


IMPORTS = {
    "a module": ("import imagemill.oci", {"imagemill.oci"}),
    "two modules": ("import json, imagemill.oci", {"json", "imagemill.oci"}),
    "from the package": ("from imagemill import oci as o, lock", {"imagemill", "imagemill.oci", "imagemill.lock"}),
    "in brackets": (
        "from imagemill.assemble import (\n    deb,\n    npm,\n)",
        {"imagemill.assemble", "imagemill.assemble.deb", "imagemill.assemble.npm"},
    ),
    "inside a function": ("def f():\n    from imagemill import npm", {"imagemill", "imagemill.npm"}),
    "with a comment": ("from imagemill import oci  # not: import this", {"imagemill", "imagemill.oci"}),
    "not in a sentence": ('"""what to import from where"""', set()),
}


@pytest.mark.parametrize("name", IMPORTS)
def test_imports_are_found(name: str) -> None:
    text, expected = IMPORTS[name]
    assert builder.imports(text) == expected


def test_a_new_module_counts_as_soon_as_it_is_imported(tmp_path: Path) -> None:
    (tmp_path / "layers.py").write_text("from imagemill import lock\n")
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "fresh.py").write_text("from isal import isal_zlib\n")
    (tmp_path / "lock.py").write_text("import yaml\n")
    assert builder.closure(tmp_path, builder.LAYERS)[1] == []
    before = builder.code(tmp_path, builder.LAYERS)
    (tmp_path / "layers.py").write_text("from imagemill import fresh, lock\n")
    files, libraries = builder.closure(tmp_path, builder.LAYERS)
    assert ([path.name for path in files], libraries) == (["__init__.py", "fresh.py", "layers.py"], ["isal"])
    assert builder.code(tmp_path, builder.LAYERS) != before
