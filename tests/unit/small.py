"""A checkout of one small base and one small runtime, whose packages a mirror on loopback has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result
from mirror import Server

from imagemill.cli import main

ROOT = Path(__file__).parents[2]
BASE, RUNTIME = "debian-trixie", "provided.al2023"
DATE = "Fri, 02 Jan 2026 03:04:05 UTC"


class Checkout:
    """Manifests in a folder of their own, and the command line in it."""

    def __init__(self, root: Path, mirror: Server, *arches: str) -> None:
        self.root, self.mirror, self.arches = root, mirror, arches or ("amd64",)
        platforms = [f"linux/{arch}" for arch in self.arches]
        self._env = {**mirror.mirrors().environ, "IMAGEMILL_STATE": str(root / "state")}
        base = self.read(f"bases/{BASE}", ROOT)
        base |= {"platforms": platforms, "drop": [], "tools": [], "build_tools": []}
        base |= {"system": {"packages": ["bash", "zlib"]}, "toolchain": {}}
        runtime = self.read(RUNTIME, ROOT)
        runtime |= {"platforms": platforms, "bases": {"debian": {"base": BASE}}}
        root.mkdir()
        for name in ("templates", "build"):
            (root / name).symlink_to(ROOT / name)
        self.write(f"bases/{BASE}", base)
        self.write(RUNTIME, runtime)

    def read(self, name: str, root: Path | None = None) -> dict[str, Any]:
        """A manifest, by its path below runtimes."""
        data = yaml.safe_load(((root or self.root) / "runtimes" / f"{name}.yaml").read_text())
        assert isinstance(data, dict)
        return data

    def write(self, name: str, data: dict[str, Any]) -> None:
        """Write a manifest."""
        path = self.root / "runtimes" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(data | {k: str(v) for k, v in data.items() if k in ("released", "deprecated")}))

    def language(self, **layer: Any) -> None:
        """Have the runtime's language layer say this."""
        runtime = self.read(RUNTIME)
        runtime["bases"]["debian"]["language"] = layer
        self.write(RUNTIME, runtime)

    def publish(self, suite: str, *packages: str) -> None:
        """Have a suite of the mirror offer packages, each `name version`."""
        archive = "debian-security" if suite.endswith("-security") else "debian"
        rows = {
            arch: [self.mirror.deb(*package.split(), arch=arch, archive=archive) for package in packages]
            for arch in self.arches
        }
        self.mirror.publish(suite, rows, DATE, archive)

    def mill(self, *args: str, settings: Sequence[tuple[str, str]] = ()) -> Result:
        """Run a command of imagemill here."""
        return CliRunner().invoke(main, ["--root", str(self.root), *args], env={**self._env, **dict(settings)})
