"""What commands import: no more than they need, since that is most of what quick ones take."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_conform_command import NAME, built

from imagemill.cli import PLACES, main

ROOT = Path(__file__).parents[2]
HEAVY = {"docker", "jinja2", "msgspec", "packaging", "requests", "rich", "shutil", "subprocess", "urllib3", "yaml"}
SCRIPT = """
import sys
from imagemill.cli import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules, file=sys.stderr)
"""


def imported(state: Path, *arguments: str) -> set[str]:
    """The modules that a command has imported when it ends."""
    environ = {**os.environ, "IMAGEMILL_STATE": str(state)}
    command = [sys.executable, "-c", SCRIPT, "--root", str(ROOT), *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("command", [("render", "--check"), ("plan", "--set", "all")], ids=lambda words: words[0])
def test_what_is_known_already_is_said_without_the_factory(command: tuple[str, ...], tmp_path: Path) -> None:
    assert imported(tmp_path, *command) >= {"yaml", "msgspec", "jinja2", "imagemill.load"}, "the first time"
    again = imported(tmp_path, *command)
    assert again & HEAVY == set()
    assert not again & {"imagemill.load", "imagemill.lock", "imagemill.manifest", "imagemill.render"}
    assert {name for name in again if name.startswith("imagemill.cli.")} == {
        "imagemill.cli.shared",
        f"imagemill.cli.{PLACES[command[0]]}",
    }
    assert len(list((tmp_path / "plans").glob("*.json"))) == 1


def test_the_static_checks_of_an_image_import_no_more_than_they_need(tmp_path: Path) -> None:
    """What reads, judges and shows; and the second time nothing that reads YAML."""
    dist = built(tmp_path)
    command = ("conform", "--no-run", "--no-cache", "--dist", str(dist.path), "--platform", "linux/amd64", NAME)
    first, again = (imported(tmp_path / "state", *command) for _ in range(2))
    assert "yaml" in first and "imagemill.load" in first, "the first time"
    assert again & HEAVY == {"msgspec"}
    needless = {
        "catalog",
        "workshop",
        "factory",
        "lock",
        "render",
        "engine",
        "crew",
        "verdicts",
        "recorder",
        "mirrors",
        "load",
    }
    assert {name.split(".")[1] for name in again if name.startswith("imagemill.")} & needless == {"catalog"}
    assert {name for name in again if name.startswith("imagemill.reports.")} == {
        "imagemill.reports.summary",
        "imagemill.reports.table",
    }
    assert len(list((tmp_path / "state" / "parsed").iterdir())) == 4


def test_every_command_is_where_the_table_says() -> None:
    for name in PLACES:
        assert main.commands[name].name == name
    modules = {path.stem for path in (ROOT / "build/imagemill/cli").glob("*.py")}
    assert set(PLACES.values()) <= modules
    assert list(PLACES) == sorted(PLACES)


def test_who_makes_layers_needs_no_network() -> None:
    """Workers import this too, each for itself."""
    script = "import sys, imagemill.layers, imagemill.workshop; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"urllib3", "requests", "docker", "rich"} & set(done.stdout.split())


def test_who_runs_images_does_not_import_what_makes_them() -> None:
    script = "import sys, imagemill.contained; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {name for name in done.stdout.split() if name.startswith(("imagemill.assemble", "imagemill.layers"))}
