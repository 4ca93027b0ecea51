"""Words of a Dockerfile: split at spaces, quotes taken off, variables replaced, as BuildKit does it.

Source: Dockerfile reference, "Environment replacement" and "Parser directives".
"""

from __future__ import annotations

from collections.abc import Mapping

_SPECIAL = frozenset("@*#?-$!0")  # names of one character that a shell has; nothing sets them


def split(text: str, escape: str = "\\") -> list[str]:
    """Words split at unquoted space, with their quotes and escapes. ValueError for a quote that is not closed."""
    words: list[str] = []
    current, quote, escaped, begun = "", "", False, False
    for char in text:
        if escaped:
            current, escaped = current + char, False
        elif char == escape and quote != "'":
            current, escaped, begun = current + char, True, True
        elif quote:
            current += char
            quote = "" if char == quote else quote
        elif char in "'\"":
            current, quote, begun = current + char, char, True
        elif char.isspace():
            words += [current] if begun else []
            current, begun = "", False
        else:
            current, begun = current + char, True
    if quote:
        raise ValueError(f"a {quote} is not closed")
    return words + ([current] if begun else [])


def expand(word: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """A word with quotes and escapes taken off and variables replaced; one that is not set is empty.

    `$NAME`, `${NAME}`, `${NAME:-word}`, `${NAME:+word}` and `${NAME:?message}` are known. Raises ValueError for
    anything else after a dollar and for quotes that are not closed.
    """
    return _Expansion(word, variables, escape).until("")


class _Expansion:
    def __init__(self, text: str, variables: Mapping[str, str], escape: str) -> None:
        self._text, self._variables, self._escape = text, variables, escape
        self._at = 0

    def until(self, stop: str) -> str:
        """Everything up to `stop`, which is left behind; the end of the text for none."""
        found = ""
        while char := self._next():
            if char == stop:
                return found
            if char == "'":
                found += self._single()
            elif char == '"':
                found += self._double()
            elif char == "$":
                found += self._variable()
            elif char == self._escape:
                found += self._next()
            else:
                found += char
        if stop:
            raise ValueError(f"a {stop} is missing in {self._text!r}")
        return found

    def _next(self) -> str:
        char = self._peek()
        self._at += len(char)
        return char

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _single(self) -> str:
        end = self._text.find("'", self._at)
        if end < 0:
            raise ValueError("a ' is not closed")
        found, self._at = self._text[self._at : end], end + 1
        return found

    def _double(self) -> str:
        found = ""
        while char := self._next():
            if char == '"':
                return found
            if char == "$":
                found += self._variable()
            elif char == self._escape and self._peek() in ('"', "$", self._escape):
                found += self._next()
            else:
                found += char
        raise ValueError('a " is not closed')

    def _variable(self) -> str:
        if self._peek() != "{":
            name = self._name()
            return self._variables.get(name, "") if name else "$"
        self._next()
        name = self._name()
        value = self._variables.get(name, "")
        if not name:
            raise ValueError(f"a name is missing in {self._text!r}")
        match self._next():
            case "}":
                return value
            case ":":
                return self._modified(name, value)
        raise ValueError(f"{self._text!r}: ${{{name}…}} is not a form that is known")

    def _modified(self, name: str, value: str) -> str:
        form = self._next()
        word = self.until("}")
        match form:
            case "-":
                return value or word
            case "+":
                return word if value else ""
            case "?":
                if not value:
                    raise ValueError(f"{name}: {word or 'is not set'}")
                return value
        raise ValueError(f"{self._text!r}: ${{{name}:{form}…}} is not a form that is known")

    def _name(self) -> str:
        start = self._at
        first = self._peek()
        if first in _SPECIAL:
            return self._next()
        digits = first.isdigit()
        while (
            (char := self._peek()) and char.isascii() and (char.isdigit() if digits else char.isalnum() or char == "_")
        ):
            self._at += 1
        return self._text[start : self._at]
