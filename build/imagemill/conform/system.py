"""Checks on what programs expect of an operating system: accounts, certificates, zones, locale, packages."""

from __future__ import annotations

import binascii
import datetime
import re
from collections.abc import Iterator

from imagemill.conform import facts
from imagemill.conform.finding import Finding, Problem, Subject, skipped, verdict
from imagemill.conform.view import View
from imagemill.errors import LayoutError

_STATUS = "/var/lib/dpkg/status"
_ZONEINFO = "/usr/share/zoneinfo"
_ZONE_MAGIC = b"TZif"  # RFC 9636
_LOCALES = "/usr/lib/locale"
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----")
# RFC 5280, 4.1.2.5: two times, of which the second counts, in one of two forms
_VALIDITY = re.compile(rb"(?:\x17\x0d\d{12}Z|\x18\x0f\d{14}Z)(?:\x17\x0d(\d{12})Z|\x18\x0f(\d{14})Z)")
_MAX_BUNDLE = 16 << 20
_BUILT_IN_LOCALES = ("C", "POSIX")


def accounts(view: View, subject: Subject) -> Iterator[Finding]:
    """The manifest's accounts and groups, with their numbers; and root; no number twice."""
    passwd = _table(view, "/etc/passwd", 7)
    groups = _table(view, "/etc/group", 4)
    problems: list[Problem] = []
    users = f"{subject.base_file}: users"
    remedy = "build the base again, or correct its users"
    wanted = {"root": ("0:0", "/root", "")}
    wanted |= {u.name: (f"{u.uid}:{u.gid}", u.home, u.shell) for u in subject.image.base.users}
    for name, (numbers, home, shell) in wanted.items():
        row = passwd.get(name)
        found = f"{row[2]}:{row[3]} {row[5]} {row[6]}" if row else "no such account"
        expected = f"{numbers} {home} {shell or (row[6] if row else '')}"
        if found != expected:
            problems.append(Problem(f"{name}: {expected}", f"{name}: {found}", f"{users}.{name}", remedy))
        group = groups.get(name)
        gid = numbers.partition(":")[2]
        if group is None or group[2] != gid:
            shown = group[2] if group else "no such group"
            problems.append(Problem(f"group {name}: {gid}", f"group {name}: {shown}", f"{users}.{name}", remedy))
    for path, columns in (("/etc/passwd", 7), ("/etc/group", 4)):
        problems += [
            Problem(f"{path}: {columns} fields a row", f"{path}: {row[:80]!r}", "passwd(5), group(5)", remedy)
            for row in _read(view, path).decode("utf-8", "replace").splitlines()
            if row.count(":") != columns - 1
        ]
    seen: dict[str, str] = {}
    for name, row in passwd.items():
        if row[2] in seen:
            problems.append(Problem("each uid once", f"{row[2]} is {seen[row[2]]} and {name}", "passwd(5)", remedy))
        seen.setdefault(row[2], name)
    return verdict(
        subject,
        "system.accounts",
        problems,
        expected=f"{len(wanted)} accounts",
        found=f"all of them, among {len(passwd)}",
        source=users,
    )


def certificates(view: View, subject: Subject) -> Iterator[Finding]:
    """There is a bundle of certificate authorities that all can read, and enough of them have not expired."""
    problems: list[Problem] = []
    counts: dict[str, int] = {}
    valid: dict[str | None, int] = {}
    now = datetime.datetime.fromtimestamp(subject.now or subject.epoch or 0, datetime.UTC)
    for fact in facts.about(subject.image, facts.filesystem().certificates):
        for path in fact.paths:
            key = view.resolve(path)
            if key not in valid:  # most of the paths are links to one bundle
                valid[key] = _valid(view, key, f"{now:%Y%m%d%H%M%S}")
            counts[path] = valid[key]
        if max(counts.values()) < fact.at_least:
            problems.append(
                Problem(
                    f"at least {fact.at_least} valid certificates in one of {', '.join(fact.paths)}, readable for all",
                    ", ".join(f"{path}: {count}" for path, count in counts.items()),
                    fact.source,
                    "have ca-certificates in the base, and its bundle made",
                )
            )
    return verdict(
        subject,
        "system.certificates",
        problems,
        expected="a bundle of certificate authorities",
        found=", ".join(f"{path}: {count}" for path, count in counts.items() if count),
        source=", ".join(fact.id for fact in facts.filesystem().certificates),
    )


