"""Errors as the Runtime API and the log are told of them."""

import json
import os
import sys
import traceback

OURS = os.path.dirname(os.path.abspath(__file__))


class Failure(Exception):
    """An error with the name and message of AWS's client; `frames` are (file, line, function, source)."""

    def __init__(self, kind, message, frames=()):
        Exception.__init__(self, message)
        self.kind, self.text, self.frames = kind, message, frames

    @classmethod
    def caught(cls):
        """The exception that is being handled."""
        kind, error, trace = sys.exc_info()
        if isinstance(error, cls):
            return error
        frames = [frame for frame in traceback.extract_tb(trace) if os.path.dirname(frame[0]) != OURS]
        return cls(kind.__name__, _readable(error), frames)

    @property
    def body(self):
        """The report, as JSON."""
        report = {"errorMessage": self.text, "errorType": self.kind}
        if self.frames:
            report["stackTrace"] = [[_readable(word) for word in frame] for frame in self.frames]
        return json.dumps(report)

    @property
    def log(self):
        """What the log says."""
        lines = [u"%s: %s\n" % (self.text, self.kind)]
        if self.frames:
            lines.append(u"Traceback (most recent call last):\n")
            lines += [_readable(line) for line in traceback.format_list(self.frames)]
            lines.append(u"%s: %s\n" % (self.kind, self.text))
        return u"".join(lines)


def _readable(thing):
    """A number, or text whatever bytes it has."""
    if thing is None or isinstance(thing, (int, unicode)):
        return thing
    try:
        return unicode(thing)
    except UnicodeError:
        return str(thing).decode("utf-8", "replace")
