"""Fixtures of the unit tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from mirror import GPGV, Server


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
