"""Passphrases of keys, for commands: from the environment, a file descriptor, or who sits at the terminal."""

from __future__ import annotations

import os

import click

from imagemill.trust.passphrases import Passphrases, prompt_possible


def passphrases(fd: int | None) -> Passphrases:
    """Finds passphrases; `fd` is a file descriptor whose first line is one. Nobody is asked where nobody sits."""
    return Passphrases(os.environ, fd, _asked if prompt_possible() else None)


def _asked(question: str, new: bool) -> str:
    return str(click.prompt(question, hide_input=True, confirmation_prompt=new, err=True))
