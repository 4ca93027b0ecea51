"""The files of The Update Framework as Notary 0.7 writes and reads them: what is in each, spelled in one way.

A file whose bytes are not exactly what this module would write of its content is refused: nothing in it is unread.
Notary's server makes digests of what it spells itself, so the spelling is part of the format.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from imagemill.errors import TrustError
from imagemill.oci import canonical
from imagemill.trust.keys import id_of

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = BASE_ROLES = ("root", "targets", "snapshot", "timestamp")
RELEASES = f"{TARGETS}/releases"
"""Where docker looks for tags first."""

LONGEST = 64 << 20
"""Bytes of a file that is read at all; Notary's clients stop at 100 MB."""

_DELEGATION = re.compile(r"^targets(/[-a-z0-9_]+)+$")
_TAG = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")


class Public(Struct, frozen=True):
    """The inside of a key; `private` is always null."""

    private: None
    public: str  # base64


class PublicKey(Struct, frozen=True):
    """A public key: DER for `ecdsa`, PEM of a certificate for `ecdsa-x509`, and what else Notary knows."""

    keytype: str
    keyval: Public

    @staticmethod
    def of(keytype: str, public: bytes) -> PublicKey:
        """The key with these public bytes."""
        return PublicKey(keytype, Public(None, base64.b64encode(public).decode()))

    @property
    def id(self) -> str:
        """The key's id."""
        return id_of(self.keytype, self.keyval.public)

    @property
    def public(self) -> bytes:
        """The public bytes."""
        return _unbase64(self.keyval.public)


class Keys(Struct, frozen=True):
    """Who signs a role of the root, and how many of them must."""

    keyids: list[str]
    threshold: int


class Delegated(Struct, frozen=True):
    """The same of a delegation; `paths` are prefixes of the tags that it may sign."""

    keyids: list[str]
    name: str
    threshold: int
    paths: list[str] | UnsetType = UNSET


class Described(Struct, frozen=True):
    """A file or target by its length and digests (base64 by algorithm)."""

    hashes: dict[str, str]
    length: int
    custom: Any = UNSET

    @staticmethod
    def of(data: bytes) -> Described:
        """What describes these bytes."""
        found = {name: base64.b64encode(hashlib.new(name, data).digest()).decode() for name in ("sha256", "sha512")}
        return Described(found, len(data))

    @staticmethod
    def target(digest: str, size: int) -> Described:
        """What describes an image by its digest, `sha256:…`."""
        return Described({"sha256": base64.b64encode(bytes.fromhex(digest.removeprefix("sha256:"))).decode()}, size)

    @property
    def hex(self) -> str:
        """The SHA-256 in hexadecimal; empty where there is none."""
        return _unbase64(self.hashes.get("sha256", "")).hex()

    def fits(self, data: bytes) -> bool:
        """Whether these are the bytes that are meant: all digests that are known, and SHA-256 among them."""
        found = Described.of(data)
        known = {name: value for name, value in self.hashes.items() if name in found.hashes}
        return "sha256" in known and self.length == len(data) and known.items() <= found.hashes.items()


class Delegations(Struct, frozen=True):
    """What a role of targets hands on."""

    keys: dict[str, PublicKey] | None
    roles: list[Delegated] | None


class Root(Struct, frozen=True, kw_only=True):
    """Who signs what."""

    type: str = field(name="_type", default="Root")
    consistent_snapshot: bool = False
    expires: str
    keys: dict[str, PublicKey]
    roles: dict[str, Keys]
    version: int

    def keys_of(self, role: str) -> dict[str, PublicKey]:
        """The keys of a role by their ids."""
        return {name: self.keys[name] for name in self.roles[role].keyids}


class Targets(Struct, frozen=True, kw_only=True):
    """Tags and their images, and who else may sign some."""

    type: str = field(name="_type", default="Targets")
    delegations: Delegations = field(default_factory=lambda: Delegations({}, []))
    expires: str
    targets: dict[str, Described]
    version: int

    def delegated(self) -> dict[str, tuple[Delegated, dict[str, PublicKey]]]:
        """The delegations by name, each with its keys by their ids."""
        keys = self.delegations.keys or {}
        return {one.name: (one, {name: keys[name] for name in one.keyids}) for one in self.delegations.roles or ()}


