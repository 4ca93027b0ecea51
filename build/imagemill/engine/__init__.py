"""Engines: who executes a rendered Dockerfile, and who runs an image."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from imagemill.engine import ignore
from imagemill.filetree import Entry, Slice, Tree
from imagemill.oci import Blob

DOCKERFILE = "Dockerfile"


@dataclass(frozen=True)
class Context:
    """What an engine is given: a Dockerfile, the layer archives that it adds, and other files that it copies.

    `archives` maps the name in the Dockerfile (`system-amd64.tar`) to a layer in canonical form, `files` a path to
    what is there. `target` is the stage that becomes the image, empty for the last one. `directories` are absolute
    paths that the archives are known to have, so that nobody has to look into them for the directory of a WORKDIR.
    """

    dockerfile: str
    archives: Mapping[str, Blob] = field(default_factory=dict)
    files: Mapping[str, Entry] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    directories: frozenset[str] = frozenset()

    def visible(self, epoch: int) -> Tree:
        """Everything that COPY and ADD see: root's, no newer than `epoch` (seconds since 1970), directories as new.

        That is all of it, the Dockerfile too, without what .dockerignore names. DockerfileError when that file
        cannot be read.
        """
        whole: Tree = {DOCKERFILE: Entry("file", mtime=epoch, content=self.dockerfile.encode())}
        for name, blob in self.archives.items():
            whole[name] = Entry("file", mtime=epoch, content=Slice(blob.path, 0, blob.size))
        for name, entry in self.files.items():
            if entry.kind == "hardlink":
                entry = replace(self.files[entry.target], kind="hardlink", target=entry.target, content=b"")
            # BuildKit 0.12 and newer give the directory that another is copied into the time of that, older ones do not
            mtime = epoch if entry.kind == "dir" else min(entry.mtime, epoch)
            whole[name] = replace(entry, uid=0, gid=0, mtime=mtime)
        for name in list(whole):
            while (name := posixpath.dirname(name)) and name not in whole:
                whole[name] = Entry("dir", 0o755, mtime=epoch)
        if ignore.NAME in whole:
            return ignore.visible(whole, whole[ignore.NAME].read().decode())
        return whole
