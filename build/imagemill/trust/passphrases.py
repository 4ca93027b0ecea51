"""Passphrases: from the environment, from a file descriptor, or from a person. Never from a command line."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

from imagemill.errors import TrustError
from imagemill.trust.keys import Named

PREFIX = "IMAGEMILL_TRUST_PASSPHRASE_"
SHORTEST = 8  # characters, as docker wants it
Ask = Callable[[str, bool], str]
"""Asks a person: the question, and whether the answer is for a new key and must be given twice."""


class Passphrases:
    """Finds the passphrase of a key by its role.

    In this order: IMAGEMILL_TRUST_PASSPHRASE_<ROLE>; docker's DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE for the root and
    DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE for all others; the first line of the descriptor `fd`; `ask`.
    """

    def __init__(self, environ: Mapping[str, str], fd: int | None = None, ask: Ask | None = None) -> None:
        self._environ = environ
        self._fd = fd
        self._ask = ask
        self._from_fd: str | None = None

    def __call__(self, key: Named) -> str:
        """The passphrase of a key that is there. Raises TrustError where nobody gives one."""
        return self._found(key.role, f"Passphrase of the {key.role or 'private'} key {key.id[:12]}", new=False)

    def new(self, role: str) -> str:
        """A passphrase for a key that is being made. Raises TrustError for none, and for one that is too short."""
        word = self._found(role, f"Passphrase for the new {role} key", new=True)
        if len(word) < SHORTEST:
            raise TrustError(
                f"the passphrase for the {role} key is shorter than {SHORTEST} characters", "take a longer one"
            )
        return word

    def _found(self, role: str, question: str, *, new: bool) -> str:
        for name in variables(role):
            if self._environ.get(name):
                return self._environ[name]
        if self._fd is not None:
            return self._line(self._fd)
        if self._ask is not None:
            return self._ask(question, new)
        raise TrustError(
            f"no passphrase for the {role or 'private'} key",
            f"set {' or '.join(variables(role))}, give a file descriptor, or run it in a terminal",
        )

    def _line(self, fd: int) -> str:
        if self._from_fd is None:
            try:
                with open(fd, encoding="utf-8", closefd=False) as file:  # who opened it closes it
                    self._from_fd = file.readline().rstrip("\r\n")
            except (OSError, ValueError):
                raise TrustError(f"file descriptor {fd} cannot be read", "open it for this process") from None
            if not self._from_fd:
                raise TrustError(f"file descriptor {fd} holds no passphrase", "write it into its first line")
        return self._from_fd


def variables(role: str) -> tuple[str, str]:
    """The environment variables that a role's passphrase is looked for in, in this order."""
    own = PREFIX + (re.sub(r"[^A-Z0-9]", "_", role.rpartition("/")[2].upper()) or "KEY")
    return own, f"DOCKER_CONTENT_TRUST_{'ROOT' if role == 'root' else 'REPOSITORY'}_PASSPHRASE"


def prompt_possible(stdin: int = 0) -> bool:
    """Whether somebody can be asked."""
    return os.isatty(stdin)
