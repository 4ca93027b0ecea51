"""Debian archives and their dependencies, without apt: signed indexes, closures, versions.

Source of the formats: Debian Policy 5 and 7, the repository format on Debian's wiki, deb-version(7).
"""

from __future__ import annotations

import email.utils
import functools
import lzma
import re
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagemill.errors import FetchError, LockError
from imagemill.fetch import Cache, Web
from imagemill.lock import DebianPackage

KEYRINGS = (Path("/usr/share/keyrings/debian-archive-keyring.gpg"), Path("/etc/apt/trusted.gpg.d/debian-archive.gpg"))
_FIELDS = re.compile(
    rb"^(Package|Version|Architecture|Source|Filename|Size|SHA256|Depends|Pre-Depends|Provides): (.*)$", re.MULTILINE
)


@dataclass(frozen=True)
class Candidate:
    """One version of a package in an archive."""

    package: DebianPackage
    depends: str
    provides: str


@dataclass(frozen=True)
class Archive:
    """What a suite and its pockets offer for one architecture: the newest of each name, and who provides what."""

    suite: str
    arch: str
    candidates: Mapping[str, Candidate]
    providers: Mapping[str, Sequence[tuple[str, str]]]  # virtual name -> (real name, version provided or "")
    releases: Mapping[str, int]

    def closure(self, wanted: Iterable[str], without: Collection[str], below: Collection[str]) -> list[DebianPackage]:
        """Packages that `wanted` needs, itself included, less those that are `below` already or cut on purpose.

        The first alternative counts unless another one is chosen already. Raises LockError for a package that is
        not there, or whose version does not fit.
        """
        asked = {name: "the manifest" for name in wanted if name not in without and name not in below}
        queue = list(asked)  # everything in `asked` is chosen, what is in the queue is not looked into yet
        while queue:
            name = queue.pop(0)
            for group in _groups(self._candidate(name, asked[name]).depends):
                found = self._choose(group, asked.keys() | set(below), without, name)
                if found:
                    asked[found] = name
                    queue.append(found)
        return sorted(self.candidates[name].package for name in asked)

    def _candidate(self, name: str, asker: str) -> Candidate:
        if name not in self.candidates:
            raise LockError(
                f"{self.suite} has no package {name!r} for {self.arch} (asked for by {asker})",
                "correct the manifest, or name a package of that suite",
            )
        return self.candidates[name]

    def _choose(
        self, group: Sequence[tuple[str, str, str]], chosen: Collection[str], without: Collection[str], asker: str
    ) -> str:
        """The package that satisfies one alternative of a dependency; empty when it is there or cut."""
        answers = [answer for alternative in group for answer in self._satisfying(*alternative)]
        if any(answer in chosen for answer in answers) or any(name in without for name, _, _ in group):
            return ""
        if not answers:
            words = " | ".join(
                f"{name} ({relation} {version})" if version else name for name, relation, version in group
            )
            raise LockError(
                f"{self.suite} for {self.arch}: nothing satisfies {words}, which {asker} depends on",
                "the archive may be between two states: try again later, or cut it with 'without'",
            )
        return next((answer for answer in answers if answer not in without), "")

    def _satisfying(self, name: str, relation: str, version: str) -> Iterator[str]:
        candidate = self.candidates.get(name)
        if candidate is not None and _fits(candidate.package.version, relation, version):
            yield name
        for provider, provided in sorted(self.providers.get(name, ())):
            if not relation or (provided and _fits(provided, relation, version)):
                yield provider


def read_archive(
    suite: str,
    pockets: Sequence[str],
    arch: str,
    *,
    web: Web,
    cache: Cache,
    mirror: Callable[[str], str],
    keyring: Path | None,
    say: Callable[[str], None],
) -> Archive:
    """Download and verify the indexes of a suite and its pockets. `mirror` maps an archive's name to its address."""
    places = [("debian", suite)]
    places += [("debian-security" if p == "security" else "debian", f"{suite}-{p}") for p in pockets]
    candidates: dict[str, Candidate] = {}
    releases: dict[str, int] = {}
    for archive, name in places:
        release = read_release(web.read(f"{mirror(archive)}/dists/{name}/InRelease"), name, keyring)
        releases[name] = int(email.utils.parsedate_to_datetime(_field(release, "Date")).timestamp())
        say(f"reading {name} for {arch}")
        for candidate in _packages(release, archive, name, arch, web, cache, mirror(archive)):
            known = candidates.get(candidate.package.name)
            if known is None or compare(candidate.package.version, known.package.version) > 0:
                candidates[candidate.package.name] = candidate
    providers: dict[str, list[tuple[str, str]]] = {}
    for candidate in candidates.values():
        for group in _groups(candidate.provides):
            for virtual, _, version in group:
                providers.setdefault(virtual, []).append((candidate.package.name, version))
    return Archive(suite, arch, candidates, providers, releases)


