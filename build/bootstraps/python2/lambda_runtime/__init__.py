"""A client of the Runtime API for Python 2.7: the function is loaded, then it answers events until it is told to end."""

import json
import sys

from lambda_runtime import output
from lambda_runtime.api import Api
from lambda_runtime.context import Context
from lambda_runtime.failure import Failure
from lambda_runtime.handler import load

LOADING_FAILED = 1


def run(environment):
    """Serve the function that `environment` names. Returns the exit status when it cannot be loaded."""
    output.install()
    api = Api(environment["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load(environment["_HANDLER"])
    except Exception:
        _fail(api, None, Failure.caught())
        return LOADING_FAILED
    while True:
        _answer(api, handler, environment)


def _answer(api, handler, environment):
    event, headers = api.next_event()
    context = Context(headers, environment)
    output.request_id = context.aws_request_id
    trace = headers.get("Lambda-Runtime-Trace-Id")
    if trace:
        environment["_X_AMZN_TRACE_ID"] = trace
    try:
        body = _serialised(handler(_parsed(event), context))
    except Exception:
        _fail(api, context.aws_request_id, Failure.caught())
    else:
        output.flush()
        api.respond(context.aws_request_id, body)


def _parsed(event):
    try:
        return json.loads(event)
    except ValueError as error:
        raise Failure("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error)


def _serialised(answer):
    try:
        return json.dumps(answer)
    except (TypeError, ValueError) as error:
        raise Failure("Runtime.MarshalError", "Unable to marshal response: %s" % error)


def _fail(api, request_id, failure):
    sys.stdout.write(failure.log)
    output.flush()
    api.fail(request_id, failure)
