"""YAML files that people write, read strictly: every mistake, each with its file, its key and what to do about it."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import yaml

if TYPE_CHECKING:
    from imagemill.mistakes import Mistake

_T = TypeVar("_T", bound=msgspec.Struct)

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is 8 times as fast


class _StrictLoader(_LOADER):  # type: ignore[misc]
    """YAML as everybody writes it, but a key that is given twice is an error instead of the last one winning."""


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[Hashable, Any]:
    found: dict[Hashable, Any] = {}
    merges = False
    for key_node, value_node in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            merges = True
            continue
        key = _value(loader, key_node)
        if not isinstance(key, Hashable) or key in found:
            what = f"key {key!r} is given twice" if isinstance(key, Hashable) else "a key must be a word"
            raise yaml.constructor.ConstructorError(None, None, what, key_node.start_mark)
        found[key] = _value(loader, value_node)
    if merges:  # `<<: *anchor`; the keys beside it win
        loader.flatten_mapping(node)
        merged = {_value(loader, key_node): _value(loader, value_node) for key_node, value_node in node.value}
        return merged | found
    return found


def _sequence(loader: Any, node: yaml.SequenceNode) -> list[Any]:
    return [_value(loader, one) for one in node.value]


def _value(loader: Any, node: yaml.Node) -> Any:
    if node.tag == "tag:yaml.org,2002:str" and isinstance(node, yaml.ScalarNode):
        return node.value  # most of all values, without a detour
    return loader.construct_object(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_SEQUENCE_TAG, _sequence)


def read(path: Path, shown: str, kind: type[_T], *others: type, schema: str) -> tuple[_T | None, list[str]]:
    """A file as a struct, and the mistakes in it; the struct is None when there are any.

    `shown` is the file's name in messages, `schema` where its keys are explained. A key that is unknown may have been
    meant for one of the `others`.
    """
    try:
        data = yaml.load(path.read_bytes(), Loader=_StrictLoader)  # noqa: S506 - a SafeLoader, made strict
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}" if mark else ""
        return None, [f"{shown}{line}: {error.problem}; correct the YAML"]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return None, [f"{shown}: not YAML: {error}; correct the file"]
    if not isinstance(data, dict):
        return None, [f"{shown}: holds no keys; see {schema} for what belongs in it"]
    try:
        return msgspec.convert(data, kind), []
    except msgspec.ValidationError as error:
        from imagemill.mistakes import mistakes  # explains, and takes longer than the check

        found = {_explained(shown, one, (kind, *others), schema) for one in mistakes(data, kind)}
        return None, sorted(found) or [f"{shown}: {error}; correct the value"]


def _explained(shown: str, mistake: Mistake, kinds: tuple[type, ...], schema: str) -> str:
    """One mistake as one line: file, key, what is wrong, what to do."""
    if not mistake.unknown:
        return f"{shown}: key '{mistake.key}'{mistake.what}"
    import difflib

    from imagemill.mistakes import keys

    near = difflib.get_close_matches(mistake.unknown, sorted(keys(*kinds)), n=1)
    remedy = f"did you mean {near[0]!r}?" if near else f"remove it, or see {schema} for the keys"
    return f"{shown}: key '{mistake.key}' is unknown; {remedy}"
