"""The Dockerfile language without RUN: parsed into stages of instructions.

Source: the Dockerfile reference. The subset: FROM scratch or an earlier stage, ARG, ADD, COPY, ENV, LABEL, USER,
WORKDIR, EXPOSE, STOPSIGNAL, VOLUME, ENTRYPOINT and CMD. ADD knows no URLs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from imagemill import dockerwords
from imagemill.errors import DockerfileError

_KEYWORDS = "FROM ARG ADD COPY ENV LABEL USER WORKDIR EXPOSE STOPSIGNAL VOLUME ENTRYPOINT CMD"
KNOWN = frozenset(_KEYWORDS.split(" "))
_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S+)\s*$")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its keyword in capitals, its `--flags`, the rest of its line, and where it began."""

    keyword: str
    flags: Mapping[str, str]
    rest: str
    line: int
    escape: str = "\\"

    def fail(self, problem: str, remedy: str) -> DockerfileError:
        """The error for this instruction."""
        return DockerfileError(f"Dockerfile line {self.line}: {self.keyword}: {problem}", remedy)

    def expand(self, word: str, variables: Mapping[str, str]) -> str:
        """A word with its quotes taken off and its variables replaced."""
        try:
            return dockerwords.expand(word, variables, self.escape)
        except ValueError as error:
            raise self.fail(str(error), "see the Dockerfile reference, Environment replacement") from None

    def words(self, variables: Mapping[str, str]) -> list[str]:
        """The rest as words, a JSON array or separated by spaces, quotes removed and variables expanded."""
        array = self.array()
        return [self.expand(word, variables) for word in (self._tokens() if array is None else array)]

    def one(self, variables: Mapping[str, str]) -> str:
        """The rest as one word, spaces and all; variables may leave it empty."""
        if not self.rest:
            raise self.fail("takes one argument", "give one")
        return self.expand(self.rest, variables)

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
        """The rest as `name=value` pairs (ENV, LABEL); the old `ENV name value` form too."""
        tokens = self._tokens()
        if not tokens:
            raise self.fail("has no arguments", "give name=value")
        if "=" not in tokens[0]:
            name, value = _halves(self.rest)
            if not value:
                raise self.fail(f"{name!r} has no value", "write name=value")
            return [(self.expand(name, variables), self.expand(value, variables))]
        pairs = []
        for token in tokens:
            name, equals, value = token.partition("=")
            if not equals:
                raise self.fail(f"{token!r} is not name=value", "write name=value, quoted where it has spaces")
            pairs.append((self.expand(name, variables), self.expand(value, variables)))
        return pairs

    def arguments(self) -> list[tuple[str, str | None]]:
        """The rest of an ARG: names with the words of their defaults, None for those without."""
        found: list[tuple[str, str | None]] = []
        for token in self._tokens():
            name, equals, value = token.partition("=")
            found.append((name, value if equals else None))
        if not found:
            raise self.fail("has no arguments", "give a name, or name=value")
        return found

    @property
    def spelled(self) -> str:
        """The instruction as it stands, on one line."""
        flags = "".join(f" --{key}={value}" for key, value in self.flags.items())
        return f"{self.keyword}{flags} {self.rest}"

    def _tokens(self) -> list[str]:
        """Words split at unquoted space, quotes and backslashes still in them."""
        try:
            return dockerwords.split(self.rest, self.escape)
        except ValueError as error:
            raise self.fail(str(error), "close the quote") from None


@dataclass(frozen=True)
class Stage:
    """A build stage: its FROM, the name it has (empty for none), its number, and its instructions."""

    origin: Instruction
    name: str
    number: int
    instructions: tuple[Instruction, ...]


def parse(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile. Raises DockerfileError for what is outside the subset."""
    found = []
    escape = _escape(text)
    for line, logical in _logical_lines(text, escape):
        keyword, rest = _halves(logical.strip())
        keyword = keyword.upper()
        flags: dict[str, str] = {}
        rest = rest.strip()
        while match := re.match(r"--([a-z-]+)(?:=(\S+))?\s+", rest):
            flags[match[1]] = match[2] or "true"
            rest = rest[match.end() :]
        instruction = Instruction(keyword, flags, rest, line, escape)
        if keyword not in KNOWN:
            remedy = "build it with --engine docker or --engine buildah" if keyword == "RUN" else "remove it"
            raise instruction.fail("is not in the subset of the embedded engine", remedy)
        found.append(instruction)
    if not found or found[0].keyword not in ("FROM", "ARG"):
        raise DockerfileError("Dockerfile line 1: does not begin with FROM", "begin it with FROM scratch")
    return found


def stages(instructions: Sequence[Instruction]) -> tuple[list[Instruction], list[Stage]]:
    """The ARGs before the first FROM, and the stages. Raises DockerfileError where there is none."""
    heads = [number for number, one in enumerate(instructions) if one.keyword == "FROM"]
    if not heads:
        raise DockerfileError("Dockerfile: has no FROM", "begin it with FROM scratch")
    before = list(instructions[: heads[0]])
    for one in before:
        if one.keyword != "ARG":
            raise one.fail("comes before the first FROM", "only ARG may stand there")
    found = []
    for number, (start, end) in enumerate(zip(heads, [*heads[1:], len(instructions)], strict=True)):
        origin = instructions[start]
        words = origin.rest.split()
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
            raise origin.fail(f"{origin.rest!r} is not an image", "write FROM scratch, or FROM scratch AS name")
        name = words[2].lower() if len(words) == 3 else ""
        found.append(Stage(origin, name, number, tuple(instructions[start + 1 : end])))
    return before, found


def lineage(found: Sequence[Stage]) -> list[Instruction]:
    """The instructions of the last stage and of those that it is built on, in the order of their execution."""
    stage: Stage | None = found[-1]
    chain: list[Instruction] = []
    while stage is not None:
        chain = [*stage.instructions, *chain]
        stage = earlier(found, stage.origin.rest.split()[0], stage.number)
    return chain


def earlier(found: Sequence[Stage], name: str, before: int) -> Stage | None:
    """The stage of this name (or number) before the one with number `before`; None when there is none."""
    for stage in reversed(found[:before]):
        if stage.name and stage.name == name.lower():
            return stage
    return found[int(name)] if name.isdecimal() and int(name) < before else None


def _halves(text: str) -> tuple[str, str]:
    """The first word, and what comes after it."""
    word, *rest = re.split(r"\s+", text, maxsplit=1)
    return word, "".join(rest)


def _escape(text: str) -> str:
    """What the parser directives at the top say that escapes."""
    for line in text.splitlines():
        match = _DIRECTIVE.match(line.strip())
        if match is None:
            break
        if match[1].lower() == "escape":
            if match[2] not in ("\\", "`"):
                raise DockerfileError(f"Dockerfile: escape={match[2]} is not known", "use \\ or `")
            return match[2]
    return "\\"


def _logical_lines(text: str, escape: str) -> Iterator[tuple[int, str]]:
    """Lines joined where an escape ends them; comments and empty lines left out, between them too."""
    mark = re.escape(escape)
    continued = re.compile(rf"(?:^|(?<=[^{mark}])){mark}[ \t]*$")
    pending, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or not line.strip():
            continue
        start = start or number
        joined = continued.sub("", line)
        pending += joined
        if joined == line:
            yield start, pending.strip()
            pending, start = "", 0
    if pending.strip():
        yield start, pending.strip()
