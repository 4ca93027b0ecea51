"""Quotes, escapes and `$NAME` in the words of a Dockerfile, as BuildKit's word processor reads them.

Known are `$NAME`, `${NAME}`, `${NAME:-word}`, `${NAME:+word}`, `${NAME:?word}` and `${NAME?word}`; a word may hold
variables again. A name that is not set is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

_SPECIAL = "@*#?-$!0"  # names of one character, as in a shell; nothing sets them


def expand(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """One word: quotes removed, variables replaced. ValueError says what is wrong with it."""
    return _Reader(text, variables, escape).read()[0]


def expand_words(text: str, variables: Mapping[str, str], escape: str = "\\") -> list[str]:
    """The words that `text` becomes: an unquoted variable may hold several."""
    return _Reader(text, variables, escape).read()[1]


class _Reader:
    def __init__(self, text: str, variables: Mapping[str, str], escape: str) -> None:
        self._text = text
        self._at = 0
        self._variables = variables
        self._escape = escape

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        char = self._peek()
        self._at += 1
        return char

    def read(self, stop: str = "") -> tuple[str, list[str]]:
        """Up to `stop` or the end: the text, and the same as words."""
        words: list[str] = []
        text = word = ""
        while char := self._peek():
            if char == stop:
                self._next()
                return text, words + ([word] if word else [])
            splits = True
            if char == "'":
                piece, splits = self._single(), False
            elif char == '"':
                piece, splits = self._double(), False
            elif char == "$":
                piece = self._dollar()
            else:
                piece = self._next()
                if piece == self._escape:
                    piece, splits = self._next(), False
            text += piece
            for each in piece:
                if splits and each.isspace():
                    words += [word] if word else []
                    word = ""
                else:
                    word += each
        if stop:
            raise ValueError(f"a {stop} is missing")
        return text, words + ([word] if word else [])

    def _single(self) -> str:
        self._next()
        end = self._text.find("'", self._at)
        if end < 0:
            raise ValueError("a ' is not closed")
        piece, self._at = self._text[self._at : end], end + 1
        return piece

    def _double(self) -> str:
        self._next()
        piece = ""
        while char := self._peek():
            if char == '"':
                self._next()
                return piece
            if char == "$":
                piece += self._dollar()
                continue
            self._next()
            if char == self._escape:
                if not self._peek():
                    break
                if self._peek() in ('"', "$", self._escape):
                    char = self._next()
            piece += char
        raise ValueError('a " is not closed')

    def _dollar(self) -> str:
        self._next()
        if self._peek() != "{":
            name = self._name()
            return self._variables.get(name, "") if name else "$"
        self._next()
        if self._peek() in ("", "{", "}", ":"):
            raise ValueError("${ is not followed by a name")
        name = self._name()
        modifier = self._next()
        if modifier == "}":
            return self._variables.get(name, "")
        if modifier == ":":
            modifier += self._next()
        if modifier not in (":-", ":+", ":?", "?"):
            raise ValueError(f"${{{name}{modifier}...}} is not known: only :- :+ :? and ? are")
        word, _ = self.read("}")
        value = self._variables.get(name)
        if modifier == ":+":
            return word if value else ""
        if modifier == ":-":
            return value or word
        if value is None or (modifier == ":?" and not value):
            raise ValueError(f"{name}: {word or 'is not set'}")
        return value

    def _name(self) -> str:
        first = self._peek()
        if first.isdigit():
            return self._run(str.isdigit)
        if first and first in _SPECIAL:
            return self._next()
        return self._run(lambda char: char.isalnum() or char == "_")

    def _run(self, belongs: Callable[[str], bool]) -> str:
        start = self._at
        while self._peek() and belongs(self._peek()):
            self._at += 1
        return self._text[start : self._at]
