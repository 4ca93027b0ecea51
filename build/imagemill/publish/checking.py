"""A look at what was signed, from the registry's side, before any tag is moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from imagemill.attest.publickey import PublicKey
from imagemill.attest.statement import Statement
from imagemill.errors import PublishError
from imagemill.publish.names import Place
from imagemill.registry.repository import Repository
from imagemill.verify.evidence import gather

_AT_ONCE = 8


def checker(key: PublicKey) -> Callable[[Repository, Place, Sequence[Statement]], None]:
    """What raises PublishError where signatures or statements of `key` are not there as they were meant."""

    def check(repository: Repository, place: Place, wanted: Sequence[Statement]) -> None:
        kinds = {one.kind for one in wanted}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = gather(repository, [one.digest for one in place.digests], [key], kinds, pool)
        for digest, there in found.items():
            mine = [one for one in wanted if digest in one.subjects]
            lacking = [one.kind for one in mine if one not in there.statements(one.kind)]
            if repository.name not in there.repositories:
                lacking.insert(0, "a signature")
            if lacking:
                why = "; ".join(there.reasons) or "nothing there says why"
                raise PublishError(
                    f"{place.repository}: after it was sent, {digest} lacks {', '.join(dict.fromkeys(lacking))}: {why}",
                    "look who else writes there, and run it again; no tag was moved",
                )

    return check
