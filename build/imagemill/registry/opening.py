"""Repositories by the names that people write."""

from __future__ import annotations

from collections.abc import Mapping

from imagemill import dockerconfig
from imagemill.errors import SelectionError
from imagemill.registry.login import Given
from imagemill.registry.names import parse
from imagemill.registry.repository import Repository
from imagemill.web import Web


def open_repository(text: str, web: Web, environ: Mapping[str, str], login: Given = "") -> Repository:
    """The repository that `text` names, as docker spells it, with `login`, or the one that docker keeps for it.

    Raises SelectionError for what is no name of one.
    """
    name = parse(text)
    if name is None or ":" in text.rpartition("/")[2]:
        raise SelectionError(f"{text!r} is no repository", "write it as REGISTRY/REPOSITORY, without a tag")
    return Repository(web, name.repository, login or dockerconfig.login_for(environ, name.repository))
