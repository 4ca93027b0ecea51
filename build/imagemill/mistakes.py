"""Everything that is wrong with data that should be a struct: msgspec stops at the first mistake, people want all.

The walk follows the same types that msgspec checks against, and runs the checks of `imagemill.keys` on the way.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from msgspec import ValidationError, convert, inspect


@dataclass(frozen=True)
class Mistake:
    """One mistake: the key with its path (`bases.debian.base`), and what is wrong, as ` is missing; add it`.

    `unknown` is the last word of a key that the type does not have.
    """

    key: str
    what: str
    unknown: str = ""


def mistakes(data: object, kind: type) -> list[Mistake]:
    """All mistakes in data as YAML or JSON gives it, by what a struct or dataclass says of its fields."""
    return list(_find(data, _info(kind), (), {}))


@cache
def keys(*kinds: type) -> frozenset[str]:
    """The keys of these structs and of all that is in them."""
    found: set[str] = set()
    seen: set[type] = set()

    def visit(info: inspect.Type) -> None:
        if isinstance(info, inspect.StructType) and info.cls not in seen:
            seen.add(info.cls)
            found.update(field.encode_name for field in info.fields)
            for field in info.fields:
                visit(field.type)
        for name in ("type", "key_type", "value_type", "item_type"):
            if hasattr(info, name):
                visit(getattr(info, name))
        for one in getattr(info, "types", ()):
            visit(one)

    for kind in kinds:
        visit(_info(kind))
    return frozenset(found)


@cache
def _info(kind: type) -> inspect.Type:
    return inspect.type_info(kind)


_Where = tuple[str, ...]


def _find(value: Any, info: inspect.Type, where: _Where, extra: Mapping[str, Any]) -> Iterator[Mistake]:
    match info:
        case inspect.Metadata():
            found = list(_find(value, info.type, where, info.extra or {}))
            yield from found or _checked(value, where, (info.extra or {}).get("check"))
        case inspect.StructType() | inspect.DataclassType():
            yield from _in_fields(value, info, where)
        case inspect.DictType():
            if not isinstance(value, dict):
                yield _wrong(value, where, "a mapping")
                return
            if len(value) < (info.min_length or 0):
                yield _wrong(value, where, f"a mapping of at least {info.min_length}")
            for key, one in value.items():
                yield from _find(key, info.key_type, (*where, str(key)), {})
                yield from _find(one, info.value_type, (*where, str(key)), {})
        case inspect.VarTupleType():
            if not isinstance(value, list | tuple):
                yield _wrong(value, where, "a list")
            elif len(value) < (info.min_length or 0):
                yield _wrong(value, where, f"a list of at least {info.min_length}")
            else:
                for number, one in enumerate(value):
                    yield from _find(one, info.item_type, (*where, str(number)), {})
        case inspect.UnionType():
            yield from _in_union(value, info, where)
        case inspect.StrType():
            if not isinstance(value, str):
                yield _wrong(value, where, "a valid string")
            elif len(value) < (info.min_length or 0):
                yield _wrong(value, where, f"a string of at least {info.min_length} characters")
            elif info.pattern is not None and not re.search(info.pattern, value):
                plain = Mistake(".".join(where), f" is {value!r}; write it as {extra.get('write', info.pattern)}")
                yield from list(_checked(value, where, extra.get("check"))) or [plain]
        case inspect.LiteralType():
            if value not in info.values:
                yield _wrong(value, where, " or ".join(map(repr, info.values)))
        case inspect.FloatType():
            if not _converts(value, float):
                yield _wrong(value, where, "a number")
            elif info.gt is not None and not value > info.gt:
                yield _wrong(value, where, f"a number above {info.gt:g}")
        case inspect.DateType():
            if not _converts(value, datetime.date):
                yield _wrong(value, where, "a date, as 2026-01-31")
        case _:
            word, kind = _PLAIN[type(info)]
            if not _converts(value, kind):
                yield _wrong(value, where, word)


_PLAIN: Mapping[type, tuple[str, Any]] = {
    inspect.BoolType: ("true or false", bool),
    inspect.IntType: ("a whole number", int),
    inspect.FloatType: ("a number", float),
    inspect.NoneType: ("left out", None),
}


def _in_fields(value: Any, info: inspect.StructType | inspect.DataclassType, where: _Where) -> Iterator[Mistake]:
    if not isinstance(value, dict):
        yield _wrong(value, where, "a mapping")
        return
    fields = {field.encode_name: field for field in info.fields}
    whole = True
    for key in sorted(value.keys() - fields.keys(), key=str):
        whole = False
        yield Mistake(".".join((*where, str(key))), " is unknown", unknown=str(key))
    for name, field in fields.items():
        if name in value:
            found = list(_find(value[name], field.type, (*where, name), {}))
            whole = whole and not found
            yield from found
        elif field.required:
            whole = False
            yield Mistake(".".join((*where, name)), " is missing; add it")
    if whole and hasattr(info.cls, "__post_init__"):  # what fields must be together
        try:
            convert(value, info.cls)
        except ValidationError as error:
            yield Mistake(".".join(where), f": {error}")


def _in_union(value: Any, info: inspect.UnionType, where: _Where) -> Iterator[Mistake]:
    """The mistakes by the alternative that has the fewest: none, where one fits; the first where none is like it."""
    tried = [list(_find(value, one, where, {})) for one in info.types]
    container = [found for found in tried if any(mistake.key != ".".join(where) for mistake in found)]
    yield from min(tried, key=len) if [] in tried else (container or tried)[0]


def _checked(value: Any, where: _Where, check: Any) -> Iterator[Mistake]:
    if check is not None:
        try:
            check(value)
        except ValueError as error:
            yield Mistake(".".join(where), f": {error}")


def _converts(value: Any, kind: Any) -> bool:
    try:
        convert(value, kind)
    except ValidationError:
        return False
    return True


def _wrong(value: Any, where: _Where, word: str) -> Mistake:
    return Mistake(".".join(where), f" is {value!r}: input should be {word}; correct the value")