def time_zones(view: View, subject: Subject) -> Iterator[Finding]:
    """The zone database is there, and /etc/localtime is a zone."""
    concerned = facts.about(subject.image, facts.filesystem().zones)
    places = [(f"{_ZONEINFO}/{name}", fact.source) for fact in concerned for name in fact.names]
    if view.resolve("/etc/localtime") is not None:  # `paths.contract` says whether it is there
        places.append(("/etc/localtime", concerned[0].source if concerned else "tzset(3)"))
    problems = [
        Problem(f"{path}: a time zone", f"{path}: {_shown(view, path)}", source, "have tzdata in the base")
        for path, source in places
        if not _read(view, path).startswith(_ZONE_MAGIC)
    ]
    return verdict(
        subject,
        "system.time-zones",
        problems,
        expected=f"{len(places)} time zones",
        found="all of them",
        source=", ".join(fact.id for fact in concerned),
    )


def locale(view: View, subject: Subject) -> Iterator[Finding]:
    """The locale that LANG names is installed."""
    lang = view.config.env.get("LANG", "C")
    language, _, codeset = lang.partition(".")
    # how glibc spells a codeset on disk: letters and digits, in lower case
    folder = f"{language}.{''.join(c for c in codeset.lower() if c.isalnum())}" if codeset else language
    places = [f"{_LOCALES}/{folder}/LC_CTYPE", f"{_LOCALES}/{lang}/LC_CTYPE", f"{_LOCALES}/locale-archive"]
    there = lang in _BUILT_IN_LOCALES or any(view.resolve(place) is not None for place in places)
    source = f"{subject.base_file}: {subject.image.variant}.env.LANG"
    problems = (
        [] if there else [Problem(f"locale {lang}", f"none of {', '.join(places)}", source, "have it in the base")]
    )
    return verdict(subject, "system.locale", problems, expected=f"locale {lang}", found="installed", source=source)


def packages(view: View, subject: Subject) -> Iterator[Finding]:
    """The package database reads, lists packages, and all of them are installed and of this architecture."""
    rows = database(view)
    problems = []
    source = "deb-control(5), dpkg(1)"
    remedy = "build the image again: scanners and apt-get read this file"
    if not rows:
        problems.append(Problem(f"packages in {_STATUS}", _shown(view, _STATUS), source, remedy))
    for number, row in enumerate(rows, 1):
        name = row.get("Package", f"paragraph {number}")
        missing = [key for key in ("Package", "Version", "Architecture", "Status") if not row.get(key)]
        if missing:
            problems.append(Problem(f"{name}: {', '.join(missing)}", "no such field", source, remedy))
        elif row["Status"] != "install ok installed":
            problems.append(Problem(f"{name}: installed", f"{name}: {row['Status']}", source, remedy))
        elif row["Architecture"] not in ("all", subject.platform.arch):
            problems.append(
                Problem(f"{name}: {subject.platform.arch}", f"{name}: {row['Architecture']}", source, remedy)
            )
    return verdict(
        subject,
        "system.packages",
        problems,
        expected="a package database",
        found=f"{len(rows)} packages",
        source=source,
    )


