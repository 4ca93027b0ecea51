"""Versions of Debian packages: their order and constraints on them (deb-version(7), Debian Policy 5.6.12 and 7.1)."""

from __future__ import annotations

import re


def fits(version: str, relation: str, wanted: str) -> bool:
    """Whether a version keeps to a constraint such as `>= 2.41`; an empty relation fits all."""
    if not relation:
        return True
    order = compare(version, wanted)
    return {"<<": order < 0, "<=": order <= 0, "=": order == 0, ">=": order >= 0, ">>": order > 0}[relation]


def compare(one: str, other: str) -> int:
    """Negative, zero or positive as version `one` is older than, as old as, or newer than `other` (deb-version(7))."""
    (epoch_one, upstream_one, revision_one), (epoch_other, upstream_other, revision_other) = _split(one), _split(other)
    if epoch_one != epoch_other:
        return epoch_one - epoch_other
    return _compare_part(upstream_one, upstream_other) or _compare_part(revision_one, revision_other)


def _split(version: str) -> tuple[int, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return int(epoch), upstream if dash else rest, revision if dash else "0"


def _compare_part(one: str, other: str) -> int:
    while one or other:
        (words_one, one), (words_other, other) = _take(one, r"\D*"), _take(other, r"\D*")
        for a, b in zip([*map(_rank, words_one), 0], [*map(_rank, words_other), 0], strict=False):
            if a != b:
                return a - b
        (digits_one, one), (digits_other, other) = _take(one, r"\d*"), _take(other, r"\d*")
        difference = int(digits_one or "0") - int(digits_other or "0")
        if difference:
            return difference
    return 0


def _take(text: str, pattern: str) -> tuple[str, str]:
    taken = re.match(pattern, text)
    end = taken.end() if taken else 0
    return text[:end], text[end:]


def _rank(char: str) -> int:
    """A tilde sorts before the end of the part, letters before everything else."""
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256
