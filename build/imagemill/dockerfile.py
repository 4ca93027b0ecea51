"""The Dockerfile language as far as the factory renders it: parsed into instructions, values expanded.

Source: the Dockerfile reference. The subset has no RUN: FROM scratch, ARG, ADD, COPY, ENV, LABEL, USER,
WORKDIR, EXPOSE, STOPSIGNAL, VOLUME, ENTRYPOINT and CMD in their exec form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from imagemill.errors import DockerfileError

_KEYWORDS = "FROM ARG ADD COPY ENV LABEL USER WORKDIR EXPOSE STOPSIGNAL VOLUME ENTRYPOINT CMD"
KNOWN = frozenset(_KEYWORDS.split(" "))
_VARIABLE = re.compile(r"\\(.)|\$(?:(\w+)|\{(\w+)(?:(:[-+])([^}]*))?\})", re.DOTALL)


@dataclass(frozen=True)
class Instruction:
    """One instruction: its keyword in capitals, its `--flags`, the rest of its line, and where it began."""

    keyword: str
    flags: Mapping[str, str]
    rest: str
    line: int

    def fail(self, problem: str, remedy: str) -> DockerfileError:
        """The error for this instruction."""
        return DockerfileError(f"Dockerfile line {self.line}: {self.keyword}: {problem}", remedy)

    def words(self, variables: Mapping[str, str]) -> list[str]:
        """The rest as words, quotes removed and variables expanded; a JSON array is taken as it is."""
        array = self.array()
        if array is not None:
            return [expand(word, variables) for word in array]
        return [_word(token, variables) for token in self._tokens()]

    def array(self) -> list[str] | None:
        """The rest as a JSON array of strings, or None when it is not one."""
        if not self.rest.startswith("["):
            return None
        try:
            data = json.loads(self.rest)
        except ValueError:
            return None
        return data if isinstance(data, list) and all(isinstance(word, str) for word in data) else None

    def pairs(self, variables: Mapping[str, str]) -> list[tuple[str, str]]:
        """The rest as `name=value` pairs (ENV, LABEL, ARG); the old `ENV name value` form too."""
        tokens = self._tokens()
        if not tokens:
            raise self.fail("has no arguments", "give name=value")
        if "=" not in tokens[0]:
            name, _, value = self.rest.partition(" ")
            if self.keyword == "ARG":
                return [(token, "") for token in tokens]
            if not value.strip():
                raise self.fail(f"{name!r} has no value", "write name=value")
            return [(name, _word(value.strip(), variables))]
        pairs = []
        for token in tokens:
            name, equals, value = token.partition("=")
            if not equals:
                raise self.fail(f"{token!r} is not name=value", "write name=value, quoted where it has spaces")
            pairs.append((_word(name, variables), _word(value, variables)))
        return pairs

    def _tokens(self) -> list[str]:
        """Words split at unquoted space, quotes and backslashes still in them."""
        try:
            return _split(self.rest)
        except ValueError as error:
            raise self.fail(str(error), "close the quote") from None


def parse(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile. Raises DockerfileError for what is outside the subset."""
    found = []
    for line, logical in _logical_lines(text):
        keyword, _, rest = logical.strip().partition(" ")
        keyword = keyword.upper()
        flags: dict[str, str] = {}
        rest = rest.strip()
        while match := re.match(r"--([a-z-]+)(?:=(\S+))?\s+", rest):
            flags[match[1]] = match[2] or "true"
            rest = rest[match.end() :]
        instruction = Instruction(keyword, flags, rest, line)
        if keyword not in KNOWN:
            remedy = "build it with --engine docker or --engine buildah" if keyword == "RUN" else "remove it"
            raise instruction.fail("is not in the subset of the embedded engine", remedy)
        found.append(instruction)
    if not found or found[0].keyword not in ("FROM", "ARG"):
        raise DockerfileError("Dockerfile line 1: does not begin with FROM", "begin it with FROM scratch")
    return found


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$NAME`, `${NAME}`, `${NAME:-word}` and `${NAME:+word}` replaced; an unknown name is empty."""

    def replace(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[1]
        value = variables.get(match[2] or match[3], "")
        if match[4] == ":-":
            return value or expand(match[5], variables)
        if match[4] == ":+":
            return expand(match[5], variables) if value else ""
        return value

    return _VARIABLE.sub(replace, text)


def _word(token: str, variables: Mapping[str, str]) -> str:
    """One word with its quotes removed: nothing is expanded inside single quotes."""
    parts = []
    for quoted in re.finditer(r"'([^']*)'|\"((?:[^\"\\]|\\.)*)\"|((?:[^'\"\\]|\\.)+)", token, re.DOTALL):
        if quoted[1] is not None:
            parts.append(quoted[1])
        elif quoted[2] is not None:
            # inside double quotes a backslash escapes only what is special there
            text = re.sub(r"\\([^\"\\$])", r"\\\\\1", quoted[2])
            parts.append(expand(text, variables))
        else:
            parts.append(expand(quoted[3], variables))
    return "".join(parts)


def _split(text: str) -> list[str]:
    tokens: list[str] = []
    current, quote, escaped = "", "", False
    for char in text:
        if escaped:
            current, escaped = current + char, False
        elif char == "\\" and quote != "'":
            current, escaped = current + char, True
        elif quote:
            current += char
            quote = "" if char == quote else quote
        elif char in "'\"":
            current, quote = current + char, char
        elif char.isspace():
            tokens += [current] if current else []
            current = ""
        else:
            current += char
    if quote:
        raise ValueError(f"a {quote} is not closed")
    return tokens + ([current] if current else [])


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines joined at a trailing backslash; comments and empty lines left out, between them too."""
    pending, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or (not line.strip() and not pending):
            continue
        if not line.strip():
            continue
        start = start or number
        if line.rstrip().endswith("\\"):
            pending += line.rstrip()[:-1] + " "
            continue
        yield start, pending + line.strip()
        pending, start = "", 0
    if pending.strip():
        yield start, pending.strip()
