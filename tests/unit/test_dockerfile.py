"""The Dockerfile subset: parsing, quoting, expansion, and a clear error for the rest."""

from __future__ import annotations

import pytest

from imagemill.dockerfile import parse, stages
from imagemill.dockerwords import expand
from imagemill.errors import DockerfileError

VARIABLES = {"NAME": "value", "EMPTY": "", "ARCH": "amd64"}

EXPANSIONS = {
    "plain": ("a$NAME", "avalue"),
    "braces": ("${NAME}s", "values"),
    "unknown": ("[$NOPE]", "[]"),
    "default for unset": ("${NOPE:-x}", "x"),
    "default for empty": ("${EMPTY:-x}", "x"),
    "no default needed": ("${NAME:-x}", "value"),
    "alternative": ("${NAME:+yes}", "yes"),
    "alternative of empty": ("${EMPTY:+yes}", ""),
    "escaped": (r"\$NAME", "$NAME"),
    "nested default": ("${NOPE:-$ARCH}", "amd64"),
    "nested braces": ("${NOPE:-${ARCH}s}", "amd64s"),
    "required and there": ("${NAME:?no name}", "value"),
    "a dollar alone": ("a $ b$", "a $ b$"),
    "a name of digits": ("$1x", "x"),
    "a special name": ("$$x", "x"),
    "quotes go": ("'$NAME' \"$NAME\" a'b'c", "$NAME value abc"),
    "escapes in double quotes": (r'"\$NAME \a \" \\"', r'$NAME \a " ' + "\\"),
    "escapes outside": (r"\a\'\ ", "a' "),
}

REFUSED_WORDS = {
    "an open brace": ("${NAME", "not a form"),
    "an open default": ("${NAME:-x", "} is missing"),
    "no name": ("${}", "a name is missing"),
    "another form": ("${NAME#a}", "not a form that is known"),
    "another form with a colon": ("${NAME:=a}", "not a form that is known"),
    "required and not there": ("${NOPE:?give one}", "NOPE: give one"),
    "an open quote": ("'x", "is not closed"),
}


@pytest.mark.parametrize("name", REFUSED_WORDS)
def test_what_cannot_be_expanded(name: str) -> None:
    text, problem = REFUSED_WORDS[name]
    with pytest.raises(ValueError, match=problem):
        expand(text, VARIABLES)


@pytest.mark.parametrize("name", EXPANSIONS)
def test_expand(name: str) -> None:
    text, expected = EXPANSIONS[name]
    assert expand(text, VARIABLES) == expected


PAIRS = {
    "several": ("ENV A=1 B=2", [("A", "1"), ("B", "2")]),
    "quoted": ("ENV A=\"x y\" B='p q'", [("A", "x y"), ("B", "p q")]),
    "escaped space": (r"ENV A=x\ y", [("A", "x y")]),
    "continued within a word": ("ENV A=1\\\n2", [("A", "12")]),
    "an escaped end is no continuation": ("ENV A=1\\\\", [("A", "1\\")]),
    "continued": ("ENV A=1 \\\n    B=2", [("A", "1"), ("B", "2")]),
    "comment between": ("ENV A=1 \\\n# not a value\n    B=2", [("A", "1"), ("B", "2")]),
    "expanded": ('ENV A="$NAME"', [("A", "value")]),
    "single quotes keep": ("ENV A='$NAME'", [("A", "$NAME")]),
    "escaped dollar": (r'ENV A="\$NAME"', [("A", "$NAME")]),
    "escaped quote": (r'ENV A="say \"hi\""', [("A", 'say "hi"')]),
    "backslash": (r'ENV A="a\\b"', [("A", "a\\b")]),
    "old form": ("ENV A some value", [("A", "some value")]),
    "empty value": ("ENV A=", [("A", "")]),
    "equals in value": ("ENV A=b=c", [("A", "b=c")]),
}


@pytest.mark.parametrize("name", PAIRS)
def test_pairs(name: str) -> None:
    text, expected = PAIRS[name]
    [_, instruction] = parse("FROM scratch\n" + text)
    assert instruction.pairs(VARIABLES) == expected


def test_flags_and_words() -> None:
    [_, add] = parse("FROM scratch\nADD --chown=1:2 --chmod=0755 system-${ARCH}.tar /")
    assert add.flags == {"chown": "1:2", "chmod": "0755"}
    assert add.words(VARIABLES) == ["system-amd64.tar", "/"]


def test_lines_are_numbered_where_they_begin() -> None:
    text = "# about\n\nFROM scratch\nENV A=1 \\\n  B=2\nUSER x\n"
    assert [(i.keyword, i.line) for i in parse(text)] == [("FROM", 3), ("ENV", 4), ("USER", 6)]


REFUSED = {
    "RUN": ("FROM scratch\nRUN true", "Dockerfile line 2: RUN", "--engine docker"),
    "unknown": ("FROM scratch\nFETCH x", "line 2: FETCH", "remove it"),
    "no FROM": ("USER x", "does not begin with FROM", "FROM scratch"),
    "nothing": ("# only a comment", "does not begin with FROM", "FROM scratch"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_outside_the_subset_is_refused(name: str) -> None:
    text, message, remedy = REFUSED[name]
    with pytest.raises(DockerfileError, match=message) as caught:
        parse(text)
    assert remedy in caught.value.remedy


def test_an_open_quote_is_an_error() -> None:
    [_, env] = parse('FROM scratch\nENV A="x')
    with pytest.raises(DockerfileError, match='line 2: ENV: a " is not closed'):
        env.pairs({})


def test_stages() -> None:
    before, found = stages(parse("ARG A=1\nFROM scratch AS One\nENV A=1\nFROM one\nUSER x\nUSER y"))
    assert [one.rest for one in before] == ["A=1"]
    assert [(stage.name, stage.number, len(stage.instructions)) for stage in found] == [("one", 0, 1), ("", 1, 2)]


STAGES_REFUSED = {
    "no FROM": ("ARG A", "has no FROM"),
    "something before": ("ARG A\nENV B=1\nFROM scratch", "comes before the first FROM"),
    "a strange FROM": ("FROM scratch AS", "is not an image"),
}


@pytest.mark.parametrize("name", STAGES_REFUSED)
def test_stages_refused(name: str) -> None:
    text, problem = STAGES_REFUSED[name]
    with pytest.raises(DockerfileError, match=problem):
        stages(parse(text))


def test_another_escape() -> None:
    [_, env] = parse("# escape=`\nFROM scratch\nENV A=C:\\x` y `\n B=2")
    assert env.pairs({}) == [("A", "C:\\x y"), ("B", "2")]


def test_arguments() -> None:
    [arg, _] = parse('ARG A B=2 C="x y"\nFROM scratch')
    assert arg.arguments() == [("A", None), ("B", "2"), ("C", '"x y"')]
