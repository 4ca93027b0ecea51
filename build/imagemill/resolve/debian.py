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

from imagemill.cache import Cache
from imagemill.errors import FetchError, LockError
from imagemill.lock import DebianPackage
from imagemill.resolve.debversion import compare, fits
from imagemill.web import Web, retried

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

    def closure(self, wanted: Iterable[str], without: Collection[str], below: Collection[str]) -> list[DebianPackage]:
        """Packages that `wanted` needs, itself included, less those that are `below` already or cut on purpose.

        The first alternative counts unless another one is chosen already. Raises LockError for a package that is
        not there, or whose version does not fit.
        """
        asked = {name: "the manifest" for name in wanted if name not in without and name not in below}
        queue = list(asked)  # everything in `asked` is chosen, what is in the queue is not looked into yet
        while queue:
            name = queue.pop(0)
            for group in groups(self._candidate(name, asked[name]).depends):
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
        if candidate is not None and fits(candidate.package.version, relation, version):
            yield name
        for provider, provided in sorted(self.providers.get(name, ())):
            if not relation or (provided and fits(provided, relation, version)):
                yield provider


@dataclass(frozen=True)
class Release:
    """A suite of an archive at one time, with the hashes of its indexes. `date` is in seconds since 1970."""

    archive: str
    suite: str
    date: int
    text: str


def read_releases(
    suite: str, pockets: Sequence[str], *, web: Web, mirror: Callable[[str], str], keyring: Path | None
) -> list[Release]:
    """Download and verify what a suite and its pockets are now. `mirror` maps an archive's name to its address."""
    places = [("debian", suite)]
    places += [("debian-security" if p == "security" else "debian", f"{suite}-{p}") for p in pockets]
    releases = []
    for archive, name in places:
        text = read_release(web.read(f"{mirror(archive)}/dists/{name}/InRelease"), name, keyring)
        releases.append(Release(archive, name, _date(_field(text, "Date"), name), text))
    return releases


def check_validity(release: Release, where: str, now: float) -> None:
    """Raise FetchError for a Release whose Valid-Until has passed; `now` is in seconds since 1970.

    `where` is the manifest that names the suite. An old index is still signed: whoever serves it can hide security
    updates for as long as nobody looks.
    """
    until = re.search(r"^Valid-Until: (.*)$", release.text, re.MULTILINE)
    if until is not None and _date(until[1], release.suite) < now:
        raise FetchError(
            f"{release.suite}: the mirror's Release is no longer valid: it was until {until[1]}",
            "use a mirror that is up to date, look at this machine's clock, or, for a suite that is known to stand "
            f"still, set 'allow_expired: true' in {where}",
        )


def read_archive(
    releases: Sequence[Release],
    arch: str,
    *,
    web: Web,
    cache: Cache,
    mirror: Callable[[str], str],
    say: Callable[[str], None],
) -> Archive:
    """Download and verify the packages of these releases, of which the first one is the suite itself."""
    candidates: dict[str, Candidate] = {}
    for release in releases:
        say(f"reading {release.suite} for {arch}")
        for candidate in _packages(release, arch, web, cache, mirror(release.archive)):
            known = candidates.get(candidate.package.name)
            if known is None or compare(candidate.package.version, known.package.version) > 0:
                candidates[candidate.package.name] = candidate
    return Archive(releases[0].suite, arch, candidates, providers_of(candidates.values()))


def providers_of(candidates: Iterable[Candidate]) -> dict[str, list[tuple[str, str]]]:
    """Virtual name -> the packages that provide it, each with the version provided or ""."""
    providers: dict[str, list[tuple[str, str]]] = {}
    for candidate in candidates:
        for group in groups(candidate.provides):
            for virtual, _, version in group:
                providers.setdefault(virtual, []).append((candidate.package.name, version))
    return providers


def read_release(signed: bytes, suite: str, keyring: Path | None) -> str:
    """The text of the InRelease file of `suite`, if its signature is good.

    As for apt, one good signature is enough: releases are signed with several keys, of which an older keyring
    has only some. Raises FetchError for a bad signature or another suite's file, LockError without keys.
    """
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
                ["gpgv", "--status-fd", "1", "--keyring", keys.absolute(), "--output", out, given],
                capture_output=True, text=True, check=False, errors="replace",
            )  # fmt: skip
        except FileNotFoundError:
            raise LockError("gpgv is not here to check the Debian archive's signature", "install gpgv") from None
        status = set(re.findall(r"^\[GNUPG:\] ([A-Z_]+)", done.stdout, re.MULTILINE))
        # 0: all signatures are good; 2: there is none, or not all could be checked; 1: one is bad
        some_good = done.returncode == 2 and "GOODSIG" in status and "BADSIG" not in status
        if not (done.returncode == 0 or some_good) or not out.is_file():
            raise FetchError(
                f"{suite}: the signature of InRelease is not good: {done.stderr.strip()}",
                "the mirror is not to be trusted, or the keyring is too old",
            )
        text = out.read_text(encoding="utf-8")
    if suite not in re.findall(r"^(?:Suite|Codename): (\S+)$", text, re.MULTILINE):
        raise FetchError(f"{suite}: the mirror serves the Release of another suite", "use another mirror")
    return text


def _packages(release: Release, arch: str, web: Web, cache: Cache, mirror: str) -> Iterator[Candidate]:
    name = f"main/binary-{arch}/Packages.xz"
    sums = release.text.partition("\nSHA256:")[2]
    match = re.search(rf"^ ([0-9a-f]{{64}})\s+(\d+) {re.escape(name)}$", sums, re.MULTILINE)
    if match is None:
        raise LockError(f"{release.suite} has no {name}", "correct the manifest's suite or platforms")
    path = cache.path(match[1])
    if not path.is_file():
        digest, size = match[1], int(match[2])

        def keep(place: str) -> Path:
            url = f"{mirror}/dists/{release.suite}/{place}"
            return retried(lambda: cache.keep(web.stream(url), "sha256", digest, f"{release.suite} {name}", size))

        try:
            keep(f"main/binary-{arch}/by-hash/SHA256/{digest}")
        except FetchError:  # not every mirror has by-hash; the bytes are the same
            keep(name)
    for stanza in lzma.decompress(path.read_bytes()).split(b"\n\n"):
        fields = {key.decode(): value.decode() for key, value in _FIELDS.findall(stanza)}
        if "Filename" in fields:
            yield _candidate(fields, release.archive)


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
def groups(text: str) -> tuple[tuple[tuple[str, str, str], ...], ...]:
    """A dependency field: groups of alternatives, each (name, relation, version)."""
    return tuple(tuple(_alternative(word) for word in group.split("|")) for group in text.split(",") if group.strip())


def _alternative(text: str) -> tuple[str, str, str]:
    match = re.match(r"\s*([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\(\s*(<<|<=|=|>=|>>)\s*([^\s)]+)\s*\))?", text)
    if match is None:
        raise LockError(f"a dependency reads {text.strip()!r}", "report it: the archive has a form that is not known")
    return match[1], match[2] or "", match[3] or ""


def _date(text: str, suite: str) -> int:
    """A date of a Release file in seconds since 1970."""
    try:
        return int(email.utils.parsedate_to_datetime(text).timestamp())
    except ValueError:
        raise LockError(f"{suite}: its Release has the date {text!r}", "the mirror is not a Debian archive") from None


def _field(text: str, name: str) -> str:
    match = re.search(rf"^{name}: (.*)$", text, re.MULTILINE)
    if match is None:
        raise LockError(f"a Release file has no {name}", "the mirror is not a Debian archive")
    return match[1]
