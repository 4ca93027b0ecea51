"""Fixtures of the unit tests."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from mirror import GPGV, Server
from small_registry import SmallRegistry

from imagemill.plan import Image
from imagemill.render import Rendered, Renderer

ROOT = Path(__file__).parents[2]

# how long an example takes says more about the machine than about the code
settings.register_profile("imagemill", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("imagemill")


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """Ctrl-C interrupts, also where the tests run in the background of a shell, which has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A package mirror on loopback, and a stand-in for gpgv that knows its signatures."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "gpgv").write_text(GPGV)
    (programs / "gpgv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    server = Server(tmp_path)
    yield server
    server.close()


@pytest.fixture
def make() -> Iterator[Callable[..., SmallRegistry]]:
    """Makes small registries, and stops them."""
    with ExitStack() as made:
        yield lambda *words, **more: made.enter_context(closing(SmallRegistry(*words, **more)))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the checkout to spoil."""
    root = tmp_path / "checkout"
    for name in ("runtimes", "templates", "build", "tests/golden"):
        shutil.copytree(ROOT / name, root / name)
    shutil.copy(ROOT / "README.md", root)
    return root


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of images as they are rendered."""
    names: list[str] = []
    render = Renderer.render

    def noted(self: Renderer, image: Image) -> Rendered:
        names.append(image.name)
        return render(self, image)

    monkeypatch.setattr(Renderer, "render", noted)
    return names
