"""What was last seen of repositories, so that nobody can show an older state or another root: docker's own folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from imagemill.errors import TrustError
from imagemill.trust.metadata import (
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    Content,
    Root,
    Snapshot,
    Targets,
    Timestamp,
    parse,
)
from imagemill.trust.reader import Anchor, Trusted


class Memory:
    """The newest verified metadata of one GUN, in `tuf/GUN/metadata` of the trust directory."""

    def __init__(self, trust: Path, gun: str) -> None:
        self.place = trust / "tuf" / gun / "metadata"

    def anchor(self, root_keys: frozenset[str] = frozenset()) -> Anchor:
        """What a reading starts from. Raises TrustError for a root that cannot be read any more."""
        root = self._file(ROOT)
        if root:
            parse(root, Root, str(self.place / "root.json"))
        versions: dict[str, int] = {}
        kinds: dict[str, type[Content]] = {TIMESTAMP: Timestamp, SNAPSHOT: Snapshot, TARGETS: Targets}
        for role, kind in kinds.items():
            data = self._file(role)
            if data:
                versions[role] = parse(data, kind, str(self.place / f"{role}.json"))[0].version
        return Anchor(root, root_keys, versions)

    def keep(self, trusted: Trusted) -> None:
        """Remember what was verified. Raises TrustError."""
        try:
            for role, data in trusted.files.items():
                if self._file(role) != data:
                    path = self.place / f"{role}.json"
                    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
                    scratch.write_bytes(data)
                    scratch.replace(path)
        except OSError as error:
            raise TrustError(f"{self.place}: {error.strerror}", "see who may write there") from None

    def _file(self, role: str) -> bytes:
        try:
            return (self.place / f"{role}.json").read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise TrustError(f"{self.place}/{role}.json: {os.strerror(error.errno or 0)}", "see who reads it") from None
