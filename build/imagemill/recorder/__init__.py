"""What a function lives in, written down: its environment, user, limits, descriptors, places it may write to.

`probe.sh` writes it down, in any Linux with a shell and coreutils; `bootstrap`, `python.py` and `nodejs.js` are
functions that call it, for a custom runtime and two managed ones. What they answer is a record, in our images and on
AWS alike.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from imagemill.errors import RecordError

FORMAT = "imagemill-record/1"

FUNCTIONS: Mapping[str, tuple[Mapping[str, str], str]] = {
    "provided": ({"bootstrap": "bootstrap"}, "any"),
    "python": ({"python.py": "lambda_function.py"}, "lambda_function.handler"),
    "nodejs": ({"nodejs.js": "index.js"}, "index.handler"),
}
"""Family of runtimes -> the files of its recording function (ours -> the function's), and its handler."""

_LIMITS = {"Max open files": "open files", "Max processes": "processes"}


@dataclass(frozen=True)
class Record:
    """What one invocation saw. `limits` are soft and hard ones as proc(5) words them."""

    environment: Mapping[str, str]
    argv: tuple[str, ...]
    uid: int
    gid: int
    groups: tuple[int, ...]
    capabilities: str
    limits: Mapping[str, str]
    cwd: str
    umask: str
    descriptors: Mapping[str, str]
    writable: tuple[str, ...]
    machine: str
    release: str
    zone: str
    charmap: str
    commands: tuple[str, ...]
    language: Mapping[str, Any]


@dataclass(frozen=True)
class Real:
    """A record of a real environment, and the file that it is from."""

    name: str
    record: Record


def parse(text: str, where: str) -> Record:
    """The record that a recording function answered. RecordError where `text`, which is from `where`, is none."""
    try:
        said = json.loads(text)
        if not isinstance(said, dict) or said.get("record") != 1:
            raise ValueError("no record of format 1")
        return _record(_sections(base64.b64decode(said["sections"], validate=True)), said.get("language") or {})
    except (ValueError, LookupError, TypeError) as error:
        raise RecordError(
            f"{where} is not what a recorder answers: {error}", "save the answer whole, as `aws lambda invoke` does"
        ) from None


def _sections(text: bytes) -> Mapping[str, str]:
    parts = re.split(r"\n@@(\w+)\n", text.decode("utf-8", "replace"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _record(said: Mapping[str, str], language: Mapping[str, Any]) -> Record:
    def lines(name: str) -> list[str]:
        return said[name].splitlines()

    def one(name: str) -> str:
        return said[name].strip()

    def pairs(name: str, sign: str) -> Mapping[str, str]:
        return dict(line.split(sign, 1) for line in lines(name) if sign in line)

    def words(name: str) -> list[str]:
        return said[name].rstrip("\0").split("\0")

    status = pairs("status", ":\t")
    return Record(
        environment=dict(sorted(word.split("=", 1) for word in words("environment") if "=" in word)),
        argv=tuple(words("cmdline")),
        uid=int(status["Uid"].split()[0]),
        gid=int(status["Gid"].split()[0]),
        groups=tuple(sorted(map(int, status.get("Groups", "").split()))),
        capabilities=status.get("CapEff", ""),
        limits=dict(_limits(lines("limits"))),
        cwd=one("cwd"),
        umask=one("umask"),
        descriptors=dict(sorted(re.findall(r"(\d+) -> (.*)", said["descriptors"]))),
        writable=tuple(lines("writable")),
        machine=one("machine"),
        release=pairs("release", "=").get("ID", "").strip('"'),
        zone=one("zone"),
        charmap=one("charmap"),
        commands=tuple(sorted(set(lines("commands")))),
        language=language,
    )


def _limits(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name = line[:26].strip()
        if name in _LIMITS:
            soft, hard = line[26:].split()[:2]
            yield _LIMITS[name], f"{soft} {hard}"


def dump(record: Record) -> str:
    """A record as the text of a facts file, without secrets: credentials are left out."""
    plain = asdict(record)
    plain["environment"] = {k: "(left out)" if k in SECRETS and v else v for k, v in record.environment.items()}
    return json.dumps({"format": FORMAT, **plain}, indent=1, sort_keys=True) + "\n"


SECRETS = frozenset(
    {"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    | {"AWS_SECURITY_TOKEN", "AWS_LAMBDA_METADATA_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"}
)


def load(path: Path) -> Real:
    """The record in a facts file, called by its path. RecordError where there is none."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said.pop("format") != FORMAT:
            raise ValueError("another format")
        tuples = {field.name for field in fields(Record) if str(field.type).startswith("tuple")}
        values: dict[str, Any] = {k: tuple(value) if k in tuples else value for k, value in said.items()}
        return Real(str(path), Record(**values))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{path} is no facts file: {error}", "write one with `imagemill record facts`") from None


def function(family: str) -> bytes:
    """The recording function of a family of runtimes, as the zip that AWS Lambda takes; the same bytes each time."""
    import io
    import stat
    import zipfile

    files, _ = FUNCTIONS[family]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for ours, theirs in sorted({**files, "probe.sh": "probe.sh"}.items()):
            info = zipfile.ZipInfo(theirs, (1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # Unix, so that the mode counts
            info.external_attr = (stat.S_IFREG | 0o755) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, (folder() / ours).read_bytes())
    return buffer.getvalue()


def folder() -> Path:
    """Where the functions are, for containers that have it at /var/task."""
    return Path(__file__).parent
