"""The arrows between modules, and promises about what files may say."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "build" / "imagemill"
MODULES = sorted(PACKAGE.rglob("*.py"))

FORBIDDEN = [
    ("", "cli", "nothing imports the command line"),
    ("conform", "engine", "a check sees only a View"),
    ("engine", "registry", "engines do not publish"),
    ("engine", "trust", "engines do not sign"),
    ("registry", "trust", "who sends bytes knows nothing of signatures"),
    ("trust", "registry", "who signs sends nothing"),
    ("attest", "verify", "who says something does not judge it"),
    ("attest", "publish", "who says something does not publish it"),
    ("verify", "publish", "strangers publish nothing"),
    ("verify", "engine", "strangers run nothing"),
    ("manifest", "plan", "manifests know nothing of plans"),
    ("plan", "render", "plans know nothing of rendering"),
    ("assemble", "engine", "layers are made before any engine is asked"),
]


def imports(text: str) -> set[str]:
    """The modules of imagemill that this source imports, without the package's name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module == "imagemill":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("imagemill."):
            found.add((node.module or "").removeprefix("imagemill."))
        elif isinstance(node, ast.Import):
            found |= {a.name.removeprefix("imagemill.") for a in node.names if a.name.startswith("imagemill.")}
    return found


def violations(name: str, text: str) -> list[str]:
    """The forbidden arrows that start in the module `name` (dotted, below imagemill)."""
    top = name.split(".")[0]
    if top == "__main__":
        return []
    used = {module.split(".")[0] for module in imports(text)}
    return [why for source, target, why in FORBIDDEN if source in ("", top) and target in used and top != target]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_module_imports_what_it_must_not(path: Path) -> None:
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    assert violations(name, path.read_text()) == []


def test_a_forbidden_arrow_is_seen() -> None:
    assert violations("conform.view", "from imagemill.engine import containers") == ["a check sees only a View"]
    assert violations("plan", "from imagemill import cli") == ["nothing imports the command line"]
    assert violations("plan", "import imagemill.render") == ["plans know nothing of rendering"]


def test_modules_are_of_one_thing() -> None:
    long = [str(p.relative_to(ROOT)) for p in MODULES if len(p.read_text().splitlines()) > 450]
    assert long == []


INIT = ROOT / "build" / "init"
HEAVY = re.compile(r'"((?:net/http|crypto|text/template|html|regexp|net/url|mime|testing)(?:/[\w/]+)?)"')


def heavy_imports(text: str) -> list[str]:
    """The packages in a Go file's imports that would double the init's size (docs/adr/0009)."""
    block = text.split("\nfunc ", 1)[0]
    return HEAVY.findall(block)


def test_the_init_links_nothing_heavy() -> None:
    shipped = [p for p in INIT.rglob("*.go") if not p.name.endswith("_test.go") and p.parent.name != "wiretest"]
    assert len(shipped) > 50
    assert {str(p.relative_to(INIT)): found for p in shipped if (found := heavy_imports(p.read_text()))} == {}


def test_a_heavy_import_is_seen() -> None:
    assert heavy_imports('package x\n\nimport (\n\t"net"\n\t"net/http"\n\t"crypto/rand"\n)\n\nfunc f() {}\n') == [
        "net/http",
        "crypto/rand",
    ]


def tracked() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in names.stdout.splitlines() if (ROOT / name).is_file()]


# spelled so that this file does not name them either
HOSTS = re.compile("|".join([r"deb\.debian\.or" + "g", r"snapshot\.debian\.or" + "g", r"security\.debian\.or" + "g",
                             r"pypi\.or" + "g", r"pythonhosted\.or" + "g", r"registry\.npmjs\.or" + "g"]))  # fmt: skip


def test_no_file_names_the_host_of_a_package_registry() -> None:
    named = [str(path.relative_to(ROOT)) for path in tracked() if HOSTS.search(path.read_text(errors="replace"))]
    assert named == []


def test_a_named_host_is_seen() -> None:
    assert HOSTS.search("https://py" + "pi.org/simple")


def test_there_is_no_build_init_py() -> None:
    """It would shadow PyPA's `build`."""
    assert not (ROOT / "build" / "__init__.py").exists()
    ignored = subprocess.run(["git", "check-ignore", "-q", "build/imagemill/cli.py"], cwd=ROOT, check=False)
    assert ignored.returncode == 1
