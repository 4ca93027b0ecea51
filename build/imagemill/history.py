"""What each step of a Dockerfile did, in people's words: the comments of an image's history.

`docker history` and registries' pages show them beside the instruction itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_ARCHIVES = {
    "system": "the operating system: packages, users, certificates",
    "init": "process 1, which runs functions and answers for them",
    "toolchain": "compilers and tools for building",
    "language": "the language's runtime and what it starts functions with",
    "build": "what building for this language needs",
    "packages": "the record of all packages, for dpkg and for scanners",
}
"""The layers of plan.LAYERS."""

_NAME = re.compile(r"(?:^|\s)([A-Za-z_][\w.\-]*)=")


def told(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of an image's history with its comment; one that has a comment keeps it."""
    said = row.get("comment") or words(row.get("created_by", ""))
    return {**row, "comment": said} if said else dict(row)


def words(instruction: str) -> str:
    """What an instruction did, in a few words; empty for one that has no words here."""
    keyword, _, rest = instruction.partition(" ")
    rest = re.sub(r"^(--\S+\s+)+", "", rest.strip())
    match keyword:
        case "ADD" | "COPY":
            *sources, target = _arguments(rest) or [""]
            layer = re.match(r"([a-z]+)-", sources[0]) if len(sources) == 1 else None
            if target == "/" and layer and layer[1] in _ARCHIVES:
                return _ARCHIVES[layer[1]]
            return f"{', '.join(sources)} at {target}"
        case "ENV":
            return f"environment: {_names(rest)}"
        case "LABEL":
            return "labels: what the image is and where it comes from"
        case "ARG":
            return f"may be set when building: {rest.partition('=')[0]}"
        case "USER":
            return f"processes run as {rest}"
        case "WORKDIR":
            return f"processes start in {rest}"
        case "EXPOSE":
            return f"listens on {', '.join(rest.split())}"
        case "VOLUME":
            return f"data outside the image: {', '.join(_arguments(rest))}"
        case "STOPSIGNAL":
            return f"is stopped with {rest}"
        case "ENTRYPOINT":
            return f"starts {(_arguments(rest) or [''])[0]}"
        case "CMD":
            return "its arguments when none are given"
    return ""


def _arguments(rest: str) -> list[str]:
    try:
        found = json.loads(rest)
    except ValueError:
        return rest.split()
    return [str(one) for one in found] if isinstance(found, list) else rest.split()


def _names(rest: str) -> str:
    """The names in NAME="value" pairs, with what is quoted left out."""
    return ", ".join(_NAME.findall(re.sub(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'', "", rest)))
