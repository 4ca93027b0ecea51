"""What registries answer when they do not do as they are asked, as errors with a remedy.

Source: OCI Distribution Specification 1.1, "Error Codes".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from imagemill.errors import RegistryError
from imagemill.web import TRANSIENT, seconds_of

_LONGEST_WORDS = 300


class Missing(RegistryError):
    """A definitive answer: the registry has nothing of that name."""


class Denied(RegistryError):
    """A login is missing, wrong, or for less than was asked for."""


class Rejected(RegistryError):
    """A definitive answer: what was asked for is wrong, or the registry does not do it; `codes` are its own words."""

    codes: frozenset[str] = frozenset()


class Failed(RegistryError):
    """A registry that failed at something (500), which may pass."""


class Torn(RegistryError):
    """A registry that is well cannot read something that it has, again and again: it was killed while it wrote it.

    Only writing it again mends that.
    """


class Busy(RegistryError):
    """A registry that wants to be left alone for `seconds` before it is asked again."""

    def __init__(self, message: str, remedy: str, seconds: float) -> None:
        super().__init__(message, remedy, transient=True)
        self.seconds = seconds


@dataclass(frozen=True)
class Answer:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # names in any case; an upload's Location is a kind of password
    body: bytes = field(default=b"", repr=False)

    @property
    def codes(self) -> frozenset[str]:
        """The registry's own error codes."""
        return frozenset(code for code, _ in _errors(self.body))


def refusal(host: str, what: str, answer: Answer, *, logged_in: bool) -> RegistryError:
    """The error for an answer that is not the one hoped for; `what` says what was asked of which repository."""
    words = "; ".join(f"{code}: {message}" if message else code for code, message in _errors(answer.body))
    message = f"{what}: {answer.status}{f' {words}' if words else ''}"
    if answer.status == 401:
        return Denied(message, f"log in {'again ' if logged_in else ''}with `docker login {host}`")
    if answer.status == 403:
        return Denied(message, f"log in with `docker login {host}` as somebody who may do this")
    if answer.status in (404, 410):
        return Missing(message, "correct the name; some registries want a repository made before it is pushed to")
    if answer.status == 413:
        return RegistryError(message, f"let {host}, or the proxy before it, take larger bodies")
    if answer.status in (429, 503) and "Retry-After" in answer.headers:
        return Busy(message, "try again later", seconds_of(answer.headers["Retry-After"]))
    if answer.status == 500:
        return Failed(message, f"see whether {host} is well, and try again", transient=True)
    if answer.status in TRANSIENT:
        return RegistryError(message, f"see whether {host} is well, and try again", transient=True)
    rejected = Rejected(message, f"see what the registry {host} can do, and what its log says")
    rejected.codes = answer.codes
    return rejected


def _errors(body: bytes) -> list[tuple[str, str]]:
    """(code, message) of a registry's errors, fit to be shown on a terminal."""
    try:
        rows = json.loads(body)["errors"]
        return [(_fit(row.get("code", "")), _fit(row.get("message", ""))) for row in rows[:3]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def _fit(text: object) -> str:
    return "".join(one for one in str(text)[:_LONGEST_WORDS] if one.isprintable())
