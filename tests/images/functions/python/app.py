"""Handlers that try what an init has to cope with."""

import json
import logging
import os
import threading
import time
import urllib.request


def echo(event, context):
    return event


def slow(event, context):
    time.sleep(event["seconds"])
    return os.getpid()


def leave(event, context):
    if event.get("leave"):
        os._exit(42)
    return "still here"


def hog(event, context):
    return len(bytearray(event["megabytes"] << 20))


def log(event, context):
    logging.getLogger().setLevel("INFO")
    logging.info("noted")
    return


def fail(event, context):
    raise RuntimeError("not today")


def rest(event, context):
    """A response for API Gateway and for load balancers."""
    body = json.dumps(event)
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": body, "isBase64Encoded": False}


def malformed(event, context):
    return {"statusCode": "many"}


COUNTED = []


def _internal_extension():
    api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2020-01-01/extension"
    body = json.dumps({"events": ["INVOKE"]}).encode()
    request = urllib.request.Request(f"{api}/register", body, {"Lambda-Extension-Name": "inside"})
    with urllib.request.urlopen(request) as answer:
        identifier = {"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}

    def follow():
        while True:
            with urllib.request.urlopen(urllib.request.Request(f"{api}/event/next", headers=identifier)) as event:
                COUNTED.append(json.load(event)["requestId"])

    threading.Thread(target=follow, daemon=True).start()


if os.environ.get("_HANDLER") == "app.counted":
    _internal_extension()


def counted(event, context):
    """Whether the extension inside this process was told of this very invocation."""
    until = time.monotonic() + 5
    while context.aws_request_id not in COUNTED and time.monotonic() < until:
        time.sleep(0.005)
    return context.aws_request_id in COUNTED
