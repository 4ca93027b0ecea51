"""The Dockerfile language as far as the embedded engine executes it: text parsed into instructions.

Lines, comments, directives, flags and words are read as BuildKit 0.8 (Docker 20.10) reads them, the oldest that
builds what is rendered here; where newer ones take more, so may this one day. Variables stay as they are written.
Source: the Dockerfile reference, and BuildKit's behaviour (tests/images/test_dockerfile_fuzz.py compares).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from imagemill.errors import DockerfileError

_FLAGS = {"FROM": {"platform"}, "ADD": {"chown", "chmod"}, "COPY": {"chown", "chmod", "from"}}
_PLAIN = {"ARG", "ENV", "LABEL", "USER", "WORKDIR", "EXPOSE", "STOPSIGNAL", "VOLUME", "ENTRYPOINT", "CMD"}
KNOWN = frozenset({*_FLAGS, *_PLAIN})
_ELSEWHERE = frozenset({"RUN", "HEALTHCHECK", "SHELL", "ONBUILD"})
_SPACE = re.compile(r"[\t\v\f\r ]+")
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$")
_FLAG = re.compile(r"--([a-z-]+)=(.*)", re.DOTALL)


@dataclass(frozen=True)
class Instruction:
    """One instruction: its keyword in capitals, its `--flags`, the rest of its line, and where it began.

    `escape` is the character that escapes others in it: a backslash, or a backtick where a directive says so.
    """

    keyword: str
    flags: Mapping[str, str]
    rest: str
    line: int
    escape: str = "\\"

    @property
    def spelled(self) -> str:
        """How the history of an image names it."""
        flags = "".join(f" --{key}={value}" for key, value in self.flags.items())
        return f"{self.keyword}{flags} {self.rest}"

    def fail(self, problem: str, remedy: str) -> DockerfileError:
        """The error for this instruction."""
        return DockerfileError(f"Dockerfile line {self.line}: {self.keyword}: {problem}", remedy)

    def words(self) -> list[str]:
        """The rest as a JSON array or, when it is none, split at space; no quotes are known here."""
        array = self.array()
        return [word for word in _SPACE.split(self.rest) if word] if array is None else array

    def array(self) -> list[str] | None:
        """The rest as a JSON array of strings, or None when it is not one; what follows the array is ignored."""
        if not self.rest.startswith("["):
            return None
        try:
            data, _ = json.JSONDecoder().raw_decode(self.rest)
        except ValueError:
            return None
        if not all(isinstance(word, str) for word in data):
            raise self.fail("its array holds more than strings", 'write ["one", "two"]')
        return list(data)

    def pairs(self) -> list[tuple[str, str | None]]:
        """The rest as `name=value` pairs (ENV, LABEL, ARG), quotes still in them.

        The old `ENV name value` is known too; `ARG name` has no value (None).
        """
        tokens = list(self._tokens())
        if not tokens:
            raise self.fail("has no arguments", "give name=value")
        if "=" not in tokens[0] and self.keyword != "ARG":
            name, *value = _SPACE.split(self.rest, maxsplit=1)
            if not value:
                raise self.fail(f"{name!r} has no value", "write name=value")
            return [(name, value[0])]
        pairs: list[tuple[str, str | None]] = []
        for token in tokens:
            name, equals, text = token.partition("=")
            if not equals and self.keyword != "ARG":
                raise self.fail(f"{token!r} is not name=value", "write name=value, quoted where it has spaces")
            if not name:
                raise self.fail(f"{token!r} has no name", "write name=value")
            pairs.append((name, text if equals else None))
        return pairs

    def _tokens(self) -> Iterator[str]:
        """Words split at space outside quotes, with their quotes and escapes."""
        word, quote, position = "", "", 0
        while position < len(self.rest):
            char = self.rest[position]
            position += 1
            if char == self.escape and quote != "'":
                if position < len(self.rest):  # at the end of the line it says nothing
                    word += char + self.rest[position]
                    position += 1
                continue
            if not quote and char.isspace():
                if word:
                    yield word
                word = ""
                continue
            if char == quote:
                quote = ""
            elif not quote and char in "'\"":
                quote = char
            word += char
        if word:
            yield word


def parse(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile. Raises DockerfileError for what is outside the subset."""
    escape = _escape(text)
    found = [_instruction(line, logical, escape) for line, logical in _logical_lines(text, escape)]
    first = next((instruction for instruction in found if instruction.keyword != "ARG"), None)
    if first is None or first.keyword != "FROM":
        line = first.line if first else 1
        raise DockerfileError(f"Dockerfile line {line}: does not begin with FROM", "begin it with FROM scratch")
    return found


def _instruction(line: int, logical: str, escape: str) -> Instruction:
    keyword, *rest = _SPACE.split(logical.strip(), maxsplit=1)
    keyword = keyword.upper()
    words, arguments = _flags(rest[0]) if rest else ([], "")
    bare = Instruction(keyword, {}, arguments.strip(), line, escape)
    if keyword not in KNOWN:
        other = "build it with --engine docker or --engine buildah" if keyword in _ELSEWHERE else "remove it"
        raise bare.fail("is not in the subset of the embedded engine", other)
    takes = _FLAGS.get(keyword, set())
    flags: dict[str, str] = {}
    for word in words:
        match = _FLAG.fullmatch(word)
        if match is None or match[1] not in takes or match[1] in flags:
            known = ", ".join(f"--{name}=..." for name in sorted(takes)) or "none"
            raise bare.fail(f"{word} is not one of its flags", f"known here: {known}, each once")
        flags[match[1]] = match[2]
    if not bare.rest:
        raise bare.fail("has no arguments", "say what it is to set")
    return Instruction(keyword, flags, bare.rest, line, escape)


def _flags(text: str) -> tuple[list[str], str]:
    """The leading words that begin with `--`, without their quotes, and what follows them."""
    words: list[str] = []
    word, quote, position = "", "", 0
    while position < len(text):
        char = text[position]
        if not word and not quote:
            if char.isspace():
                position += 1
                continue
            if not text.startswith("--", position):
                return words, text[position:]
        position += 1
        if char == "\\":
            word += text[position : position + 1]
            position += 1
        elif not quote and char.isspace():
            if word == "--":
                return words, text[position:]
            words.append(word)
            word = ""
        elif char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        else:
            word += char
    return words + ([word] if word not in ("", "--") else []), ""


def _escape(text: str) -> str:
    """The escape character: directives stand before everything else, each at most once."""
    seen: dict[str, str] = {}
    for line in text.removeprefix("\ufeff").split("\n"):
        match = _DIRECTIVE.match(line.strip())
        if match is None or match[1].lower() not in ("escape", "syntax"):
            break
        if match[1].lower() in seen:
            raise DockerfileError(f"Dockerfile: two {match[1]} directives", "keep one")
        seen[match[1].lower()] = match[2]
    found = seen.get("escape", "\\")
    if found not in ("\\", "`"):
        raise DockerfileError(f"Dockerfile: escape={found} is no escape character", "use ` or \\")
    return found


def _logical_lines(text: str, escape: str) -> Iterator[tuple[int, str]]:
    """Lines joined where one ends with a single escape character; comments and empty lines left out."""
    mark = re.escape(escape)
    continued = re.compile(rf"([^{mark}]){mark}[ \t]*$|^{mark}[ \t]*$")
    pending: str | None = None
    start = 0
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = line.removesuffix("\r")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if pending is None:
            pending, start, line = "", number, line.lstrip()
        joined = continued.sub(r"\1", line)
        pending += joined
        if joined == line:
            yield start, pending
            pending = None
    if pending is not None and pending.strip():
        yield start, pending
