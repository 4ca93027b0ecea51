"""What a key of a manifest may hold: names, paths, platforms, environments, as types that check themselves.

msgspec checks types, patterns and lengths. What it cannot, `known_…` functions do, which raise ValueError: structs ask
them when they are made. `imagemill.mistakes`, which explains, finds them as `extra["check"]` at their very key;
`extra["write"]` says in words what a pattern wants.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from msgspec import Meta

from imagemill.platforms import PLATFORMS

END = r"(?!\n)"
"""After `$`, which in Python's patterns also matches before a last newline; other dialects ignore it."""


def spelled(pattern: str, words: str = "", check: Callable[[str], None] | None = None) -> Meta:
    """What text must look like as a whole: a pattern from `^` to `$`, and the same in words for people.

    `check` raises ValueError with better words on what the pattern refuses.
    """
    return Meta(pattern=pattern + END, extra={"write": words or pattern, **({"check": check} if check else {})})


def known_environment(env: Mapping[str, str]) -> None:
    """ValueError for a search path with an entry that is relative, or empty, which is the working directory."""
    for key in ("PATH", "LD_LIBRARY_PATH"):
        for part in env[key].split(":") if key in env else ():
            if not part.startswith("/"):
                raise ValueError(f"search path entry {part!r} is relative; start each entry with '/'")


def known_platforms(platforms: Sequence[str]) -> None:
    """ValueError for a platform that there is not, or twice."""
    for name in platforms:
        known_platform(name)
    if len(set(platforms)) != len(platforms):
        raise ValueError("a platform is listed twice; list each once")


def known_platform(name: str) -> None:
    """ValueError for a platform that there is not."""
    if name not in PLATFORMS:
        raise ValueError(f"unknown architecture {name!r}; use {', '.join(sorted(PLATFORMS))}")


def known_words(url: str) -> None:
    """ValueError for a word in braces that stands for nothing."""
    for word in re.findall(r"\{([^{}]*)\}", url):
        if word not in _WORDS:
            raise ValueError(f"{{{word}}} stands for nothing; use {', '.join(f'{{{one}}}' for one in _WORDS)}")
    if re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", url)):
        raise ValueError("a brace has no partner; write {version}")


_WORDS = ("version", "arch", "machine", "npm")

Name = Annotated[str, spelled(r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Tag = Annotated[str, spelled(r"^[a-z0-9][a-z0-9._/-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$")]
AbsPath = Annotated[str, spelled(r"^/([^/\x00]+(/[^/\x00]+)*)?$", "an absolute path without a trailing slash")]
RelPath = Annotated[str, spelled(r"^[A-Za-z0-9_.@+-]+(/[A-Za-z0-9_.@+-]+)*$")]
Mode = Annotated[str, spelled(r"^[0-7]{4}$", 'four octal digits in quotes, as in "0755"')]
DebianName = Annotated[str, spelled(r"^[a-z0-9][a-z0-9+.-]+$")]
EnvName = Annotated[str, spelled(r"^[A-Za-z_][A-Za-z0-9_]*$")]
ImageName = Annotated[
    str, spelled(r"^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")
]
Sha256 = Annotated[str, spelled(r"^[0-9a-f]{64}$")]
PlatformName = Annotated[str, spelled(f"^({'|'.join(PLATFORMS)})$", check=known_platform)]
Environment = Annotated[Mapping[EnvName, str], Meta(extra={"check": known_environment})]
Platforms = Annotated[tuple[str, ...], Meta(min_length=1, extra={"check": known_platforms})]
MinorVersion = Annotated[str, spelled(r"^[0-9]+\.[0-9]+$")]
Url = Annotated[
    str,
    spelled(
        rf"^(https?://[^/@\s{{}}]+|debian:pool)/([^\s{{}}]|\{{({'|'.join(_WORDS)})\}})+$",
        "https://host/path, or debian:pool/path",
        known_words,
    ),
]