class Snapshot(Struct, frozen=True, kw_only=True):
    """Which files belong together."""

    type: str = field(name="_type", default="Snapshot")
    expires: str
    meta: dict[str, Described]
    version: int


class Timestamp(Struct, frozen=True, kw_only=True):
    """Which snapshot is the newest."""

    type: str = field(name="_type", default="Timestamp")
    expires: str
    meta: dict[str, Described]
    version: int


class Signature(Struct, frozen=True):
    """A signature: by which key, of which kind, base64."""

    keyid: str
    method: str
    sig: str


Content = Root | Targets | Snapshot | Timestamp
_Content = TypeVar("_Content", bound=Content)


class _Envelope(Struct, frozen=True):
    signed: msgspec.Raw
    signatures: list[Signature]


def parse(data: bytes, kind: type[_Content], what: str) -> tuple[_Content, list[Signature]]:
    """What a file says and who signed it; nothing is verified but its form. Raises TrustError."""
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
        content: _Content = msgspec.json.decode(envelope.signed, type=kind)
        if spelled(content, envelope.signatures) != data:
            raise TrustError(f"{what} is not spelled as its content is", "have it signed again")
        _check(content, what)
    except (msgspec.MsgspecError, ValueError, KeyError) as error:
        raise TrustError(f"{what} is no metadata of Notary's: {error}", "have it signed again") from None
    return content, envelope.signatures


def spelled(content: Content, signatures: list[Signature]) -> bytes:
    """A file, to the byte."""
    rows = ",".join(json.dumps(msgspec.to_builtins(one), separators=(",", ":")) for one in signatures)
    return b'{"signed":' + to_sign(content) + b',"signatures":[' + rows.encode() + b"]}"


def to_sign(content: Content) -> bytes:
    """The bytes that signatures are made over."""
    return canonical(msgspec.to_builtins(content))


def is_delegation(role: str) -> bool:
    """Whether a role's name is one that Notary takes for a delegation."""
    return len(role) < 256 and _DELEGATION.match(role) is not None and not role.endswith("\n")


def is_tag(text: str) -> bool:
    """Whether this can be a tag."""
    return _TAG.match(text) is not None and not text.endswith("\n")


def moment(at: datetime) -> str:
    """A moment as metadata spells it: whole seconds, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def expiry(content: Content) -> datetime:
    """When it expires."""
    return datetime.fromisoformat(content.expires)


def _check(content: Content, what: str) -> None:
    """What types do not say. Raises ValueError and KeyError."""
    kind = type(content).__name__
    if content.type != kind:
        raise ValueError(f"it is a {content.type}, not a {kind}")
    if content.version < 1:
        raise ValueError("its version is less than 1")
    if expiry(content).tzinfo is None:
        raise ValueError("its expiry has no time zone")
    if isinstance(content, Root):
        missing = [role for role in BASE_ROLES if role not in content.roles]
        if missing:
            raise ValueError(f"it has no {missing[0]} role")
        _check_keys(content.keys, content.roles.values())
    elif isinstance(content, Targets):
        _check_keys(content.delegations.keys or {}, content.delegations.roles or ())
        _check_described(content.targets)
        content.delegated()
        for one in content.delegations.roles or ():
            if not is_delegation(one.name):
                raise ValueError(f"{one.name} is no name of a delegation")
    else:
        _check_described(content.meta)
        wanted = (ROOT, TARGETS) if isinstance(content, Snapshot) else (SNAPSHOT,)
        for role in wanted:
            if not content.meta[role].hex:
                raise ValueError(f"{what} does not say which {role} is meant")


def _check_keys(keys: Mapping[str, PublicKey], roles: Any) -> None:
    for name, key in keys.items():
        if key.id != name:
            raise ValueError(f"key {name[:12]} has another id than its content")
    for role in roles:
        if role.threshold < 1:
            raise ValueError("a threshold is less than 1")
        for name in role.keyids:
            if name not in keys:
                raise ValueError(f"key {name[:12]} is not there")


def _check_described(found: Mapping[str, Described]) -> None:
    for name, one in found.items():
        if one.length < 0 or (one.hashes.get("sha256") is not None and len(one.hex) != 64):
            raise ValueError(f"{name} has a digest or length that is none")


def _unbase64(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("base64 with loose ends")
    return data
