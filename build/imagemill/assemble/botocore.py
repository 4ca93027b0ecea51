"""botocore without the descriptions in its service models, which are two thirds of it.

Of an operation and its fields they say in words what only help() and generated documentation show; clients are made of
the rest. The models are packed by the locked interpreter and its zlib: with another zlib they would have other bytes.
"""

from __future__ import annotations

import hashlib
import re

from msgspec.structs import replace

from imagemill.assemble.pyc import NativePython
from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Tree

_MODEL = re.compile(r".*/botocore/data/.*/(service-2|endpoint-rule-set-1)\.json(\.gz)?")
_EXAMPLES = re.compile(r".*/botocore/data/.*/examples-1\.json(\.gz)?")

# for Python 2.7 too, whose dicts have no order; a description is text, a field with that name is an object.
# Left out while reading: a walk over all models afterwards takes as long as reading them does.
_DESCRIBE_LESS = """
import collections, gzip, io, json, sys

def bare(thing):
    if "documentation" in thing and not isinstance(thing["documentation"], dict):
        del thing["documentation"]
    return thing

whole, less = {}, {"object_hook": bare}
if sys.version_info < (3, 7):
    whole = {"object_pairs_hook": collections.OrderedDict}
    less = {"object_pairs_hook": lambda rows: bare(collections.OrderedDict(rows))}

for source, path, result, _ in json.load(sys.stdin):
    read = gzip.open if path.endswith(".gz") else io.open
    with read(source, "rb") as file:
        said = file.read().decode("utf-8")
    model = json.loads(said, **less)
    if "clientContextParams" in model:  # clients read these as they are
        model["clientContextParams"] = json.loads(said, **whole)["clientContextParams"]
    text = json.dumps(model, separators=(",", ":")).encode("ascii")
    with io.open(result, "wb") as file:
        if path.endswith(".gz"):
            with gzip.GzipFile("", "wb", 9, file, 0) as packed:
                packed.write(text)
        else:
            file.write(text)
"""


def without_descriptions(tree: Tree, native: NativePython) -> Tree:
    """The tree with the service models of its botocore bare, and without the examples that belong to descriptions."""
    kept = {path: entry for path, entry in tree.items() if not _EXAMPLES.fullmatch(path)}
    models = {path: entry for path, entry in kept.items() if _MODEL.fullmatch(path)}

    def name(path: str, entry: Entry) -> str:
        digest = hashlib.sha256(f"{native.identity}\0{path.endswith('.gz')}\0{_DESCRIBE_LESS}\0".encode())
        digest.update(entry.read())
        return digest.hexdigest()

    bare = native.convert(models, _DESCRIBE_LESS, name, "models")
    if empty := [path for path, content in bare.items() if not content]:
        raise AssembleError(f"nothing came of the model /{empty[0]}", "bring assemble/botocore.py up to date")
    return kept | {path: replace(models[path], content=content) for path, content in bare.items()}
