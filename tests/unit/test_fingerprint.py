"""Input hashes: each change of an input changes exactly the images that are made of it, and nothing else does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from imagemill import lock as locks
from imagemill.fingerprint import differences
from imagemill.load import load
from imagemill.plan import plan, select
from imagemill.render import Renderer

ROOT = Path(__file__).parents[2]
IMAGES = plan(load(ROOT))
ALL = {image.name for image in IMAGES}


def parts(root: Path) -> dict[str, dict[str, str]]:
    """Name -> the parts of each image of this checkout, and its input hash among them."""
    renderer = Renderer(root)
    found = {}
    for image in plan(load(root)):
        lock = locks.read(locks.path_of(root, image.base.name))
        rendered = renderer.render(image)
        found[image.name] = {**renderer.parts(rendered, lock), "": renderer.input_hash(rendered, lock)}
    return found


BEFORE = parts(ROOT)


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    """A change of a file; `old` is a pattern that is there."""

    def change(root: Path) -> None:
        text = (root / name).read_text()
        assert re.search(old, text), name
        (root / name).write_text(re.sub(old, new, text, count=1))

    return change


def append(name: str, text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        with (root / name).open("a") as file:
            file.write(text)

    return change


def mode(root: Path) -> None:
    path = root / "build/bootstraps/python/bootstrap.py"
    path.chmod(path.stat().st_mode ^ 0o111)


def cached(root: Path) -> None:
    folder = root / "build/bootstraps/python/__pycache__"
    folder.mkdir(exist_ok=True)
    (folder / "bootstrap.pyc").write_bytes(b"x")


PYTHON = {name for name in ALL if "python3.13" in name}
PYTHONS = {name for name in ALL if "python3." in name}  # they share a client
TRIXIE = {image.name for image in IMAGES if image.base.name == "debian-trixie"}
BUILD = {name for name in TRIXIE if name.startswith("build-")}
LOCK = "runtimes/lock/debian-trixie.json"

CHANGES: dict[str, tuple[Callable[[Path], None], set[str], set[str]]] = {
    # what changes -> the images that are made anew, and the parts that say so
    "a runtime's environment": (
        edit("runtimes/python3.13.yaml", "env: {", "env: {A: b, "),
        PYTHON,
        {"Dockerfile"},
    ),
    "an environment of build images": (
        edit("runtimes/provided.al2023.yaml", "GOPROXY: direct", "GOPROXY: 'off'"),
        {"build-provided.al2023-debian"},
        {"Dockerfile"},
    ),
    "a layer of a runtime": (
        edit("runtimes/python3.13.yaml", "python: python3}", "python: python3.13}"),
        PYTHON,
        {"language: manifest"},
    ),
    "a layer of build images": (
        edit("runtimes/python3.13.yaml", "python-3.13.pc}", "./python-3.13.pc}"),
        {"build-python3.13-debian"},
        {"build: manifest"},
    ),
    "what the base's own layer leaves out": (
        edit("runtimes/bases/debian-trixie.yaml", "  drop: \\[", "  drop: [/usr/share/nothing, "),
        TRIXIE,
        {"system: manifest", "system: base", "toolchain: base", "language: base"},
    ),
    "an account": (
        edit("runtimes/bases/debian-trixie.yaml", "uid: 993", "uid: 994"),
        TRIXIE,
        {"system: base"},
    ),
    "the toolchain": (
        edit("runtimes/bases/debian-trixie.yaml", "toolchain:\n", "toolchain:\n  drop: [/usr/share/nothing]\n"),
        BUILD,
        {"toolchain: manifest"},
    ),
    "the configuration of one variant": (
        edit("runtimes/bases/debian-trixie.yaml", "serve:\n", "serve:\n  user: nobody\n"),
        {name for name in TRIXIE if name.startswith("serve-")},
        {"Dockerfile"},
    ),
    "a template of one variant": (
        append("templates/build.Dockerfile.j2", "{% block more %}{% endblock %}# more\n"),
        set(),  # what stands outside the blocks of a child is not rendered
        set(),
    ),
    "the template of all": (append("templates/base.Dockerfile.j2", "STOPSIGNAL SIGTERM\n"), ALL, {"Dockerfile"}),
    "a file of ours": (append("build/bootstraps/python/bootstrap.py", "\n"), PYTHONS, {"language: files"}),
    "its executable bit": (mode, PYTHONS, {"language: files"}),
    "the init": (append("build/init/main.go", "\n"), ALL, {"init: sources"}),
    "a maker": (append("build/imagemill/assemble/deb.py", "\n"), ALL, {"builder", "engine embedded"}),
    "the engine": (append("build/imagemill/engine/embedded/__init__.py", "\n"), ALL, {"engine embedded"}),
    "the version of the builder": (
        edit("build/imagemill/__init__.py", '"([0-9.]+)"', r'"\1.1"'),
        ALL,
        {"builder", "engine embedded"},
    ),
    "a package of a runtime": (
        edit(LOCK, r'("python3.13-minimal": \{"version": "[^"]+)', r"\1+1"),
        PYTHON | BUILD,  # the toolchain has Debian's python3
        set(),
    ),
    "a package of the base": (edit(LOCK, r'("tzdata": \{"version": "[^"]+)', r"\1+1"), TRIXIE, {"system: lock, amd64"}),
    "a package of the toolchain": (
        edit(LOCK, r'("clang": \{"version": "[^"]+)', r"\1+1"),
        BUILD,
        {"toolchain: lock, amd64"},
    ),
    "a wheel": (
        edit(LOCK, r'("name": "awslambdaric", "version": "[^"]+)', r"\1.1"),
        PYTHON,
        {"language: lock, amd64"},
    ),
    "a platform less": (
        edit("runtimes/provided.al2023.yaml", "linux/amd64, linux/arm64", "linux/amd64"),
        {name for name in ALL if "provided.al2023" in name},
        {"system: lock, arm64"},
    ),
    # nothing is made anew
    "a comment in a manifest": (append("runtimes/python3.13.yaml", "# a comment\n"), set(), set()),
    "a comment in a template": (
        edit("templates/base.Dockerfile.j2", "^", "{#- a comment -#}\n"),
        set(),
        set(),
    ),
    "the order of keys": (
        edit("runtimes/python3.13.yaml", "name: python3.13\nfamily: python", "family: python\nname: python3.13"),
        set(),
        set(),
    ),
    "an accepted difference": (edit("runtimes/bases/debian-trixie.yaml", "debconf is left out", "it is"), set(), set()),
    "what only checks read": (edit("runtimes/python3.13.yaml", "contains: Python 3.13.", "contains: P"), set(), set()),
    "an example": (edit("runtimes/python3.13.yaml", "Hello, x!", "Hi, x!"), set(), set()),
    "a test of the init": (append("build/init/main_test.go", "package main\n"), set(), set()),
    "a check": (append("build/imagemill/conform/files.py", "\n"), set(), set()),
    "the command line": (append("build/imagemill/cli/images.py", "\n"), set(), set()),
    "who downloads": (append("build/imagemill/fetch.py", "\n"), set(), set()),
    "another engine": (append("build/imagemill/engine/buildah.py", "\n"), set(), set()),
    "the date of the lock": (edit(LOCK, r'"date": \d', '"date": 9'), set(), set()),
    "a cache of Python": (cached, set(), set()),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_makes_exactly_these_images_anew(name: str, checkout: Path) -> None:
    change, expected, reasons = CHANGES[name]
    change(checkout)
    after = parts(checkout)
    assert {image for image in ALL if after[image][""] != BEFORE[image][""]} == expected
    for image in expected:
        assert {part for part in reasons if part in BEFORE[image]} <= set(differences(BEFORE[image], after[image]))
    for image in ALL - expected:
        assert after[image] == BEFORE[image]


def test_the_engine_and_the_set_time_are_inputs() -> None:
    image = select(IMAGES, ["python3.13"])[0]
    lock = locks.read(locks.path_of(ROOT, image.base.name))
    hashes, layers = set(), []
    for renderer in (
        Renderer(ROOT),
        Renderer(ROOT, engine="buildah"),
        Renderer(ROOT, epoch=1),
        Renderer(ROOT, epoch=2),
    ):
        rendered = renderer.render(image)
        hashes.add(renderer.input_hash(rendered, lock))
        layers.append(renderer.layer_hash(image, rendered.recipes[0], lock, "amd64"))
    assert len(hashes) == 4
    assert layers[0] == layers[1]  # whoever executes the Dockerfile: its layers are the factory's
    assert len(set(layers)) == 3


def test_a_lock_that_is_another_object_is_read_anew() -> None:
    """A renderer outlives a lock that had to be resolved again."""
    image = select(IMAGES, ["python3.13"])[0]
    renderer = Renderer(ROOT)
    rendered = renderer.render(image)
    lock = locks.read(locks.path_of(ROOT, image.base.name))
    before = renderer.parts(rendered, lock)
    inputs = lock.sets["python3.13"]["amd64"]
    first = replace(inputs.debian[0], version="0")
    changed = replace(inputs, debian=(first, *inputs.debian[1:]))
    fresh = replace(lock, sets={**lock.sets, "python3.13": {**lock.sets["python3.13"], "amd64": changed}})
    assert "language: lock, amd64" in differences(before, renderer.parts(rendered, fresh))


def test_the_database_of_packages_is_made_anew_when_a_layer_below_it_changes(checkout: Path) -> None:
    """Its lists name the places of files, which a manifest moves and drops."""

    def key(root: Path) -> str:
        renderer, image = Renderer(root), select(plan(load(root)), ["python3.13"])[0]
        lock = locks.read(locks.path_of(root, image.base.name))
        return renderer.layer_hash(image, renderer.render(image).recipes[-1], lock, "amd64")

    before = key(checkout)
    edit("runtimes/nodejs24.x.yaml", "only: \\[include\\]", "only: [include, share]")(checkout)
    assert key(checkout) == before
    edit("runtimes/python3.13.yaml", "python: python3}", "python: python3.13}")(checkout)
    assert key(checkout) != before
