"""Runs awslambdaric, AWS's runtime interface client, with the search path of the managed Python runtimes."""

import os
import sys

RUNTIME = "/var/runtime"
VERSION = "python%d.%d" % sys.version_info[:2]

# sys.path[0] is this file's directory; the function's code and its layers come before it
sys.path[:1] = [
    os.environ.get("LAMBDA_TASK_ROOT", "/var/task"),
    f"/opt/python/lib/{VERSION}/site-packages",
    "/opt/python",
    RUNTIME,
]
os.environ["PYTHONPATH"] = RUNTIME  # for the function's children, as in the real runtime

from awslambdaric.__main__ import main  # noqa: E402 - needs the search path above

main(["awslambdaric", os.environ["_HANDLER"]])
