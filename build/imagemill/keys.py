"""What a key of a manifest may hold: names, paths, platforms, environments, as types that check themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from imagemill.platforms import PLATFORMS


def _absolute_search_path(value: str) -> str:
    for part in value.split(":"):
        if not part.startswith("/"):
            raise ValueError(f"search path entry {part!r} is relative; start each entry with '/'")
    return value


def _known_environment(env: Mapping[str, str]) -> Mapping[str, str]:
    for key in ("PATH", "LD_LIBRARY_PATH"):
        if key in env:
            _absolute_search_path(env[key])
    return env


def _known_platforms(platforms: tuple[str, ...]) -> tuple[str, ...]:
    for name in platforms:
        if name not in PLATFORMS:
            raise ValueError(f"unknown architecture {name!r}; use {', '.join(sorted(PLATFORMS))}")
    if len(set(platforms)) != len(platforms):
        raise ValueError("a platform is listed twice; list each once")
    return platforms


def _known_words(url: str) -> str:
    words = ("version", "arch", "machine", "npm")
    for word in re.findall(r"\{([^{}]*)\}", url):
        if word not in words:
            raise ValueError(f"{{{word}}} stands for nothing; use {', '.join(f'{{{one}}}' for one in words)}")
    if re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", url)):
        raise ValueError("a brace has no partner; write {version}")
    return url


def _known_platform(name: str) -> str:
    return _known_platforms((name,))[0]


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Tag = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$")]
AbsPath = Annotated[str, StringConstraints(pattern=r"^/([^/\x00]+(/[^/\x00]+)*)?$")]
RelPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.@+-]+(/[A-Za-z0-9_.@+-]+)*$")]
Mode = Annotated[str, StringConstraints(pattern=r"^[0-7]{4}$")]
DebianName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
ImageName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9.-]+(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"),
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
PlatformName = Annotated[str, AfterValidator(_known_platform)]
Environment = Annotated[Mapping[EnvName, str], AfterValidator(_known_environment)]
Platforms = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_known_platforms)]
MinorVersion = Annotated[str, StringConstraints(pattern=r"^\d+\.\d+$")]
Url = Annotated[str, StringConstraints(pattern=r"^(https?://[^/@\s]+|debian:pool)/\S+$"), AfterValidator(_known_words)]
