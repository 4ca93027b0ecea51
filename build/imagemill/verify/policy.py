"""What an image must be like to be trusted: a YAML file, read strictly. docs/provenance.md shows one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, structs

from imagemill.attest.publickey import PublicKey
from imagemill.errors import VerifyError
from imagemill.keys import PlatformName, Sha256, known_platforms, spelled

SCHEMA = "build/imagemill/verify/policy.schema.json"


class Pinned(Struct, frozen=True, forbid_unknown_fields=True):
    """Docker Content Trust: where the metadata is, and the root keys of which one must have signed it."""

    server: Annotated[str, spelled(r"^https?://[^\s]+$", "https://host")]
    roots: Annotated[tuple[Sha256, ...], Meta(min_length=1)]
    """Ids as `docker trust inspect` shows them."""


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """What an image must be like. Everything that is left out is not asked, except for what `without` is about."""

    keys: tuple[str, ...] = ()
    """Public keys, of which one must have signed: files, from the policy's folder, or PEM."""
    signed_as: str = ""
    """The repository for which it was signed, where it is in another: in a mirror."""
    platforms: tuple[PlatformName, ...] = ()
    """What an index must have; by default all that its provenance names."""
    builders: tuple[str, ...] = ()
    """Ids of the builders, of which one must have made it."""
    source: str = ""
    """The address of the git repository that it must come from."""
    revision: Annotated[str, spelled(r"^([0-9a-f]{40})?$", "40 hexadecimal digits")] = ""
    """The commit that it must be of."""
    lock: Sha256 | None = None
    """The SHA-256 of the lock file that it must be made from."""
    days: Annotated[int, Meta(ge=1)] | None = None
    """How old it may be."""
    without: tuple[Literal["sbom", "provenance", "report"], ...] = ()
    """What it need not have."""
    trust: Pinned | None = None

    def __post_init__(self) -> None:
        """ValueError for an unknown platform."""
        known_platforms(self.platforms)


def load(path: Path) -> Policy:
    """Read a policy; its keys come as PEM. Raises VerifyError with every mistake in it."""
    from imagemill import strictyaml

    try:
        found, mistakes = strictyaml.read(path, path.name, Policy, schema=SCHEMA)
    except OSError as error:
        raise VerifyError(f"{path}: {error.strerror}", "name the file of a policy") from None
    if found is None:
        raise VerifyError(f"{path} is no policy:\n" + "\n".join(f"  {row}" for row in mistakes))
    return structs.replace(found, keys=tuple(_pem(key, path.parent) for key in found.keys))


def public_keys(policy: Policy) -> list[PublicKey]:
    """The keys of a policy. VerifyError for none, and for what is no key."""
    if not policy.keys:
        raise VerifyError("there is no key to verify with", "give one with --key, or in the policy under 'keys'")
    return [PublicKey.from_pem(key.encode(), "a key of the policy") for key in policy.keys]


def with_keys(policy: Policy, files: Sequence[Path]) -> Policy:
    """The policy with these keys in place of its own, if there are any."""
    return structs.replace(policy, keys=tuple(_pem(str(file), Path()) for file in files)) if files else policy


def _pem(key: str, folder: Path) -> str:
    if "-----BEGIN" in key:
        return key
    try:
        return (folder / key).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise VerifyError(f"there is no public key {folder / key}", "give the file that ends in .pub") from None