def read_release(signed: bytes, suite: str, keyring: Path | None) -> str:
    """The text of an InRelease file with a good signature. Raises FetchError for a bad one, LockError without keys."""
    keys = keyring or next((path for path in KEYRINGS if path.is_file()), None)
    if keys is None or not keys.is_file():
        raise LockError(
            "there are no keys to check the Debian archive's signature with",
            "install debian-archive-keyring, or name a keyring in IMAGEMILL_DEBIAN_KEYRING",
        )
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder, "InRelease"), Path(folder, "Release")
        given.write_bytes(signed)
        try:
            done = subprocess.run(
                ["gpgv", "--keyring", keys, "--output", out, given], capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise LockError("gpgv is not here to check the Debian archive's signature", "install gpgv") from None
        if done.returncode or not out.is_file():
            raise FetchError(
                f"{suite}: the signature of InRelease is not good: {done.stderr.strip()}",
                "the mirror is not to be trusted, or the keyring is too old",
            )
        return out.read_text(encoding="utf-8")


def _packages(
    release: str, archive: str, suite: str, arch: str, web: Web, cache: Cache, mirror: str
) -> Iterator[Candidate]:
    name = f"main/binary-{arch}/Packages.xz"
    sums = release.partition("\nSHA256:")[2]
    match = re.search(rf"^ ([0-9a-f]{{64}})\s+(\d+) {re.escape(name)}$", sums, re.MULTILINE)
    if match is None:
        raise LockError(f"{suite} has no {name}", "correct the manifest's suite or platforms")
    path = cache.path(match[1])
    if not path.is_file():
        try:
            stream = web.stream(f"{mirror}/dists/{suite}/main/binary-{arch}/by-hash/SHA256/{match[1]}")
            cache.keep(stream, "sha256", match[1], f"{suite} {name}")
        except FetchError:
            stream = web.stream(f"{mirror}/dists/{suite}/{name}")
            cache.keep(stream, "sha256", match[1], f"{suite} {name}", int(match[2]))
    for stanza in lzma.decompress(path.read_bytes()).split(b"\n\n"):
        fields = {key.decode(): value.decode() for key, value in _FIELDS.findall(stanza)}
        if "Filename" in fields:
            yield _candidate(fields, archive)


def _candidate(fields: Mapping[str, str], archive: str) -> Candidate:
    source, _, source_version = fields.get("Source", fields["Package"]).partition(" ")
    package = DebianPackage(
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        source=source,
        source_version=source_version.strip("()") or fields["Version"],
        archive=archive,
        path=fields["Filename"],
        size=int(fields["Size"]),
        sha256=fields["SHA256"],
    )
    depends = ", ".join(fields[key] for key in ("Pre-Depends", "Depends") if key in fields)
    return Candidate(package, depends, fields.get("Provides", ""))


@functools.cache
def _groups(text: str) -> tuple[tuple[tuple[str, str, str], ...], ...]:
    """A dependency field: groups of alternatives, each (name, relation, version)."""
    return tuple(tuple(_alternative(word) for word in group.split("|")) for group in text.split(",") if group.strip())


def _alternative(text: str) -> tuple[str, str, str]:
    match = re.match(r"\s*([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\(\s*(<<|<=|=|>=|>>)\s*([^\s)]+)\s*\))?", text)
    if match is None:
        raise LockError(f"a dependency reads {text.strip()!r}", "report it: the archive has a form that is not known")
    return match[1], match[2] or "", match[3] or ""


def _fits(version: str, relation: str, wanted: str) -> bool:
    if not relation:
        return True
    order = compare(version, wanted)
    return {"<<": order < 0, "<=": order <= 0, "=": order == 0, ">=": order >= 0, ">>": order > 0}[relation]


def compare(one: str, other: str) -> int:
    """Negative, zero or positive as version `one` is older than, as old as, or newer than `other` (deb-version(7))."""
    (epoch_one, upstream_one, revision_one), (epoch_other, upstream_other, revision_other) = _split(one), _split(other)
    if epoch_one != epoch_other:
        return epoch_one - epoch_other
    return _compare_part(upstream_one, upstream_other) or _compare_part(revision_one, revision_other)


def _split(version: str) -> tuple[int, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return int(epoch), upstream if dash else rest, revision if dash else "0"


def _compare_part(one: str, other: str) -> int:
    while one or other:
        (words_one, one), (words_other, other) = _take(one, r"\D*"), _take(other, r"\D*")
        for a, b in zip([*map(_rank, words_one), 0], [*map(_rank, words_other), 0], strict=False):
            if a != b:
                return a - b
        (digits_one, one), (digits_other, other) = _take(one, r"\d*"), _take(other, r"\d*")
        difference = int(digits_one or "0") - int(digits_other or "0")
        if difference:
            return difference
    return 0


def _take(text: str, pattern: str) -> tuple[str, str]:
    taken = re.match(pattern, text)
    end = taken.end() if taken else 0
    return text[:end], text[end:]


def _rank(char: str) -> int:
    """A tilde sorts before the end of the part, letters before everything else."""
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256


def _field(text: str, name: str) -> str:
    match = re.search(rf"^{name}: (.*)$", text, re.MULTILINE)
    if match is None:
        raise LockError(f"a Release file has no {name}", "the mirror is not a Debian archive")
    return match[1]
