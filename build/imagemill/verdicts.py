"""What images were found to be, kept by digest: the same bytes held against the same things are judged once a day.

A day, because some checks ask what day it is (certificates expire). A failure is not kept: it is looked at again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import msgspec

from imagemill.conform.finding import Finding
from imagemill.fingerprint import hashed
from imagemill.plan import Image


@dataclass(frozen=True)
class Verdicts:
    """Findings kept in `folder`, by the imagemill in `package`, of the manifests in `root`, on the day of `time`."""

    folder: Path
    package: Path
    root: Path
    time: int

    def key(self, image: Image, platform: str, digest: str, *, labels: Mapping[str, str], engine: str) -> str:
        """Under what the findings on an image are kept: all that they can depend on.

        `digest` is that of its manifest, `labels` those that it must have, `engine` what runs it, or empty.
        """
        runtimes = self.root / "runtimes"
        files = (
            runtimes / f"{image.runtime.name}.yaml",
            runtimes / "bases" / f"{image.base.name}.yaml",
            runtimes / "lock" / f"{image.base.name}.json",
        )
        held_against = [image.name, platform, dict(labels), engine, self._day]
        return hashed([digest, held_against, self._judges, _contents(self.root, files)])

    def read(self, key: str) -> list[Finding] | None:
        """What was found before; None for nothing, or for a file that is damaged."""
        try:
            return [Finding(**row) for row in json.loads(self._file(key).read_bytes())]
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write(self, key: str, findings: Sequence[Finding]) -> None:
        """Keep findings, unless one fails. Those of other days go."""
        if any(finding.status == "fail" for finding in findings):
            return
        file = self._file(key)
        file.parent.mkdir(parents=True, exist_ok=True)
        staging = file.with_suffix(f".{os.getpid()}")
        staging.write_text(json.dumps(msgspec.to_builtins(findings)), encoding="ascii")
        staging.replace(file)
        for day in self.folder.iterdir():
            if day.name != self._day:
                shutil.rmtree(day, ignore_errors=True)

    def _file(self, key: str) -> Path:
        return self.folder / self._day / f"{key}.json"

    @property
    def _day(self) -> str:
        return datetime.fromtimestamp(self.time, UTC).strftime("%Y-%m-%d")

    @cached_property
    def _judges(self) -> str:
        """Hash of what judges: this program with its facts, and the functions that images are tried with."""
        files = [path for path in self.package.rglob("*") if path.suffix != ".pyc"]
        examples = [path for path in (self.root / "examples").rglob("*") if path.is_file()]
        return hashed([_contents(self.package, files), _contents(self.root, examples)])


def _contents(top: Path, files: Sequence[Path]) -> dict[str, str]:
    """Path below `top` -> hash of what is in it; nothing for a file that is not there."""
    return {
        path.relative_to(top).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file()
    }
