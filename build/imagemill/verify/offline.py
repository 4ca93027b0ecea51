"""Bundles: everything that verifying an image has read, in one tar, so that it verifies again without a network.

It is an OCI layout: `index.json` lists the image and what is signed of it under their tags, and what refers to it.
Beside it `bundle.json` says of what repository it is, and `trust/` has the trust metadata. The same image gives the
same bytes, as long as the trust metadata is the same.
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from imagemill.errors import VerifyError
from imagemill.oci import INDEX, MANIFEST, REF_NAME, Descriptor, Layout, canonical, sha256
from imagemill.registry.faults import Missing
from imagemill.verify.case import Case
from imagemill.verify.source import Source

FORMAT = 1
_PIECE = 1 << 20
_LONGEST = 16 << 20
_END = bytes(1024)  # what every tar ends with
_NAME = re.compile(r"oci-layout|index\.json|bundle\.json|blobs/sha256/[0-9a-f]{64}|trust/[\w./-]{1,200}\.json")
_AGAIN = "copy it again, or make it anew with `imagemill bundle`"


class Recorder:
    """A source that keeps what is read from it, but for the large blobs."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.name = source.name
        self.tags: dict[str, str] = {}
        self.manifests: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}

    def manifest(self, reference: str) -> bytes:
        """See Source."""
        data = self._source.manifest(reference)
        self.manifests[sha256(data)] = data
        if ":" not in reference:
            self.tags[reference] = sha256(data)
        return data

    def blob(self, digest: str) -> Iterator[bytes]:
        """See Source."""
        return self._source.blob(digest)

    def small_blob(self, digest: str, longest: int = _LONGEST) -> bytes:
        """See Source."""
        data = self._source.small_blob(digest, longest)
        self.blobs[digest] = data
        return data

    def referrers(self, digest: str, artifact_type: str = "") -> list[Descriptor]:
        """See Source."""
        return self._source.referrers(digest, artifact_type)


def write(path: Path, case: Case, recorder: Recorder, trust: Mapping[str, bytes]) -> None:
    """Write the bundle of an image that was verified. `trust` are its files of trust metadata by name.

    Raises VerifyError where the file cannot be written.
    """
    names = {digest: tag for tag, digest in recorder.tags.items()}
    listed = []
    for digest, data in sorted(recorder.manifests.items()):
        if digest in names or digest == case.root.digest or "subject" in json.loads(data):
            kind = json.loads(data).get("mediaType") or (INDEX if "manifests" in json.loads(data) else MANIFEST)
            notes = {REF_NAME: names[digest]} if digest in names else {}
            listed.append(Descriptor(kind, digest, len(data), "", notes).to_json())
    about = {"format": FORMAT, "repository": case.source.name, "reference": case.reference, "digest": case.root.digest}
    small = {
        "bundle.json": canonical(about),
        "index.json": canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}),
        "oci-layout": canonical({"imageLayoutVersion": "1.0.0"}),
        **{f"trust/{name}.json": data for name, data in trust.items()},
        **{_place(digest): data for digest, data in (recorder.manifests | recorder.blobs).items()},
    }
    layout = Layout(case.folder)
    large = {_place(one.digest): layout.blob_path(one.digest) for image in case.images for one in image.blobs}
    staging = path.with_name(f".{path.name}.new")
    try:
        with tarfile.open(staging, "w", format=tarfile.PAX_FORMAT) as tar:
            for name in sorted(small.keys() | large.keys()):
                row = tarfile.TarInfo(name)  # nobody's, of no time
                row.size = len(small[name]) if name in small else large[name].stat().st_size
                with io.BytesIO(small[name]) if name in small else large[name].open("rb") as file:
                    tar.addfile(row, file)
        staging.replace(path)
    except OSError as error:
        raise VerifyError(f"{path}: {error.strerror}", "name a file that can be written, with room for it") from None
    finally:
        with suppress(OSError):
            staging.unlink(missing_ok=True)


