"""How the embedded engine reads words and the patterns of COPY and .dockerignore."""

from __future__ import annotations

import pytest

from imagemill.engine import ignore
from imagemill.engine.embedded.expansion import expand, expand_words
from imagemill.engine.embedded.globs import is_glob, matches
from imagemill.errors import DockerfileError
from imagemill.filetree import Entry

VARIABLES = {"NAME": "value", "EMPTY": "", "ARCH": "amd64", "TWO": "a b"}

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
    "nested braces": ("${NOPE:-${ALSO:-${NAME}}}", "value"),
    "quotes in a default": ("${NOPE:-'$x }'}", "$x }"),
    "demanded": ("${NAME:?no}${EMPTY?no}", "value"),
    "double quotes": ('"$NAME  b"', "value  b"),
    "single quotes": ("'$NAME'", "$NAME"),
    "quotes within quotes": ("\"'$NAME'\"", "'value'"),
    "escapes in double quotes": (r'"\$NAME \" \\ \n"', r"$NAME " + '" ' + "\\" + r" \n"),
    "escapes outside": (r"\n\a\\", r"na" + "\\"),
    "escape at the end": ("a\\", "a"),
    "lone dollar": ("a$ $", "a$ $"),
    "digits are a name": ("$1a", "a"),
    "special names": ("[$#$@]", "[]"),
    "name ends at a dot": ("$NAME.x", "value.x"),
    "umlaut in a name": ("$NAMEä", ""),
}


@pytest.mark.parametrize("name", EXPANSIONS)
def test_expand(name: str) -> None:
    text, expected = EXPANSIONS[name]
    assert expand(text, VARIABLES) == expected


@pytest.mark.parametrize(
    "text", ["'a", '"a', '"a\\', "${NAME", "${", "${}", "${:-a}", "${NAME:-a", "${NAME-a}", "${NAME%a}", "${NOPE:?no}"]
)
def test_words_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        expand(text, VARIABLES)


def test_another_escape() -> None:
    assert expand(r"`$NAME \ a", VARIABLES, "`") == r"$NAME \ a"


def test_an_unquoted_variable_may_be_several_words() -> None:
    assert expand_words('x$TWO "$TWO" ${EMPTY} y', VARIABLES) == ["xa", "b", "a b", "y"]


GLOBS = {
    "star": ("a*", ["a", "ab", "a.b"], ["b", "a/b", ""]),
    "two stars are one": ("**", ["a", "ab"], ["a/b"]),
    "question mark": ("a?", ["ab", "aä"], ["a", "abc", "a/"]),
    "class": ("[a-cx]", ["a", "b", "x"], ["d", "-"]),
    "other class": ("[^a-c]", ["d", "/"], ["a"]),
    "only ^ negates": ("[!a]", ["!", "a"], ["b"]),
    "escaped": (r"\*[\]]", ["*]"], ["a]"]),
    "directories": ("*/b", ["a/b"], ["b", "a/c/b"]),
    "signs": ("a.b+", ["a.b+"], ["axb+", "a.bb"]),
    "upside down": ("[c-a]", [], ["a", "b", "c"]),
}


@pytest.mark.parametrize("name", GLOBS)
def test_globs(name: str) -> None:
    pattern, yes, no = GLOBS[name]
    assert [text for text in (*yes, *no) if matches(pattern, text)] == yes


@pytest.mark.parametrize("pattern", ["[a", "[]a]", "[a-]", "[-a]", "[", "[^]", "[\\", "a\\", "[a-b"])
def test_malformed_globs(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"class|backslash"):
        matches(pattern, "a")


def test_what_is_a_glob() -> None:
    assert [is_glob(text) for text in ("a", "a*", r"a\*", r"\\*", "[")] == [False, True, False, True, True]


IGNORED = {
    "name": ("a", ["a", "a/x"], ["b", "b/a"]),
    "slashes": ("/a/\n./b", ["a/x", "b"], ["c"]),
    "any depth": ("**/a", ["a", "x/a", "x/y/a/z"], ["xa"]),
    "below": ("a/**", ["a/x", "a/x/y"], ["a", "b"]),
    "between": ("a/**/c", ["a/c", "a/b/c", "a/b/b/c"], ["a/b"]),
    "star stops at a slash": ("*.md", ["a.md"], ["x/a.md", "md"]),
    "one below": ("*/a", ["x/a"], ["a", "x/y/a"]),
    "let in": ("a\n!a/keep", ["a", "a/x"], ["a/keep", "a/keep/y"]),
    "the last decides": ("*.md\n!README*.md\nREADME-secret.md", ["x.md", "README-secret.md"], ["README.md"]),
    "let in first": ("!a\na", ["a"], ["b"]),
    "all but": ("*\n!a", ["b", "b/c"], ["a", "a/x"]),
    "let in before it was out": ("[ab]/?\n![ab]", ["a/d", "a/d/e"], ["a", "a/dd", "c"]),
    "comment and space": ("# a\n  b  \n\n #c", ["b", "#c"], ["a", "c"]),
    "space behind the mark": ("b\n! b", [], ["b"]),
    "class": ("[ab]", ["a", "b/x"], ["c"]),
    "escaped": (r"\*", ["*"], ["a"]),
    "climbs": ("../a", ["a"] * 0, ["a"]),
    "root": ("/", [], ["a"]),
    "mark of byte order": ("\ufeffa", ["a"], ["b"]),
}


@pytest.mark.parametrize("name", IGNORED)
def test_ignored(name: str) -> None:
    text, yes, no = IGNORED[name]
    ignored = ignore.reader(text)
    assert [path for path in (*yes, *no) if ignored(path)] == yes


def test_what_is_let_in_again_has_its_directories() -> None:
    tree = {name: Entry("dir" if name in ("a", "a/b") else "file") for name in ("a", "a/b", "a/b/c", "a/x")}
    assert set(ignore.visible(tree, "a\n!a/b/c")) == {"a", "a/b", "a/b/c"}


@pytest.mark.parametrize("text", ["a\\", "[a", "!", "[b-a]"])
def test_patterns_that_are_none(text: str) -> None:
    with pytest.raises(DockerfileError, match="dockerignore"):
        ignore.reader(text)
