"""One repository of a registry, to read from and to write to.

Source: OCI Distribution Specification 1.1.
"""

from __future__ import annotations

import json
import re
import threading
import urllib.parse
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from imagemill.errors import IntegrityError, LayoutError, RegistryError
from imagemill.oci import INDEX, MANIFEST, Descriptor, sha256
from imagemill.registry import pages, referring, sources
from imagemill.registry.faults import Answer, Failed, Missing, Torn, refusal
from imagemill.registry.login import Given
from imagemill.registry.session import ATTEMPTS, LONGEST, Body, Session
from imagemill.web import READ, Web, pieces

Outcome = Literal["there", "mounted", "sent"]
_DOCKER = "application/vnd.docker.distribution.manifest"
_MANIFESTS = ", ".join((INDEX, f"{_DOCKER}.list.v2+json", MANIFEST, f"{_DOCKER}.v2+json"))
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# uploads that were forgotten, or spoiled on their way
_WORTH_ANOTHER = frozenset({"BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "DIGEST_INVALID", "SIZE_INVALID"})
_OK, _CREATED, _ACCEPTED, _NO_CONTENT, _PARTIAL, _NOT_FOUND = 200, 201, 202, 204, 206, 404


class Repository:
    """One repository, `host[:port]/path`. Threads may share it.

    `login` is the login for it (see dockerconfig), or what gives it; empty where there is none, and the web's own are
    tried. Every method tries again what may pass, and raises RegistryError for what does not: Missing and
    Denied are the definitive ones. IntegrityError is for bytes that are not those of their digest.
    `wait` waits for seconds between attempts.
    """

    def __init__(self, web: Web, name: str, login: Given = "", wait: Callable[[float], object] | None = None) -> None:
        self.name = name
        self.host, _, self._path = name.partition("/")
        self._session = Session(web, self.host, login, wait)
        self._actions: tuple[str, ...] = ("pull",)
        self._known: set[str] = set()  # blobs that are there for sure
        self._busy: dict[str, threading.Lock] = {}  # by digest: what two threads want is sent by one
        self._lock = threading.Lock()

    def close(self) -> None:
        """Have what other threads still do with it end soon, with an error."""
        self._session.close()

    # --- reading ------------------------------------------------------------------------------------------

    def manifest(self, reference: str) -> bytes:
        """The manifest or index of a tag, or of a digest, which it is checked against."""
        path = f"manifests/{reference}"
        data = self._ask("GET", path, good=(_OK,), headers={"Accept": _MANIFESTS}).body
        return self._checked(data, reference) if ":" in reference else data

    def head(self, reference: str) -> Descriptor | None:
        """What a tag points at, or a digest is, without its bytes; None for nothing."""
        path = f"manifests/{reference}"
        answer = self._ask("HEAD", path, good=(_OK, _NOT_FOUND), headers={"Accept": _MANIFESTS})
        if answer.status == _NOT_FOUND:
            return None
        digest, size = answer.headers.get("Docker-Content-Digest", ""), answer.headers.get("Content-Length", "")
        if not DIGEST.fullmatch(digest) or not size.isdecimal():  # the specification only recommends them
            answer = self._ask("GET", path, good=(_OK,), headers={"Accept": _MANIFESTS})
            digest, size = sha256(answer.body), str(len(answer.body))
        if ":" in reference and digest != reference:
            raise RegistryError(f"{self.name}: {reference} is {digest} there", "look why the registry does that")
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        return Descriptor(media_type, digest, int(size))

    def there(self, reference: str) -> Descriptor | None:
        """The same for who would write it: None for what is torn, too."""
        try:
            return self.head(reference)
        except Torn:
            return None

    def blob(self, digest: str) -> Iterator[bytes]:
        """The bytes of a blob, in pieces; where the connection breaks they go on from there.

        Whoever keeps them checks them, as Cache.keep does; see `small_blob`.
        """
        place, attempt = 0, 0
        while True:
            try:
                for piece in self._from(digest, place):
                    place, attempt = place + len(piece), 0
                    yield piece
                return
            except RegistryError as error:
                if not error.transient or attempt == ATTEMPTS - 1:
                    raise
                self._session.pause(attempt, error)
                attempt += 1

    def small_blob(self, digest: str, longest: int = LONGEST) -> bytes:
        """The bytes of a blob of at most `longest` bytes, checked."""
        data = bytearray()
        for piece in self.blob(digest):
            data += piece
            if len(data) > longest:
                raise RegistryError(f"{self.name}: {digest} has more than {longest} bytes", "look what it is")
        return self._checked(bytes(data), digest)

    def has_blob(self, digest: str) -> bool:
        """Whether a blob is there."""
        return self._ask("HEAD", f"blobs/{digest}", good=(_OK, _NOT_FOUND)).status == _OK

    def tags(self) -> list[str]:
        """All tags, sorted; none where there is no such repository."""
        found: list[str] = []
        for data in self._pages("tags/list?n=1000"):
            found += data.get("tags") or []
        return sorted(set(found))

    def referrers(self, digest: str, artifact_type: str = "") -> list[Descriptor]:
        """What refers to a manifest: signatures, attestations. Of one type, or all.

        The registry is asked, or where it cannot tell, the tag under which clients keep the list themselves.
        """
        query = f"?{urllib.parse.urlencode({'artifactType': artifact_type})}" if artifact_type else ""
        found = list(self._pages(f"referrers/{digest}{query}"))
        if not found:
            listed = self._listed(digest)
            found = [json.loads(listed)] if listed else []
        rows = [row for page in found for row in page.get("manifests") or []]
        return referring.chosen(rows, artifact_type, self.name)

    # --- writing ------------------------------------------------------------------------------------------

    def push_blob(
        self, source: Path | bytes, digest: str, size: int, mount_from: Collection[str] = (), *, ask: bool = True
    ) -> Outcome:
        """Have a blob there: it is, or another repository of the registry (a path) has it, or it is sent.

        A file is sent as it is read. With `ask` off it is sent whatever the registry says that it has.
        """
        with self._lock:
            busy = self._busy.setdefault(digest, threading.Lock())
        with busy:
            if ask and digest in self._known:
                return "there"
            outcome = self._session.persistent(lambda: self._push_blob(source, digest, size, mount_from, ask))
            self._known.add(digest)
            return outcome

    def push_manifest(self, reference: str, media_type: str, data: bytes) -> Descriptor:
        """Write a manifest or index below a tag or its digest; what it names has to be there before."""
        made = Descriptor(media_type, sha256(data), len(data))
        self._put(reference, made, data)
        return made

    def attach_referrer(self, media_type: str, data: bytes) -> Descriptor:
        """Write a manifest that has a `subject`, and see that it is found from there.

        A registry that keeps no list of referrers leaves that to a tag that every client reads, adds to and writes.
        Nothing can keep two of them from doing so at once: whoever sees that his entry was lost adds it again, and
        one repository object does it for one subject after the other. Publish from one place at a time.
        """
        row = referring.row(media_type, data, self.name)
        subject = str(json.loads(data)["subject"]["digest"])
        made = Descriptor(media_type, row["digest"], row["size"])
        if self._put(made.digest, made, data).headers.get("OCI-Subject"):
            return made
        with self._lock:
            busy = self._busy.setdefault(f"referrers of {subject}", threading.Lock())
        with busy:
            for _ in range(ATTEMPTS):
                before = self._listed(subject)
                if before and referring.has(before, made.digest):
                    return made
                self.push_manifest(referring.tag(subject), INDEX, referring.added(before, row))
        raise RegistryError(f"{self.name}: others overwrite what refers to {subject}", "publish from one place")

    def delete(self, reference: str) -> bool:
        """Remove a tag or a manifest; False where it was not there. Blobs go with the registry's own clearing."""
        self._may("push", "delete")
        return self._ask("DELETE", f"manifests/{reference}", good=(_OK, _ACCEPTED, _NOT_FOUND)).status != _NOT_FOUND

    # ------------------------------------------------------------------------------------------------------

    def _ask(
        self, method: str, path: str, *, good: Collection[int], headers: Mapping[str, str] | None = None
    ) -> Answer:
        try:
            return self._session.persistent(lambda: self._once(method, path, good=good, headers=headers))
        except Failed as failed:
            if not path.startswith("manifests/"):
                raise
            self._once("GET", "tags/list?n=1", good=(_OK, _NOT_FOUND))  # if it can do that, it is not the registry
            raise Torn(failed.message, "publish it again: what is torn is written again") from None

    def _once(
        self,
        method: str,
        path: str,
        *,
        good: Collection[int],
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        also: str = "",
    ) -> Answer:
        address = path if path.startswith(("/", "http")) else f"/v2/{self._path}/{path}"
        what = f"{self.name}: {method} of {_shown(path)}"
        return self._session.ask(what, method, address, self._scopes(also), good=good, headers=headers, body=body)

    def _scopes(self, also: str = "") -> tuple[str, ...]:
        own = f"repository:{self._path}:{','.join(self._actions)}"
        return (own, f"repository:{also}:pull") if also else (own,)

    def _may(self, *actions: str) -> None:
        """From here on ask for the right to do these too."""
        self._actions = tuple(dict.fromkeys((*self._actions, *actions)))

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        """The pages of a list; none where the registry knows nothing of it."""

        def ask(address: str) -> Answer:
            return self._ask("GET", address, good=(_OK, _NOT_FOUND))

        return pages.of(ask, path, f"/v2/{self._path}/", f"{self.name}: the list of {_shown(path)}")

    def _listed(self, digest: str) -> bytes | None:
        """The list that clients keep of what refers to a manifest."""
        try:
            return referring.checked(self.manifest(referring.tag(digest)), self.name)
        except (Missing, Torn):
            return None

    def _checked(self, data: bytes, digest: str) -> bytes:
        if sha256(data) != digest:
            raise IntegrityError(f"{self.name}: {digest} has other bytes there", "look why the registry does that")
        return data

    def _from(self, digest: str, place: int) -> Iterator[bytes]:
        """A blob's bytes from a place on; a registry that begins again in spite of it is heard out up to there."""
        what, path = f"{self.name}: blob {digest}", f"/v2/{self._path}/blobs/{digest}"
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={place}-"} if place else {})}
        with self._session.opened(what, "GET", path, self._scopes(), headers=headers) as answer:
            partial = answer.status == _PARTIAL and answer.headers.get("Content-Range", "").startswith(
                f"bytes {place}-"
            )
            if answer.status != _OK and not partial:
                told = Answer(answer.status, answer.headers, answer.read(1 << 16))
                raise refusal(self.host, what, told, logged_in=self._session.logged_in)
            skip = 0 if partial else place
            for piece in pieces(answer, READ):
                self._session.check()
                if skip < len(piece):
                    yield piece[skip:]
                skip = max(0, skip - len(piece))

    def _push_blob(
        self, source: Path | bytes, digest: str, size: int, mount_from: Collection[str], ask: bool
    ) -> Outcome:
        found = sources.size_of(source)
        if found != size:
            raise LayoutError(f"blob {digest} has {found} bytes and not {size}", "build the image again")
        self._may("push")
        if ask and self._has(digest):
            return "there"
        place = ""
        for path in mount_from if ask else ():
            place = self._mounted(digest, path)
            if not place:
                return "mounted"
        if not place:
            place = self._location(self._once("POST", "blobs/uploads/", good=(_ACCEPTED,)))
        self._upload(place, source, digest, size)
        return "sent"

    def _has(self, digest: str) -> bool:
        """Whether a blob is there for sure; one that the registry fails to find is sent again."""
        with suppress(Failed):
            return self._once("HEAD", f"blobs/{digest}", good=(_OK, _NOT_FOUND)).status == _OK
        return False

    def _mounted(self, digest: str, path: str) -> str:
        """Have a blob of another repository; where that cannot be, the place to which it may be sent instead."""
        query = urllib.parse.urlencode({"mount": digest, "from": path})
        try:
            answer = self._once("POST", f"blobs/uploads/?{query}", good=(_CREATED, _ACCEPTED), also=path)
        except RegistryError as error:
            if error.transient:
                raise
            return self._location(self._once("POST", "blobs/uploads/", good=(_ACCEPTED,)))
        return "" if answer.status == _CREATED else self._location(answer)

    def _location(self, answer: Answer) -> str:
        location = answer.headers.get("Location", "")
        if not location:
            raise RegistryError(f"{self.name}: takes uploads but says not where", "look what answers")
        return urllib.parse.urljoin(f"/v2/{self._path}/blobs/uploads/", location)

    def _upload(self, place: str, source: Path | bytes, digest: str, size: int) -> None:
        address = f"{place}{'&' if '?' in place else '?'}{urllib.parse.urlencode({'digest': digest})}"
        what, headers = f"{self.name}: upload of blob {digest}", {"Content-Type": "application/octet-stream"}
        good = (_CREATED, _NO_CONTENT, 400, 404, 416)
        with sources.opened(source, size, self._session.check) as body:
            answer = self._session.ask(what, "PUT", address, self._scopes(), good=good, headers=headers, body=body)
        if answer.status in (_CREATED, _NO_CONTENT):
            self._agreed(answer, digest)
            return
        if "DIGEST_INVALID" in answer.codes and sources.digest_of(source) != digest:
            raise LayoutError(f"blob {digest} is damaged", "build the image again")
        refused = refusal(self.host, what, answer, logged_in=self._session.logged_in)
        if answer.codes & _WORTH_ANOTHER or answer.status == 416:
            raise RegistryError(refused.message, f"see whether {self.host} is well, and try again", transient=True)
        raise refused

    def _put(self, reference: str, made: Descriptor, data: bytes) -> Answer:
        self._may("push")
        headers = {"Content-Type": made.media_type}
        answer = self._session.persistent(
            lambda: self._once(
                "PUT",
                f"manifests/{reference}",
                good=(_CREATED,),
                headers=headers,
                body=lambda: (data, len(data)),
            )
        )
        self._agreed(answer, made.digest)
        return answer

    def _agreed(self, answer: Answer, digest: str) -> None:
        said = answer.headers.get("Docker-Content-Digest", digest)
        if said != digest:
            raise RegistryError(
                f"{self.name}: was sent {digest} and calls it {said}", "use a registry that keeps bytes"
            )


def _shown(path: str) -> str:
    """A path without its query, in which a registry may put a kind of password."""
    return path.partition("?")[0]
