"""Starts the function with the search path of the managed Python 2.7 runtime."""

import os
import sys

RUNTIME = "/var/runtime"

# sys.path[0] is this file's directory; the function's code and its layers come before it
sys.path[:1] = [
    os.environ.get("LAMBDA_TASK_ROOT", "/var/task"),
    "/opt/python/lib/python2.7/site-packages",
    "/opt/python",
    RUNTIME,
]
os.environ["PYTHONPATH"] = RUNTIME  # for the function's children, as in the real runtime

from lambda_runtime import run  # noqa: E402 - needs the search path above

sys.exit(run(os.environ))
