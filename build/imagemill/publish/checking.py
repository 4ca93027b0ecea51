"""A look at what was signed, from the registry's side, before any tag is moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from imagemill.attest.publickey import PublicKey
from imagemill.attest.statement import Statement
from imagemill.errors import PublishError
from imagemill.publish.names import Place
from imagemill.registry.repository import Repository
from imagemill.verify.evidence import gather

_AT_ONCE = 8


def checker(
    key: PublicKey, statements: Callable[[Place], Mapping[str, Sequence[Statement]]]
) -> Callable[[Repository, Place], None]:
    """What raises PublishError where signatures or statements of `key` are not there as they were meant."""

    def check(repository: Repository, place: Place) -> None:
        wanted = statements(place)
        kinds = {one.kind for rows in wanted.values() for one in rows}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = gather(repository, [one.digest for one in place.digests], [key], kinds, pool)
        for digest, rows in wanted.items():
            there = found[digest]
            lacking = [one.kind for one in rows if one not in there.statements(one.kind)]
            if repository.name not in there.repositories:
                lacking.insert(0, "a signature")
            if lacking:
                why = "; ".join(there.reasons) or "nothing there says why"
                raise PublishError(
                    f"{place.repository}: after it was sent, {digest} lacks {', '.join(dict.fromkeys(lacking))}: {why}",
                    "look who else writes there, and run it again; no tag was moved",
                )

    return check
