"""A function for Python's runtimes that answers every event with what probe.sh finds of its process."""

import json
import os
import subprocess
import sys
from pathlib import Path


def handler(event: object, context: object) -> object:
    """The record of this process; of the event nothing is used."""
    probe = Path(__file__).resolve().with_name("probe.sh")
    record = json.loads(subprocess.check_output(["sh", str(probe), str(os.getpid())]).decode("ascii"))
    record["language"] = {
        "name": "python",
        "version": ".".join(map(str, sys.version_info[:3])),
        "path": sys.path,
        "argv": sys.argv,
        "flags": [name for name in dir(sys.flags) if not name.startswith("_") and getattr(sys.flags, name) is True],
        "encoding": [sys.getdefaultencoding(), sys.getfilesystemencoding()],
    }
    return record
