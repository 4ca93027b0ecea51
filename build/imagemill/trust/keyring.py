"""The keys at hand: those in the trust directory, and those that programs keep."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from imagemill.errors import TrustError
from imagemill.trust import keyfiles
from imagemill.trust.keys import KeyFile, Named, generate, key_id, look
from imagemill.trust.passphrases import Passphrases
from imagemill.trust.signer import Signer

_ID = re.compile(r"^[0-9a-f]{64}$")


class Keyring:
    """Finds keys by their ids. A key file is opened, and its passphrase asked for, when it first signs."""

    def __init__(
        self, trust: Path, passphrases: Passphrases, others: Sequence[Signer] = (), rounds: int = keyfiles.ROUNDS
    ) -> None:
        self.place = trust / "private"
        self._passphrases = passphrases
        self._others = tuple(others)
        self._rounds = rounds
        self._found: dict[str, Signer] = {}

    def listed(self) -> list[Named]:
        """The key files, without being opened."""
        files = sorted(self.place.glob("*.key")) if self.place.is_dir() else []
        return [look(path) for path in files if _ID.match(path.stem)]

    def external(self) -> set[str]:
        """The ids of the keys that programs keep."""
        return {key_id(signer) for signer in self._others}

    def find(self, key: str) -> Signer | None:
        """The key with this id; None where it is not at hand."""
        if key not in self._found:
            for signer in self._others:
                self._found.setdefault(key_id(signer), signer)
            path = self.place / f"{key}.key"
            if key not in self._found and _ID.match(key) and path.is_file():
                self._found[key] = KeyFile(path, self._passphrases)
        return self._found.get(key)

    def have(self, key: str) -> Signer:
        """The key with this id, or the only one whose id begins so. Raises TrustError."""
        self.find("")  # others have names too
        names = {named.id for named in self.listed()} | set(self._found)
        fitting = [name for name in names if name.startswith(key)]
        signer = self.find(fitting[0]) if len(fitting) == 1 and key else None
        if signer is None:
            what = f"{len(fitting)} keys are" if len(fitting) > 1 else "no key is"
            raise TrustError(f"{what} named {key} in {self.place}", "see `imagemill trust status`")
        return signer

    def make(self, role: str, gun: str = "") -> Signer:
        """A new key, which is kept, encrypted with a passphrase of its role. Raises TrustError."""
        key = generate(role, gun)
        name = key_id(key)
        path = self.place / f"{name}.key"
        text = key.text(self._passphrases.new(role), self._rounds)
        try:
            keyfiles.write_private(path, text)
        except FileExistsError:
            raise TrustError(f"{path} is there already", "keys are never replaced") from None
        except OSError as error:
            raise TrustError(f"{path}: {error.strerror}", "see who may write there") from None
        self._found[name] = key
        return key

    def export(self, out: Path, keys: Sequence[str] = ()) -> list[Named]:
        """Write a backup of these keys (all, when none is named), each as encrypted as it is. Returns them.

        It is what `notary key export` writes, so `notary key import` reads it too. Raises TrustError.
        """
        chosen = [named for named in self.listed() if not keys or any(named.id.startswith(key) for key in keys)]
        if not chosen:
            raise TrustError(f"{self.place} has no such key", "see `imagemill trust status`")
        texts = []
        for named in chosen:
            pem = keyfiles.parse(named.path.read_text(encoding="ascii"), str(named.path))
            if not keyfiles.is_encrypted(pem):
                raise TrustError(f"{named.path} is not encrypted", "a backup holds only encrypted keys")
            texts.append(keyfiles.spelled(keyfiles.Pem(pem.kind, {**pem.headers, "path": named.id}, pem.der)))
        try:
            keyfiles.write_private(out, "".join(texts))
        except FileExistsError:
            raise TrustError(f"{out} is there already", "name another file: nothing is overwritten") from None
        except OSError as error:
            raise TrustError(f"{out}: {error.strerror}", "name a file that can be written") from None
        return chosen

    def restore(self, backup: Path) -> list[Named]:
        """Put back the keys of a backup that are not there. Returns them. Raises TrustError."""
        restored = []
        for pem in keyfiles.parse_all(_text(backup), str(backup)):
            name = pem.headers.get("path", "")
            if not _ID.match(name):
                raise TrustError(
                    f"{backup}: a key says not which one it is", "give a backup of `imagemill trust export`"
                )
            rest = {key: value for key, value in pem.headers.items() if key != "path"}
            path = self.place / f"{name}.key"
            text = keyfiles.spelled(keyfiles.Pem(pem.kind, rest, pem.der))  # nothing tells which key it is but its use
            try:
                keyfiles.write_private(path, text)
            except FileExistsError:
                continue
            except OSError as error:
                raise TrustError(f"{path}: {error.strerror}", "see who may write there") from None
            restored.append(look(path))
        return restored


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise TrustError(f"{path}: {error.strerror}", "name a backup that is there") from None
