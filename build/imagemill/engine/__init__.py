"""Engines: who executes a rendered Dockerfile, and who runs an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imagemill.filetree import Entry, Slice, Tree
from imagemill.oci import Blob


@dataclass(frozen=True)
class Context:
    """What an engine is given: a Dockerfile, the layer archives it adds, and files that it copies.

    `archives` maps the name in the Dockerfile (`system-amd64.tar`) to a layer in canonical form, `files` a path to
    what is there. `target` is the stage to build, empty for the last one. `directories` are absolute paths that the
    archives are known to have, so that nobody has to look into them for the directory of a WORKDIR.
    """

    dockerfile: str
    archives: Mapping[str, Blob] = field(default_factory=dict)
    files: Mapping[str, Entry] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    directories: frozenset[str] = frozenset()

    @property
    def tree(self) -> Tree:
        """The whole build context as files: the Dockerfile, the files, and the archives, compressed as they are."""
        archives = {name: Entry("file", content=Slice(blob.path, 0, blob.size)) for name, blob in self.archives.items()}
        return {"Dockerfile": Entry("file", content=self.dockerfile.encode()), **self.files, **archives}
