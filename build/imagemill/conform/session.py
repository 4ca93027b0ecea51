"""One container for what is tried inside an image: commands, and the init with a function that records what it sees.

The container's shell runs one step after the other and says what each printed and how it ended, since starting a
container takes longer than most steps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from imagemill.conform import workbench
from imagemill.conform.finding import Subject
from imagemill.conform.view import Completed, View
from imagemill.errors import EngineError
from imagemill.manifest import ToolCheck

TIMEOUT = 240.0  # seconds; what takes one natively takes tens under emulation
NO_RUNNER = "nothing here runs this image"
SET_UP = "have docker or podman, and for another architecture qemu-user"

_RECORDER = Path(__file__).parents[1] / "recorder"  # the functions of `imagemill record`
_MARK = "@@imagemill"
_EMULATOR = "/usr/local/bin/aws-lambda-rie"
_BOOTSTRAP = "/var/task/bootstrap"
_CALL = "2015-03-31/functions/function/invocations"
# the log comes after the answer, into which it would be written otherwise
_SINGLE = "timeout 120 {init} --enable-msg-logs probe '{{}}' 2>/tmp/log; code=$?; cat /tmp/log; exit $code"
# a server in the background, called until it answers, and then asked to end
_SERVER = """
{start} >/dev/null 2>&1 & server=$!
tries=0
until curl -fsS -d '{{}}' http://127.0.0.1:{port}/{call} 2>/dev/null; do
  tries=$((tries + 1)); [ $tries -lt 1500 ] || exit 1; kill -0 $server || exit 2; sleep 0.02
done
kill -TERM $server
timeout 20 tail --sleep-interval=0.02 --pid=$server -f /dev/null || exit 3
wait $server; echo; echo "ended with $?"
"""

CONTRACTS = SINGLE, STAY_OPEN, EMULATOR = "single shot", "stay-open", "emulator"


class Output(Struct, frozen=True):
    """What a step printed, and how it ended: an exit code, or why there is none."""

    code: str
    text: str


def held(view: View, subject: Subject, *, hardened: bool = False) -> Mapping[str, Output]:
    """What each step said, by its name: commands of the manifest by themselves, contracts by the names above, what is
    tried in build images by the names in `workbench`.

    A `hardened` container has a read-only root but for /tmp, no capabilities and a user that /etc/passwd does not
    know; in it only one call is made.
    """
    steps = _contracts(view, subject)
    if hardened:
        steps = dict(list(steps.items())[:1])
    else:
        steps |= {check.run: check.run for check in commands(subject)} | workbench.steps(view, subject)
    return _outputs(view, steps, hardened=hardened) if steps else {}


def commands(subject: Subject) -> Sequence[ToolCheck]:
    """The commands that the manifest wants tried in this image."""
    runtime = subject.image.runtime
    return [*runtime.checks, *(runtime.build_checks if subject.image.variant == "build" else ())]


def _contracts(view: View, subject: Subject) -> dict[str, str]:
    if subject.image.variant == "serve":
        return {EMULATOR: _SERVER.format(start=f"{_EMULATOR} {_BOOTSTRAP} probe", port=8080, call=_CALL)}
    if subject.image.variant == "run" and view.config.entrypoint:
        init = f"{view.config.entrypoint[0]} --bootstrap {_BOOTSTRAP}"
        server = _SERVER.format(start=f"DOCKER_LAMBDA_STAY_OPEN=1 {init} probe", port=9001, call=_CALL)
        return {SINGLE: _SINGLE.format(init=init), STAY_OPEN: server}
    return {}


def _outputs(view: View, steps: Mapping[str, str], *, hardened: bool) -> dict[str, Output]:
    script = "".join(f"( {step}\n) </dev/null 2>&1; printf '\\n{_MARK} %s\\n' \"$?\"\n" for step in steps.values())
    try:
        done = view.run(["-c", script], entrypoint=["/bin/sh"], task_dir=_RECORDER, timeout=TIMEOUT, hardened=hardened)
    except EngineError as error:
        done = Completed(b"", str(error).encode(), 125)  # docker's and podman's code for it
    text = done.stdout.decode("utf-8", "replace")
    found = [Output(code, output) for output, code in re.findall(rf"(.*?)\n{_MARK} (\d+)\n", text, flags=re.DOTALL)]
    missing = f"the shell ended with {done.code} before: {done.stderr.decode('utf-8', 'replace').strip()[-300:]}"
    return dict(zip(steps, [*found, *[Output("no exit code", missing)] * len(steps)], strict=False))
