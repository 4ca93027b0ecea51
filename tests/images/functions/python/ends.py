"""Handlers that tell of their circumstances."""

import os
import subprocess
import sys
import time
from pathlib import Path


def who(event, context):
    return [os.getuid(), os.getppid(), os.environ["AWS_LAMBDA_FUNCTION_NAME"]]


def told(event, context):
    """What came with the call."""
    print("told", event)
    client = context.client_context
    return {"arn": context.invoked_function_arn, "custom": client and client.custom, "event": event}


def orphans(event, context):
    """Leave a process without its parent, and tell whether it is gone when it has ended."""
    left = subprocess.run(["sh", "-c", "sleep 0.1 & echo $!"], capture_output=True, check=True)
    until = time.monotonic() + 5
    while time.monotonic() < until:
        if not Path("/proc", left.stdout.decode().strip()).exists():
            return "gone"
        time.sleep(0.02)
    return "still there"


def fail(event, context):
    if event.get("fail"):
        raise RuntimeError("not today")
    print("fine", file=sys.stderr)
