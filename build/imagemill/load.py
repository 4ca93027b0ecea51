"""Reading `runtimes/`: every mistake in every file, each with its file, its key and what to do about it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import yaml

from imagemill.errors import ManifestError
from imagemill.manifest import Base, Runtime

if TYPE_CHECKING:
    from imagemill.mistakes import Mistake

_T = TypeVar("_T", Base, Runtime)
SUFFIX = ".yaml"

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


@dataclass(frozen=True)
class Catalog:
    """Everything in `runtimes/`, by name, in a fixed order."""

    bases: Mapping[str, Base]
    runtimes: Mapping[str, Runtime]


def load(root: Path) -> Catalog:
    """Read all manifests below `root/runtimes`.

    Raises ManifestError with every mistake found: in one file, and between files.
    """
    folder = root / "runtimes"
    mistakes: list[str] = []
    bases = dict(_read_all(folder / "bases", Base, root, mistakes))
    runtimes = dict(_read_all(folder, Runtime, root, mistakes))
    mistakes += _between_files(bases, runtimes)
    if not runtimes and not mistakes:
        mistakes.append(f"{folder}: no manifest; add runtimes/<name>{SUFFIX}")
    if mistakes:
        raise ManifestError(mistakes)
    return Catalog(bases, runtimes)


def check_file(path: Path, shown: str, kind: type[_T]) -> tuple[_T | None, list[str]]:
    """One manifest file and the mistakes in it; the manifest is None when there are any."""
    try:
        data = yaml.load(path.read_bytes(), Loader=_StrictLoader)  # noqa: S506 - a SafeLoader, made strict
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}" if mark else ""
        return None, [f"{shown}{line}: {error.problem}; correct the YAML"]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return None, [f"{shown}: not YAML: {error}; correct the file"]
    if not isinstance(data, dict):
        return None, [f"{shown}: holds no keys; see runtimes/schema for what belongs in it"]
    try:
        manifest = msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        from imagemill.mistakes import mistakes  # explains, and takes longer than the check

        found = {_explained(shown, one) for one in mistakes(data, kind)}
        return None, sorted(found) or [f"{shown}: {error}; correct the value"]
    if manifest.name != path.name.removesuffix(SUFFIX):
        return None, [f"{shown}: key 'name' is {manifest.name!r}; name it as the file is named"]
    return manifest, []


def _read_all(folder: Path, kind: type[_T], root: Path, mistakes: list[str]) -> Iterator[tuple[str, _T]]:
    for path in sorted(folder.glob(f"*{SUFFIX}"), key=lambda p: _natural(p.name.removesuffix(SUFFIX))):
        manifest, found = check_file(path, str(path.relative_to(root)), kind)
        mistakes += found
        if manifest is not None:
            yield manifest.name, manifest


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that puts python3.9 before python3.13."""
    words: list[str] = [""]
    for char in name:
        if char.isdigit() != (words[-1][-1:].isdigit()) and words[-1]:
            words.append("")
        words[-1] += char
    return tuple((1, int(w), "") if w.isdigit() else (0, 0, w) for w in words)


def _between_files(bases: Mapping[str, Base], runtimes: Mapping[str, Runtime]) -> Iterator[str]:
    tags: dict[str, str] = {}
    for runtime in runtimes.values():
        shown = f"runtimes/{runtime.name}{SUFFIX}"
        for kind, offer in runtime.bases.items():
            where = f"{shown}: key 'bases.{kind}'"
            pending = offer.unavailable is not None and offer.language.source is not None  # until it is locked
            if (offer.base is None) == (offer.unavailable is None) and not (pending and offer.base):
                yield f"{where} needs either 'base' or 'unavailable' with the reason; give one of them"
            elif offer.base is not None and offer.base not in bases:
                known = ", ".join(sorted(bases)) or "none"
                yield f"{where}.base names {offer.base!r}, which runtimes/bases does not have; use one of: {known}"
            elif offer.base is not None:
                base = bases[offer.base]
                if base.kind != kind:
                    yield f"{where}.base {offer.base!r} is of kind {base.kind!r}; list it under 'bases.{base.kind}'"
                for platform in runtime.platforms:
                    if platform not in base.platforms:
                        yield (
                            f"{shown}: key 'platforms' has {platform}, which base {base.name!r} lacks; "
                            f"remove it here or add it to runtimes/bases/{base.name}{SUFFIX}"
                        )
        for tag in (runtime.name, *runtime.aliases):
            if tag in tags:
                yield f"{shown}: tag {tag!r} is also a tag of {tags[tag]}; give each image tags of its own"
            tags.setdefault(tag, shown)


def _explained(shown: str, mistake: Mistake) -> str:
    """One mistake as one line: file, key, what is wrong, what to do."""
    if not mistake.unknown:
        return f"{shown}: key '{mistake.key}'{mistake.what}"
    import difflib

    from imagemill.mistakes import keys

    near = difflib.get_close_matches(mistake.unknown, sorted(keys(Base, Runtime)), n=1)
    remedy = f"did you mean {near[0]!r}?" if near else "remove it, or see runtimes/schema for the keys"
    return f"{shown}: key '{mistake.key}' is unknown; {remedy}"