class Bundle:
    """A bundle that is read: a Source. Close it, or use `with`. Raises VerifyError for what is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise VerifyError(f"{path}: {error.strerror}", "name the file that `imagemill bundle` wrote") from None
        try:
            self._places = self._index()
            about = self._json("bundle.json")
            if about.get("format") != FORMAT:
                raise VerifyError(f"{path} is a bundle of format {about.get('format')!r}", "use another imagemill")
            self.name, self.reference = str(about["repository"]), str(about["reference"])
            rows = self._json("index.json")["manifests"]
            self._listed = [Descriptor.from_json(row) for row in rows]
        except (KeyError, TypeError, AttributeError, Missing) as error:
            self._file.close()
            raise VerifyError(f"{path} is cut off or no bundle: {error}", _AGAIN) from None
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Bundle:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def trust(self) -> dict[str, bytes]:
        """The files of trust metadata, by name; none where it was made without."""
        names = [name for name in self._places if name.startswith("trust/")]
        return {name.removeprefix("trust/").removesuffix(".json"): self._read(name) for name in names}

    def manifest(self, reference: str) -> bytes:
        """See Source."""
        named = [row.digest for row in self._listed if row.annotations.get(REF_NAME) == reference]
        return self.small_blob(reference if ":" in reference else self._one(named, reference))

    def blob(self, digest: str) -> Iterator[bytes]:
        """See Source."""
        start, size = self._found(_place(digest), digest)
        for place in range(start, start + size, _PIECE):
            yield self._at(place, min(_PIECE, start + size - place))

    def small_blob(self, digest: str, longest: int = _LONGEST) -> bytes:
        """See Source."""
        start, size = self._found(_place(digest), digest)
        if size > longest:
            raise VerifyError(f"{self._path}: {digest} has more than {longest} bytes", _AGAIN)
        data = self._at(start, size)
        if sha256(data) != digest:
            raise VerifyError(f"{self._path}: {digest} has other bytes", _AGAIN)
        return data

    def referrers(self, digest: str, artifact_type: str = "") -> list[Descriptor]:
        """See Source."""
        found = []
        for row in self._listed:
            if REF_NAME in row.annotations:
                continue
            data = json.loads(self.small_blob(row.digest))
            if (data.get("subject") or {}).get("digest") == digest:
                found.append(replace(row, artifact_type=str(data.get("artifactType") or "")))
        return [row for row in found if artifact_type in ("", row.artifact_type)]

    def _one(self, named: list[str], reference: str) -> str:
        if len(named) != 1:
            raise Missing(f"{self._path} has no {reference}, it was made for {self.reference}", _AGAIN)
        return named[0]

    def _found(self, name: str, what: str) -> tuple[int, int]:
        if name not in self._places:
            raise Missing(f"{self._path} has no {what}", _AGAIN)
        return self._places[name]

    def _index(self) -> dict[str, tuple[int, int]]:
        """Where every file is: its place and size."""
        found: dict[str, tuple[int, int]] = {}
        end = self._path.stat().st_size
        if end < len(_END) or self._at(end - len(_END), len(_END)) != _END:
            raise VerifyError(f"{self._path} is cut off or no bundle", _AGAIN)
        try:
            with tarfile.open(fileobj=self._file, mode="r:") as tar:
                for row in tar:
                    if not row.isreg() or not _NAME.fullmatch(row.name) or row.name in found:
                        raise VerifyError(f"{self._path} has {row.name[:100]!r}, which no bundle has", _AGAIN)
                    if row.offset_data + row.size > end:
                        raise VerifyError(f"{self._path} ends in the middle of {row.name}", _AGAIN)
                    found[row.name] = row.offset_data, row.size
        except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
            raise VerifyError(f"{self._path} is cut off or no bundle: {error}", _AGAIN) from None
        return found

    def _json(self, name: str) -> Any:
        try:
            return json.loads(self._read(name))
        except (ValueError, RecursionError):
            raise VerifyError(f"{self._path}: {name} is damaged", _AGAIN) from None

    def _read(self, name: str) -> bytes:
        start, size = self._found(name, name)
        if size > _LONGEST * 4:
            raise VerifyError(f"{self._path}: {name} is too large", _AGAIN)
        return self._at(start, size)

    def _at(self, place: int, size: int) -> bytes:
        # threads read at once, so none may move the file's own position
        data = os.pread(self._file.fileno(), size, place)
        if len(data) != size:
            raise VerifyError(f"{self._path} is cut off", _AGAIN)
        return data


def _place(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
