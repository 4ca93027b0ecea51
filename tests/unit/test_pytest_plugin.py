"""The plugin of pytest: each check of an image is a test, and a broken image fails the one that is meant for it."""

from __future__ import annotations

import importlib
import json
import pkgutil
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conform_images import IMAGES, ROOT, FakeRunner, subject
from judged_images import good_layout
from test_appraise import Engine
from test_recorder import good

import imagemill
from imagemill import export, recorder
from imagemill.cli import main
from imagemill.conform import CHECKS, DYNAMIC, Layers, judge
from imagemill.conform.image import DOCKER_LIST
from imagemill.dist import Artifact, Built, Dist
from imagemill.engine import containers
from imagemill.filetree import Entry, Tree
from imagemill.oci import Layout
from imagemill.platforms import PLATFORMS

pytest_plugins = ["pytester"]

RUNNING = len(DYNAMIC) - 4  # nothing runs images here, and a serve image has no example to run and compiles nothing
IMAGE = IMAGES["serve-python3.13-debian"]
AMD64 = PLATFORMS["linux/amd64"]


@pytest.fixture(scope="module", autouse=True)
def all_modules() -> None:
    """Have all of imagemill imported: pytester forgets what is imported while it runs, and then there are two of it."""
    for module in pkgutil.walk_packages(imagemill.__path__, "imagemill."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


@pytest.fixture(autouse=True)
def _named_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin is named, whether or not the package that is installed here registers it too."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def layout(folder: Path, spoil: Tree | None = None, **settings: Any) -> Path:
    """A hand-made image, good but for what is laid over its tree and its configuration."""
    return good_layout(folder, IMAGE, AMD64, spoil, **settings)


def run(pytester: pytest.Pytester, *args: object, still: Sequence[str] = ("--imagemill-no-run",)) -> pytest.RunResult:
    plugin = ("-p", "imagemill.pytest_plugin", "-p", "no:cacheprovider", f"--imagemill-root={ROOT}", *still)
    return pytester.runpytest_inprocess(*plugin, *map(str, args))


def bill(of: Path) -> Path:
    """The bill of the image in this layout, as the command writes it."""
    file = of.parent.with_suffix(".json")
    done = CliRunner().invoke(main, ["--root", str(ROOT), "sbom", str(of), "--out", str(file)])
    assert done.exit_code == 0, done.output
    return file


def test_a_good_image_passes_every_check(pytester: pytest.Pytester) -> None:
    good = layout(pytester.path / "good")
    done = run(pytester, f"--imagemill-image={good}", "-v")
    done.assert_outcomes(passed=len(CHECKS) - RUNNING, skipped=RUNNING)
    done.stdout.fnmatch_lines([f"imagemill:{good}[[]linux/amd64[]]::files.world-writable PASSED*"])


def test_a_broken_image_fails_the_check_that_is_meant_for_it(pytester: pytest.Pytester) -> None:
    broken = layout(pytester.path / "broken", {"tmp": Entry("dir", 0o755)})
    done = run(pytester, f"--imagemill-image={broken}")
    done.assert_outcomes(passed=len(CHECKS) - RUNNING - 1, skipped=RUNNING, failed=1)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(
        ["expected*/tmp*1777*", "found*0755*", "source*", "remedy*", f"FAILED *{broken}*paths.contract*"]
    )
    assert "Traceback" not in done.stdout.str()


def test_the_checks_stand_beside_the_tests_of_a_project(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_of_its_own(): pass")
    good = layout(pytester.path / "good")
    done = run(pytester, f"--imagemill-image={good}", "-k", "test_of_its_own or environment.exact")
    done.assert_outcomes(passed=2, deselected=len(CHECKS) - 1)


def test_without_an_image_nothing_is_added(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_of_its_own(): pass")
    run(pytester).assert_outcomes(passed=1)


def test_an_archive_is_held_against_what_is_said(pytester: pytest.Pytester) -> None:
    export.oci(layout(pytester.path / "good", Labels={}), pytester.path / "saved.tar", ["x:1"])
    unknown = run(pytester, "--imagemill-image=saved.tar")
    assert unknown.ret == pytest.ExitCode.USAGE_ERROR
    unknown.stderr.fnmatch_lines(
        ["*nothing in saved.tar says which runtime it is*", "*--imagemill-as python3.13/serve*"]
    )
    done = run(
        pytester, "--imagemill-image=saved.tar", f"--imagemill-as={IMAGE.tags[-1]}", "-k", "environment and not inside"
    )
    done.assert_outcomes(passed=3, deselected=len(CHECKS) - 3)
    spelled = run(pytester, "--imagemill-image=saved.tar", "--imagemill-as=python3.13/serve", "-k", "environment.exact")
    spelled.assert_outcomes(passed=1, deselected=len(CHECKS) - 1)


def test_what_an_image_is_can_be_guessed(pytester: pytest.Pytester) -> None:
    good = good_layout(pytester.path / "good", IMAGES["python3.13-debian"], AMD64, Labels={})
    done = run(pytester, f"--imagemill-image={good}", "-k", "environment.exact")
    done.assert_outcomes(passed=1, deselected=len(CHECKS) - 1)


def test_images_are_found_in_docker_s_own_lists(pytester: pytest.Pytester) -> None:
    good = Layout(layout(pytester.path / "good"))
    [entry] = good.images()
    row = {"mediaType": entry.media_type, "digest": entry.digest, "size": entry.size}
    good.finish([good.add(DOCKER_LIST, json.dumps({"mediaType": DOCKER_LIST, "manifests": [row]}).encode())])
    done = run(pytester, f"--imagemill-image={good.path}", "-k", "environment.exact")
    done.assert_outcomes(passed=1, deselected=len(CHECKS) - 1)


def test_a_built_image_is_looked_for_in_the_dist_that_is_named(pytester: pytest.Pytester) -> None:
    dist = Dist(pytester.mkdir("elsewhere"))
    [entry] = Layout(layout(pytester.path / "good").rename(dist.index(IMAGE.name))).images()
    of = {"linux/amd64": Built(entry.digest, 1, "sha256:0")}
    dist.write({IMAGE.name: Artifact(IMAGE.name, IMAGE.tags, "sha256:0", 1, of, "", "embedded", "exact")})
    args = (f"--imagemill-image={IMAGE.name}", "-k", "environment.exact")
    run(pytester, *args, "--imagemill-dist=elsewhere").assert_outcomes(passed=1, deselected=len(CHECKS) - 1)
    missing = run(pytester, *args, "--imagemill-dist=nowhere")
    assert missing.ret == pytest.ExitCode.USAGE_ERROR
    missing.stderr.fnmatch_lines(["*is not built*"])


def test_an_image_is_held_against_the_bill_that_is_its_own(pytester: pytest.Pytester) -> None:
    own = layout(pytester.path / "own")
    status = "Package: nmap\nStatus: install ok installed\nArchitecture: amd64\nVersion: 7\n"
    other = layout(pytester.path / "other", {"var/lib/dpkg/status": Entry("file", content=status.encode())})
    both = [f"--imagemill-sbom={bill(own).name}", f"--imagemill-sbom={bill(other)}"]
    held = run(pytester, f"--imagemill-image={own}", *both, "-k", "sbom.packages", "-v")
    held.assert_outcomes(passed=1, deselected=len(CHECKS))
    held.stdout.fnmatch_lines(["*::sbom.packages PASSED*"])
    lacking = run(pytester, f"--imagemill-image={own}", both[1], "-k", "sbom.packages")
    lacking.assert_outcomes(failed=1, deselected=len(CHECKS))
    lacking.stdout.fnmatch_lines(["expected a bill of sha256:*", "found*other.json*"])
    assert run(pytester, f"--imagemill-image={own}", *both).parseoutcomes()["passed"] == len(CHECKS) - RUNNING + 1


def test_a_package_that_the_bill_lacks_fails_that_check_alone(pytester: pytest.Pytester) -> None:
    good = layout(pytester.path / "good")
    file = bill(good)
    file.write_text(file.read_text().replace("pkg:deb/debian/bash@", "pkg:deb/debian/bush@").replace("sha256:", "x:"))
    done = run(pytester, f"--imagemill-image={good}", f"--imagemill-sbom={file}")
    done.assert_outcomes(passed=len(CHECKS) - RUNNING, skipped=RUNNING, failed=1)
    done.stdout.fnmatch_lines(["found*deb bash *: in the image only", "FAILED *::sbom.packages*"])
    assert "Traceback" not in done.stdout.str()


def test_images_are_run_wherever_they_are_from_and_held_against_a_record(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = subject("python3.13-debian")
    engine: Any = Engine(FakeRunner(about))
    engine.save = lambda name, file: False
    monkeypatch.setattr(containers, "find", lambda environ: engine)
    for name, uid in (("same", good().uid), ("other", 1)):
        (pytester.path / name).write_text(recorder.dump(replace(good(), uid=uid)))
    args = (f"--imagemill-image={good_layout(pytester.path / 'good', about.image, AMD64)}", "-rP")
    done = run(pytester, *args, "--imagemill-against=same", still=())
    done.assert_outcomes(passed=len(CHECKS) + 1)
    done.stdout.fnmatch_lines(["*told, and not judged*", "found    init 9 ms, call 1 ms, memory 40 MB"])
    [loaded, forgotten] = engine.said
    assert (loaded.split()[0], forgotten.split()[0]) == ("load", "forget")
    spoilt = run(pytester, *args, "--imagemill-against=other", "-k", "against.record or running.example", still=())
    spoilt.assert_outcomes(passed=1, failed=1, deselected=len(CHECKS) - 1)
    spoilt.stdout.fnmatch_lines(["*against.record*", "expected user: 1:*", "found*user: 993:*"])


WRONG = {
    "no such image": (("--imagemill-image=python9",), "python9"),
    "no such platform": (("--imagemill-image=good/layout", "--imagemill-platform=linux/arm64"), "has linux/amd64"),
    "no bill": (("--imagemill-image=good/layout", "--imagemill-sbom=good/layout/oci-layout"), "bill of materials"),
    "a bill that is not there": (("--imagemill-image=good/layout", "--imagemill-sbom=lost.json"), "lost.json"),
    "no record": (("--imagemill-image=good/layout", "--imagemill-against=good/layout/oci-layout"), "no facts file"),
    "no checkout": (("--imagemill-image=good/layout", "--imagemill-root=good"), "is no checkout"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_judged_is_an_error_of_use(case: str, pytester: pytest.Pytester) -> None:
    args, message = WRONG[case]
    layout(pytester.path / "good")
    done = run(pytester, *args)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"*{message}*"])


def test_the_ids_are_the_names_of_the_checks(pytester: pytest.Pytester) -> None:
    good = layout(pytester.path / "good")
    about = subject(IMAGE.name)
    with Layers(pytester.path / "scratch") as layers:
        names = {finding.check for finding in judge(good, about, layers=layers)}
    done = run(pytester, f"--imagemill-image={good}", "--collect-only", "-q")
    assert {line.rpartition("::")[2] for line in done.outlines if "::" in line} <= names
    done.stdout.fnmatch_lines([f"{len(CHECKS)} tests collected*"])


def test_pytest_finds_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"imagemill": "imagemill.pytest_plugin"}
