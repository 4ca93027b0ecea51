"""The token service of a notary in a container: who may sign there. Everybody may read.

It takes a folder with `users` (lines of name:password), `tokens.crt` and `tokens.key`, and the name by which clients
reach it. It needs cryptography and nothing else of Python's packages.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from certificates import Pair
from tokens import serving, users_of


def main(folder: Path, name: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    users = users_of((folder / "users").read_text(encoding="utf-8"))
    pair = Pair(folder / "tokens.crt", folder / "tokens.key")
    with serving(pair, users, listen="0.0.0.0", port=port, name=name):  # noqa: S104 - a container's own network
        ended.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