def locked(view: View, subject: Subject) -> Iterator[Finding]:
    """The packages are those of the lock: each of them, in its version, and no others."""
    check = "system.locked"
    source = f"runtimes/lock/{subject.image.base.name}.json"
    wanted = subject.packages
    if wanted is None or view.config.labels.get("io.imagemill.lock", "").startswith("refreshed: "):
        reason = "the image was not made from this lock" if wanted is None else "packages were resolved again"
        yield skipped(subject, check, reason, source=source)
        return
    found = {row["Package"]: row.get("Version", "") for row in database(view) if "Package" in row}
    if not found:  # `packages` says so
        yield skipped(subject, check, f"{_STATUS} lists no packages", source=source)
        return
    problems = [
        Problem(
            f"{name} {wanted.get(name, '(not installed)')}",
            f"{name} {found.get(name, '(not installed)')}",
            source,
            "build the image again",
        )
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name) != found.get(name)
    ]
    yield from verdict(
        subject, check, problems, expected=f"{len(wanted)} packages", found="these, and no others", source=source
    )


def release(view: View, subject: Subject) -> Iterator[Finding]:
    """The operating system is the one that Lambda runs."""
    rows = _read(view, "/etc/os-release").decode("utf-8", "replace").splitlines()
    names = [row.partition("=")[2].strip("\"'") for row in rows if row.startswith("ID=")]
    concerned = facts.about(subject.image, facts.filesystem().systems)
    problems = [
        Problem(f"ID={' or '.join(fact.names)}", f"ID={''.join(names)}", fact.source, "take another base")
        for fact in concerned
        if not set(names) & set(fact.names)
    ]
    return verdict(
        subject,
        "system.release",
        problems,
        expected="Amazon Linux",
        found=f"ID={''.join(names)}",
        source=", ".join(fact.source for fact in concerned),
    )


def database(view: View) -> list[dict[str, str]]:
    """What dpkg's database says of each package, by the names of its fields; nothing where there is none."""
    text = _read(view, _STATUS).decode("utf-8", "replace")
    return [_fields(paragraph) for paragraph in text.split("\n\n") if paragraph.strip()]


def ids(view: View, path: str) -> set[int]:
    """The numbers in passwd or group."""
    rows = (line.split(":") for line in _read(view, path).decode("utf-8", "replace").splitlines())
    return {int(row[2]) for row in rows if len(row) > 2 and row[2].isdecimal()}


def _valid(view: View, key: str | None, now: str) -> int:
    """Certificates in a bundle whose time is not over (`now` as 20261121143000); none in one that is not for all."""
    entry = view.stat(key) if key else None
    if entry is None or entry.mode & 0o444 != 0o444:
        return 0
    return sum(end >= now for end in map(_end, _PEM.findall(view.part(entry, 0, min(entry.size, _MAX_BUNDLE)))))


def _end(pem: bytes) -> str:
    """When a certificate expires; empty for what is none."""
    try:
        match = _VALIDITY.search(binascii.a2b_base64(pem))
    except ValueError:
        match = None
    if match is None:
        return ""
    short, long = match.groups()
    if long:
        return str(long.decode())
    year = int(short[:2])  # RFC 5280, 4.1.2.5.1: from 50 on it is the last century
    return f"{20 if year < 50 else 19}{short.decode()}"


def _fields(paragraph: str) -> dict[str, str]:
    lines = (line.partition(":") for line in paragraph.splitlines() if line[:1].strip())
    return {name: value.strip() for name, colon, value in lines if colon}


def _table(view: View, path: str, columns: int) -> dict[str, list[str]]:
    """The rows of passwd or group by name; rows of another shape are left out."""
    rows = (line.split(":") for line in _read(view, path).decode("utf-8", "replace").splitlines())
    return {row[0]: row for row in rows if len(row) == columns}


def _read(view: View, path: str) -> bytes:
    """A file's content; nothing where there is no such file."""
    try:
        return view.read(path)
    except LayoutError:
        return b""


def _shown(view: View, path: str) -> str:
    key = view.resolve(path)
    return "nothing" if key is None else f"{len(_read(view, path))} bytes of something else"
