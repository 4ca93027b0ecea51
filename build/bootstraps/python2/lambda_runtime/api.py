"""The Runtime API, on one connection that stays open."""

import httplib

PLACE = "/2018-06-01/runtime"
USER_AGENT = "aws-lambda-python/2.7"


class Api(object):
    """`address` is host:port."""

    def __init__(self, address):
        self._connection = httplib.HTTPConnection(address)

    def next_event(self):
        """The bytes of the next event and its headers, whenever it comes."""
        return self._exchange("GET", "invocation/next")

    def respond(self, request_id, body):
        """Answer an event with JSON."""
        self._exchange("POST", "invocation/%s/response" % request_id, body, {"Content-Type": "application/json"})

    def fail(self, request_id, failure):
        """Report a Failure: of an event, or of the function as it loads when `request_id` is None."""
        place = "invocation/%s/error" % request_id if request_id else "init/error"
        headers = {"Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": failure.kind}
        self._exchange("POST", place, failure.body, headers)

    def _exchange(self, method, place, body=None, headers=()):
        self._connection.request(method, "%s/%s" % (PLACE, place), body, dict(headers, **{"User-Agent": USER_AGENT}))
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 500 or (method == "GET" and answer.status != 200):
            raise SystemExit("the Runtime API answered %d to %s" % (answer.status, place))
        return content, answer.msg
