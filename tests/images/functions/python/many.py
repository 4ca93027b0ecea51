"""Handlers for several calls at once."""

import os
import time


def span(event, context):
    """Who worked, from when to when, in seconds of the container's own clock."""
    start = time.monotonic()
    time.sleep(event["seconds"])
    return [os.getpid(), start, time.monotonic()]


def span_or_exit(event, context):
    if event.get("exit"):
        os._exit(9)
    return span(event, context)
