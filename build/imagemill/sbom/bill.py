"""Software bills of materials that others hand over: the packages that one lists, whoever wrote it.

SPDX 2.2 and 2.3 (packages with a purl among their externalRefs) and CycloneDX 1.2 to 1.6 (components with a purl), both
as JSON, bare or as the predicate of an in-toto statement.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from msgspec import Struct

from imagemill.errors import SbomError

KINDS = frozenset({"deb", "pypi", "npm", "gem", "maven", "nuget", "golang"})
"""Types of package URLs that are looked for in images; what else a bill lists is not compared."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_DEEPEST = 20  # components in each other


class Package(Struct, frozen=True, order=True):
    """A package as bills agree on it: two spellings of one name are the same here."""

    kind: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.version}"


class Bill(Struct, frozen=True):
    """What a file lists. `digest` is that of the image that it says it is about; empty where it does not say."""

    name: str
    digest: str
    packages: frozenset[Package]


def read(path: Path) -> Bill:
    """The bill in a file. SbomError where there is none, or none that lists packages."""
    try:
        data: Any = json.loads(path.read_bytes())
        data = data.get("predicate") or data
        if str(data.get("spdxVersion", "")).startswith("SPDX-2"):
            purls, about = list(_spdx(data)), list(_described(data))
        elif data.get("bomFormat") == "CycloneDX":
            subject = (data.get("metadata") or {}).get("component") or {}
            purls = list(_cyclonedx(data.get("components") or (), 0))
            about = [str(subject.get(key, "")) for key in ("version", "bom-ref", "purl")]
        else:
            raise ValueError("neither SPDX 2 nor CycloneDX, as JSON")
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise SbomError(
            f"{path} is no software bill of materials: {error}", "write one with `imagemill sbom`"
        ) from None
    packages = frozenset(one for purl in purls if (one := package(purl)) and one.kind in KINDS)
    if not packages:
        raise SbomError(f"{path} lists no package with a purl", "have a tool write it that gives package URLs")
    digests = [found[0] for text in about if (found := _DIGEST.search(unquote(text)))]
    return Bill(str(path), digests[0] if digests else "", packages)


def package(purl: str) -> Package | None:
    """The package that a package URL means; None for what is none, or names no version.

    Source of the rules: github.com/package-url/purl-spec, and for epochs how scanners write Debian's.
    """
    scheme, _, rest = purl.partition(":")
    rest, _, query = rest.partition("#")[0].partition("?")
    path, _, version = rest.rpartition("@")
    kind, _, name = path.strip("/").partition("/")
    if scheme != "pkg" or not name or not version:
        return None
    kind, name, version = kind.lower(), unquote(name), unquote(version)
    last = name.rpartition("/")[2]
    if kind == "deb":
        name = last  # the name space is the distribution
        epoch = parse_qs(query).get("epoch", ["0"])[0]
        version = version if ":" in version or epoch == "0" else f"{epoch}:{version}"
    elif kind == "pypi":
        name = re.sub(r"[-_.]+", "-", name).lower()  # PEP 503
    elif kind == "golang":
        name, version = {"stdlib": "std"}.get(name, name), version.removeprefix("go").removeprefix("v")
    elif kind == "maven":
        name = last  # a jar without Maven's own files does not say its group
    return Package(kind, name, version)


def fitting(bills: Iterable[Bill], digest: str) -> Bill | None:
    """The bill of the image with this digest: one that says so, else one that does not say; None for neither."""
    bills = list(bills)
    return next((bill for bill in bills if bill.digest == digest), next((b for b in bills if not b.digest), None))


def _spdx(data: Mapping[str, Any]) -> Iterator[str]:
    for row in data.get("packages") or ():
        for reference in row.get("externalRefs") or ():
            if reference.get("referenceType") == "purl":
                yield str(reference.get("referenceLocator"))


def _described(data: Mapping[str, Any]) -> Iterator[str]:
    """What the package that is the image says of itself."""
    rows = {str(row.get("SPDXID")): row for row in data.get("packages") or ()}
    named = [str(one) for one in data.get("documentDescribes") or ()]
    for relation in data.get("relationships") or ():
        if relation.get("relationshipType") == "DESCRIBES":
            named.append(str(relation.get("relatedSpdxElement")))
    for name in named:
        row = rows.get(name, {})
        yield str(row.get("versionInfo", ""))
        for reference in row.get("externalRefs") or ():
            yield str(reference.get("referenceLocator"))


def _cyclonedx(rows: Iterable[Mapping[str, Any]], depth: int) -> Iterator[str]:
    for row in rows if depth < _DEEPEST else ():
        if row.get("purl"):
            yield str(row["purl"])
        yield from _cyclonedx(row.get("components") or (), depth + 1)
