"""Standard output, error and logging as functions know them."""

import logging
import os
import sys
import time

LINE = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"

request_id = ""
"""The id of the event at hand."""


def install():
    """Let functions print text, write lines at once, and have logging write in the format of AWS's client."""
    sys.stdout, sys.stderr = Output(sys.stdout), Output(sys.stderr)
    formatter = logging.Formatter(LINE, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = Handler()
    handler.setFormatter(formatter)
    handler.addFilter(Request())
    logging.getLogger().addHandler(handler)


def flush():
    sys.stdout.flush()
    sys.stderr.flush()


class Output(object):
    """A stream of bytes that takes text too and hands on whole lines."""

    def __init__(self, stream):
        self._stream = os.fdopen(os.dup(stream.fileno()), "w", 1)

    def write(self, text):
        self._stream.write(text.encode("utf-8") if isinstance(text, unicode) else text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def __getattr__(self, name):
        return getattr(self._stream, name)


class Handler(logging.Handler):
    """Writes to what standard output is when there is something to write."""

    def emit(self, record):
        sys.stdout.write(self.format(record))


class Request(logging.Filter):
    """Gives every record the request's id."""

    def filter(self, record):
        record.aws_request_id = request_id
        return True
