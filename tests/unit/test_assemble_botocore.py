"""botocore's models without what they say in words."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from assemble_inputs import file

from imagemill.assemble import botocore
from imagemill.assemble.pyc import NativePython
from imagemill.filetree import Entry, Tree

DATA = "var/runtime/botocore/data"
MODEL = {
    "metadata": {"apiVersion": "2006-03-01"},
    "clientContextParams": {"UseArnRegion": {"documentation": "read by clients", "type": "boolean"}},
    "documentation": "<p>What it is</p>",
    "shapes": {
        "Rule": {
            "type": "structure",
            "members": {"documentation": {"shape": "Text", "documentation": "a field of that name"}},
            "documentation": "é",
        }
    },
}
BARE = {
    "metadata": {"apiVersion": "2006-03-01"},
    "clientContextParams": MODEL["clientContextParams"],
    "shapes": {"Rule": {"type": "structure", "members": {"documentation": {"shape": "Text"}}}},
}


class Here(NativePython):
    """The interpreter of these tests, with no cache."""

    def convert(self, files: Tree, script: str, name: Callable[[str, Entry], str], store: str) -> dict[str, bytes]:
        self.cache.mkdir(exist_ok=True)
        made = {}
        for n, (path, entry) in enumerate(files.items()):
            source, result = self.cache / f"{n}.in", self.cache / f"{n}.out"
            source.write_bytes(entry.read())
            rows = json.dumps([[str(source), f"/{path}", str(result), 0]])
            subprocess.run([sys.executable, "-c", script], input=rows, text=True, check=True)
            made[path] = result.read_bytes()
            assert name(path, entry) != name("plain" if path.endswith(".gz") else "packed.gz", entry)
        return made


def test_descriptions_go_and_fields_stay(tmp_path: Path) -> None:
    text = json.dumps(MODEL).encode()
    tree = {
        f"{DATA}/s3/2006-03-01/service-2.json": file(text),
        f"{DATA}/s3/2006-03-01/service-2.json.gz": file(gzip.compress(text)),
        f"{DATA}/s3/2006-03-01/examples-1.json": file(),
        f"{DATA}/s3/2006-03-01/waiters-2.json": file(text),
        "var/runtime/boto3/service-2.json": file(text),
    }
    made = botocore.without_descriptions(tree, Here((), lambda item: tmp_path, tmp_path / "cache"))
    assert set(made) == set(tree) - {f"{DATA}/s3/2006-03-01/examples-1.json"}
    assert json.loads(made[f"{DATA}/s3/2006-03-01/service-2.json"].read()) == BARE
    packed = made[f"{DATA}/s3/2006-03-01/service-2.json.gz"].read()
    assert json.loads(gzip.decompress(packed)) == BARE
    assert packed[4:8] == bytes(4), "a time stamp"
    for path in (f"{DATA}/s3/2006-03-01/waiters-2.json", "var/runtime/boto3/service-2.json"):
        assert made[path] == tree[path]
