"""Answers HTTP requests in every way that a service takes, and in some that it does not."""

import base64
import json
import os


def answer(event, context):
    path = event.get("rawPath") or event["path"]
    return globals()["_" + path.strip("/")](event)


def _echo(event):
    header = {"content-type": "application/json"}
    return {"statusCode": 200, "headers": header, "body": json.dumps(event), "isBase64Encoded": False}


def _binary(event):
    body = base64.b64encode(bytes(range(256))).decode()
    return {"statusCode": 201, "headers": {"Content-Type": "image/x-mine"}, "body": body, "isBase64Encoded": True}


def _cookies(event):
    if event.get("version") == "2.0":
        return {"statusCode": 302, "headers": {"location": "/"}, "cookies": ["a=1; Secure", "b=2"]}
    several = {"location": ["/"], "set-cookie": ["a=1; Secure", "b=2"]}
    return {"statusCode": 302, "multiValueHeaders": several, "body": "", "isBase64Encoded": False}


def _plain(event):
    return {"tea": "green"}


def _many(event):
    return {"statusCode": "many", "body": {}}


def _error(event):
    raise RuntimeError("not today")


def _exit(event):
    os._exit(3)
