"""The Dockerfile subset: lines, directives, flags and words, and a clear error for the rest."""

from __future__ import annotations

import pytest

from imagemill.dockerfile import parse
from imagemill.errors import DockerfileError

PAIRS = {
    "several": ("ENV A=1 B=2", [("A", "1"), ("B", "2")]),
    "quotes stay": ("ENV A=\"x y\" B='p q'", [("A", '"x y"'), ("B", "'p q'")]),
    "escaped space": (r"ENV A=x\ y", [("A", r"x\ y")]),
    "escaped quote": (r'ENV A="say \"hi\" " B=', [("A", r'"say \"hi\" "'), ("B", "")]),
    "no escape in single quotes": (r"ENV A='\' B=2", [("A", r"'\'"), ("B", "2")]),
    "continued": ("ENV A=1 \\\n    B=2", [("A", "1"), ("B", "2")]),
    "continued without space": ("ENV A=1\\\nB=2", [("A", "1B=2")]),
    "two backslashes continue nothing": ("ENV A=1\\\\\nENV B=2", [("A", "1\\\\")]),
    "space behind the backslash": ("ENV A=1 \\  \nB=2", [("A", "1"), ("B", "2")]),
    "comment between": ("ENV A=1 \\\n# not a value\n    B=2", [("A", "1"), ("B", "2")]),
    "empty line between": ("ENV A=1 \\\n\n    B=2", [("A", "1"), ("B", "2")]),
    "backslash at the end": ("ENV A=1 \\", [("A", "1")]),
    "old form": ("ENV A some value", [("A", "some value")]),
    "old form keeps space": ('ENV A  "b"  c', [("A", '"b"  c')]),
    "empty value": ("ENV A=", [("A", "")]),
    "equals in value": ("ENV A=b=c", [("A", "b=c")]),
    "argument without value": ("ARG A B=c", [("A", None), ("B", "c")]),
    "carriage returns": ("ENV A=1 \\\r\n B=2\r", [("A", "1"), ("B", "2")]),
    "lower case": ("env A=1", [("A", "1")]),
    "tab": ("ENV\tA=1", [("A", "1")]),
}


@pytest.mark.parametrize("name", PAIRS)
def test_pairs(name: str) -> None:
    text, expected = PAIRS[name]
    assert parse("FROM scratch\n" + text)[1].pairs() == expected


WORDS = {
    "space": ("COPY a  b\tc", ["a", "b", "c"]),
    "no quotes": ('COPY "a b" c', ['"a', 'b"', "c"]),
    "array": ('COPY ["a b", "c"]', ["a b", "c"]),
    "text behind an array": ('COPY ["a", "b"] c', ["a", "b"]),
    "no array": ("COPY [ab] c", ["[ab]", "c"]),
    "flags end": ("COPY -- --a b", ["--a", "b"]),
}


@pytest.mark.parametrize("name", WORDS)
def test_words(name: str) -> None:
    text, expected = WORDS[name]
    assert parse("FROM scratch\n" + text)[1].words() == expected


def test_flags() -> None:
    [_, add] = parse("FROM scratch\nADD --chown=1:2 --chmod='0755' system-${ARCH}.tar /")
    assert add.flags == {"chown": "1:2", "chmod": "0755"}
    assert add.words() == ["system-${ARCH}.tar", "/"]
    assert add.spelled == "ADD --chown=1:2 --chmod=0755 system-${ARCH}.tar /"


def test_lines_are_numbered_where_they_begin() -> None:
    text = "# about\n\nFROM scratch\nENV A=1 \\\n  B=2\nUSER x\n"
    assert [(i.keyword, i.line) for i in parse(text)] == [("FROM", 3), ("ENV", 4), ("USER", 6)]


DIRECTIVES = {
    "backtick": ("# escape=`\nFROM scratch\nENV A=1 `\n B=2", "`"),
    "after syntax": ("#syntax=x\n# ESCAPE = `\nFROM scratch", "`"),
    "too late": ("# a comment\n# escape=`\nFROM scratch", "\\"),
    "behind an empty line": ("\n# escape=`\nFROM scratch", "\\"),
    "unknown": ("# other=1\n# escape=`\nFROM scratch", "\\"),
    "byte order mark": ("\ufeff# escape=`\nFROM scratch", "`"),
}


@pytest.mark.parametrize("name", DIRECTIVES)
def test_directives(name: str) -> None:
    text, expected = DIRECTIVES[name]
    assert {instruction.escape for instruction in parse(text)} == {expected}


REFUSED = {
    "RUN": ("FROM scratch\nRUN true", "Dockerfile line 2: RUN", "--engine docker"),
    "HEALTHCHECK": ("FROM scratch\nHEALTHCHECK NONE", "line 2: HEALTHCHECK", "--engine docker"),
    "unknown": ("FROM scratch\nFETCH x", "line 2: FETCH", "remove it"),
    "unknown flag": ("FROM scratch\nCOPY --link a b", "line 2: COPY: --link is not", "--chmod=..., --chown=..."),
    "flag of another": ("FROM scratch\nADD --from=x a b", "line 2: ADD: --from=x is not", "--chown"),
    "flag twice": ("FROM scratch\nADD --chown=1 --chown=2 a b", "--chown=2 is not", "each once"),
    "no FROM": ("ARG A\nUSER x", "line 2: does not begin with FROM", "FROM scratch"),
    "only arguments": ("ARG A", "does not begin with FROM", "FROM scratch"),
    "nothing": ("# only a comment", "does not begin with FROM", "FROM scratch"),
    "nothing said": ("FROM scratch\nUSER", "line 2: USER: has no arguments", "say what"),
    "two escapes": ("# escape=`\n# escape=`\nFROM scratch", "two escape directives", "keep one"),
    "odd escape": ("# escape=x\nFROM scratch", "escape=x is no escape", "`"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_outside_the_subset_is_refused(name: str) -> None:
    text, message, remedy = REFUSED[name]
    with pytest.raises(DockerfileError, match=message) as caught:
        parse(text)
    assert remedy in caught.value.remedy


MALFORMED = {
    "no value": ("ENV A", "'A' has no value"),
    "no pair": ("ENV A=1 B", "'B' is not name=value"),
    "no name": ("LABEL =1", "'=1' has no name"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_pairs_that_are_none(name: str) -> None:
    text, message = MALFORMED[name]
    with pytest.raises(DockerfileError, match=message):
        parse("FROM scratch\n" + text)[1].pairs()


def test_an_array_of_more_than_strings() -> None:
    with pytest.raises(DockerfileError, match="more than strings"):
        parse("FROM scratch\nCMD [1]")[1].array()
