"""What is tried in build images, as steps of a shell: which of them, and that they find what is broken."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from conform_images import FakeRunner, good_config, good_tree, subject, write_layout
from msgspec.structs import replace

from imagemill.conform import Layers, LayoutView, Subject, open_layout, workbench
from imagemill.filetree import Entry


def seen(folder: Path, about: Subject) -> LayoutView:
    """A good image, but that one of its tools is a script."""
    tree = good_tree(about.image, about.platform)
    if "sam" in about.image.tools:
        tree["usr/bin/sam"] = Entry("file", 0o755, content=b"#!/bin/sh\n")
    layout = write_layout(folder, good_config(about.image, about.platform), [tree])
    return open_layout(layout, about.platform, Layers(folder / "scratch"), FakeRunner(about))


STEPS: Mapping[str, tuple[bool, list[str]]] = {
    "build-python3.13-debian": (False, ["the tools", "a program in C", "an extension of Python"]),
    "build-nodejs24.x-debian": (True, ["the tools", "a program in C", "an addon of Node.js"]),
    "build-java21-debian": (False, ["the tools", "a program in C", "a class of Java"]),
    "build-dotnetcore2.1-debian": (False, ["the tools", "a program in C", "a program in C#"]),
    "build-dotnetcore3.1-debian": (True, ["the tools", "a program in C"]),
    "build-ruby3.3-debian": (True, ["the tools", "a program in C"]),
    "build-provided.al2023-debian": (False, ["the tools", "a program in C"]),
    "serve-python3.13-debian": (False, []),
}


@pytest.mark.parametrize("name", STEPS)
def test_each_language_compiles_what_it_calls_native(name: str, tmp_path: Path) -> None:
    emulated, steps = STEPS[name]
    about = replace(subject(name), emulated=emulated)
    view = seen(tmp_path, about)
    found = workbench.steps(view, about)
    assert list(found) == steps
    assert all(subprocess.run(["sh", "-nc", script], check=False).returncode == 0 for script in found.values())
    if steps and emulated:
        assert not {"sam", "gcc"} & set(workbench.tried(view, about)) and workbench.tried(view, about)
    elif steps:
        assert tuple(workbench.tried(view, about)) == about.image.tools


def test_tools_that_do_not_start_are_named(tmp_path: Path) -> None:
    scripts = {
        "fine": "echo 1.0",
        "unlearned": "echo 'unknown option --version' >&2; exit 2",
        "without": "echo \"ModuleNotFoundError: No module named 'x'\" >&2; exit 1",
        "killed": "kill -9 $$",
    }
    for name, text in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "lost").write_text("#!/nowhere/interpreter\n")
    (tmp_path / "lost").chmod(0o755)
    about = subject("build-provided.al2023-debian")
    script = workbench.steps(seen(tmp_path, about), about)[workbench.TOOLS]
    script = script.replace(" ".join(about.image.tools), " ".join([*sorted(scripts), "lost", "absent"]))
    path = f"{tmp_path}:/usr/bin:/bin"
    done = subprocess.run(["sh", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=True)
    *lines, last = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["killed", "without", "lost", "absent"]
    assert last == "started"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler here")
def test_the_program_in_c_answers(tmp_path: Path) -> None:
    about = subject("build-provided.al2023-debian")
    script = workbench.steps(seen(tmp_path, about), about)["a program in C"]
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [workbench.ANSWER]


@pytest.mark.parametrize(("code", "said"), [(0, ["build -o out", "out/quick.dll"]), (1, ["build -o out"])])
def test_a_project_in_csharp_is_run_where_it_can_be_built(code: int, said: list[str], tmp_path: Path) -> None:
    (tmp_path / "dotnet").write_text(
        f'#!/bin/sh\necho "$@"\n[ "$1" != build ] || {{ test -s quick.csproj && test -s Quick.cs && exit {code}; }}\n'
    )
    (tmp_path / "dotnet").chmod(0o755)
    about = subject("build-dotnetcore3.1-debian")
    script = workbench.steps(seen(tmp_path, about), about)["a program in C#"]
    path = f"{tmp_path}:/usr/bin:/bin"
    done = subprocess.run(["sh", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()) == (code, said)
