"""JSON Schemas of manifests and reports, generated from the classes that check them."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import msgspec

from imagemill.diff import Diff
from imagemill.manifest import Base, Runtime
from imagemill.publish import settings
from imagemill.reports.summary import Document
from imagemill.verify import policy

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, str]:
    """Path below the project root -> text of the schema, for every kind of manifest and report."""
    return {
        "build/imagemill/diff/diff.schema.json": _schema(Diff, "Diff of two images"),
        "build/imagemill/reports/report.schema.json": _schema(Document, "Report of a conformance run"),
        settings.SCHEMA: _schema(settings.Settings, "publish.yaml: where images are published to"),
        policy.SCHEMA: _schema(policy.Policy, "Policy: what an image must be like to be trusted"),
        "runtimes/schema/base.json": _schema(Base, "Base: an operating system layer"),
        "runtimes/schema/runtime.json": _schema(Runtime, "Runtime: one Lambda runtime identifier"),
    }


def drift(root: Path) -> list[str]:
    """The schema files under `root` that are not what the classes say."""
    wrong = []
    for name, text in schemas().items():
        path = root / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            wrong.append(name)
    return wrong


def write(root: Path) -> None:
    """Write the schema files under `root`."""
    for name, text in schemas().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _schema(kind: type, title: str) -> str:
    data = msgspec.json.schema(kind)
    for one in data["$defs"].values():
        if "properties" in one:  # of dataclasses too, whose unknown keys msgspec lets pass
            one["additionalProperties"] = False
        if "description" in one:
            one["description"] = inspect.cleandoc(one["description"])
    return json.dumps({"$schema": DIALECT, **data, "title": title}, indent=1, sort_keys=True) + "\n"
