"""Lists that registries give in pages: each says where the next one is.

Source: OCI Distribution Specification 1.1, "Listing Tags" and "Listing Referrers".
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from imagemill.errors import RegistryError
from imagemill.registry.faults import Answer

_MOST = 1000
_NOT_FOUND = 404


def of(ask: Callable[[str], Answer], path: str, base: str, what: str) -> Iterator[dict[str, Any]]:
    """The pages of a list, `path` below `base`; none where the registry knows nothing of it.

    Raises RegistryError, which says `what` it is about, for what is no list, and for one without an end.
    """
    for _ in range(_MOST):
        answer = ask(path)
        if answer.status == _NOT_FOUND:
            return
        try:
            data = json.loads(answer.body)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise RegistryError(f"{what} is no JSON object", "look what answers")
        yield data
        link = re.match(r'\s*<([^>]+)>\s*;\s*rel="?next"?', answer.headers.get("Link", ""))
        if not link:
            return
        path = urllib.parse.urljoin(f"{base}{path}", link[1])
    raise RegistryError(f"{what} has no end", "look what answers")
