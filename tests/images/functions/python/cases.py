# -*- coding: utf-8 -*-
"""What every Python runtime is tried with, Python 2.7 too."""

import logging
import os
import sys
import threading
import time


class Custom(Exception):
    pass


def echo(event, context):
    return event


def fail(event, context):
    raise Custom("no")


def unhandled(event, context):
    """An exception in a thread ends only the thread."""
    thread = threading.Thread(target=fail, args=(event, context))
    thread.start()
    thread.join()
    return "went on"


def leave(event, context):
    if event.get("leave"):
        os._exit(42)
    return "still here"


def slow(event, context):
    time.sleep(event["seconds"])
    return os.getpid()


def context(event, context):
    return {
        "name": context.function_name,
        "version": context.function_version,
        "memory": context.memory_limit_in_mb,
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "log_group": context.log_group_name,
        "log_stream": context.log_stream_name,
        "remaining": context.get_remaining_time_in_millis(),
        "identity": context.identity and context.identity.cognito_identity_id,
        "client_context": context.client_context,
    }


def environment(event, context):
    return dict(os.environ)


def layers(event, context):
    import from_a_layer

    return from_a_layer.WHERE


def large(event, context):
    return "x" * event["bytes"]


def unicode(event, context):
    return u"äöü €𝄞" + event


def huge(event, context):
    return len(event["text"])


def binary(event, context):
    output = getattr(sys.stdout, "buffer", sys.stdout)
    output.write(b"\xff\xfe\x80\n")
    output.flush()
    return "printed"


def remaining(event, context):
    before = context.get_remaining_time_in_millis()
    time.sleep(event["seconds"])
    return [before, context.get_remaining_time_in_millis()]


def log(event, context):
    logging.getLogger().warning("noted")
    print("noted")
