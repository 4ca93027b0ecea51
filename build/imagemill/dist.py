"""`dist/`: where the artifacts lie, and `digests.json`, the record of what they are and what they came from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imagemill.errors import LayoutError
from imagemill.oci import Layout


@dataclass(frozen=True)
class Built:
    """One platform of an image: the manifest's digest, and the bytes of its layers as they are pulled."""

    digest: str
    size: int
    config: str
    tags: tuple[str, ...] = ()
    """Tags for this platform alone: python3.13-arm64."""


@dataclass(frozen=True)
class Artifact:
    """One image in dist: its tags, index, platforms, and the hash of what it was made from."""

    name: str
    tags: tuple[str, ...]
    digest: str
    size: int
    platforms: Mapping[str, Built]
    input_hash: str
    engine: str
    lock: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Part -> hash, as `fingerprint` names and hashes them: why it would be built again."""


@dataclass(frozen=True)
class _Record:
    images: dict[str, Artifact]


class Dist:
    """A `dist` directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def record(self) -> Path:
        """The file that lists everything here."""
        return self.path / "digests.json"

    def index(self, name: str) -> Path:
        """The layout of an image's index."""
        return self.path / name

    def layout(self, name: str, arch: str) -> Path:
        """The layout of one platform of an image."""
        return self.path / f"{name}-{arch}"

    def read(self) -> dict[str, Artifact]:
        """All artifacts by name; empty when nothing was built yet. Raises LayoutError for a damaged record."""
        import msgspec  # takes a while, and a build that has nothing to do goes without

        try:
            return msgspec.json.decode(self.record.read_bytes(), type=_Record).images
        except FileNotFoundError:
            return {}
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LayoutError(f"{self.record} is damaged: {error}", "remove it and build again") from None

    def write(self, artifacts: Mapping[str, Artifact]) -> None:
        """Replace the record, in one step."""
        import msgspec

        data = msgspec.json.encode(_Record(dict(artifacts)), order="sorted")
        self.path.mkdir(parents=True, exist_ok=True)
        staging = self.record.with_suffix(".new")
        staging.write_bytes(msgspec.json.format(data, indent=1) + b"\n")
        staging.replace(self.record)

    @property
    def shard(self) -> str:
        """Which share of a finished build this is, as `2/5`; empty for what is no share, or not finished."""
        try:
            return (self.path / "shard").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""

    def mark(self, shard: str) -> None:
        """Say which share of a build this is."""
        file = self.path / "shard"
        if not shard:
            file.unlink(missing_ok=True)
            return
        staging = file.with_suffix(".new")
        staging.write_text(shard + "\n", encoding="utf-8")
        staging.replace(file)

    def sweep(self) -> None:
        """Remove what killed runs left unfinished. Only for who has dist to itself."""
        import shutil  # takes a while

        for folder in self.path.glob(".*"):
            if folder.is_dir():
                shutil.rmtree(folder)

    @property
    def behaviours(self) -> Path:
        """Where the tests of the images leave what functions do in them."""
        return self.path / "behaviours.json"

    @property
    def logs(self) -> Path:
        """Where the log of each image is."""
        return self.path / "logs"

    def holds(self, artifact: Artifact, *, verify: bool = False) -> bool:
        """Whether all layouts of this artifact are there, as recorded.

        A look at the sizes of its blobs; with `verify` every byte is read.
        """
        try:
            index = Layout(self.index(artifact.name))
            if [entry.digest for entry in index.entries()] != [artifact.digest]:
                return False
            for platform, built in artifact.platforms.items():
                layout = Layout(self.layout(artifact.name, platform.partition("/")[2]))
                if [entry.digest for entry in layout.entries()] != [built.digest]:
                    return False
                check_blobs(layout, built.digest, verify=verify)
                check_blobs(index, built.digest, verify=verify)
        except LayoutError:
            return False
        return True


def check_blobs(layout: Layout, digest: str, *, verify: bool) -> None:
    """LayoutError when a blob of the image with this manifest is missing or has another size than it says.

    With `verify` every byte is read.
    """
    manifest = layout.read_json(digest)
    for row in (manifest["config"], *manifest["layers"]):
        path = f"{layout.path}/blobs/{row['digest'].replace(':', '/')}"  # pathlib takes as long as all the rest
        try:
            damaged = os.stat(path).st_size != row["size"]  # noqa: PTH116
        except OSError:
            raise LayoutError(f"{layout.path}: blob {row['digest']} is missing", "build the image again") from None
        if not damaged and verify:
            with Path(path).open("rb") as file:
                damaged = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" != row["digest"]
        if damaged:
            raise LayoutError(f"{layout.path}: blob {row['digest']} is damaged", "build the image again")
