"""Locked inputs → layers: packages unpacked, and what maintainer scripts would do done natively.

Nothing here runs a program of the image, needs root, or writes a root file system: a layer is a tree of
entries that point into unpacked archives. Its bytes depend on the manifest, the lock and this code alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from imagemill.assemble import botocore, deb, layout, npm, python, ruby, strip, system, wheel
from imagemill.assemble.dpkg import Assembled, record
from imagemill.assemble.pyc import NativePython
from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Tree
from imagemill.lock import Inputs, Item
from imagemill.manifest import Base, Layer
from imagemill.platforms import Platform

__all__ = ["Assembled", "NativePython", "assemble"]

OUR_EPOCH = 1767225600
"""The time of what no package brings (2026-01-01): a constant, so that it never differs."""


def assemble(
    spec: Layer,
    inputs: Inputs,
    *,
    platform: Platform,
    base: Base,
    path_of: Callable[[Item], Path],
    scratch: Path,
    native: NativePython | None = None,
    built: Tree | None = None,
) -> Assembled:
    """Make the tree of one layer, without `spec.files`, which the caller adds.

    `path_of` tells where an input lies (verified already); `scratch` is an empty directory for unpacked
    archives, needed until the layer is written; `native` compiles Python where the layer holds CPython; `built` is what
    the layer's source installs.
    Raises AssembleError where inputs contradict each other or are not what this code knows.
    """
    packages = deb.unpack_all([path_of(package) for package in inputs.debian], scratch / "debian")
    for package in packages:
        if package.architecture not in (platform.arch, "all"):
            raise AssembleError(f"{package.name} is for {package.architecture}, not {platform.arch}", "lock it anew")
    globs = layout.Globs((*base.drop, *spec.drop))
    move = {
        old.replace("{multiarch}", platform.multiarch).replace("{arch}", platform.arch): new
        for old, new in spec.move.items()
    }
    if spec.ruby:
        move = ruby.moves(spec.ruby, platform) | move
    kept = [layout.place(package.tree, move, globs) for package in packages]
    tree = layout.union(packages, kept, move)
    modules = layout.moved(_pypi(spec, inputs, path_of, native), move) | _npm(spec, inputs, path_of, scratch)
    tree |= {path: entry for path, entry in ((built or {}) | modules).items() if not globs.match(path, entry)}
    tree = strip.strip(tree, spec.strip, scratch / "stripped")
    epoch = max((entry.mtime for entry in tree.values()), default=0)
    mtime = epoch or OUR_EPOCH
    if spec.python or (spec.source and spec.source.recipe == "cpython"):
        compiled = _compiled(tree, spec, native)
        tree = {path: entry for path, entry in compiled.items() if path in tree or not globs.match(path, entry)}
    if spec.ruby and not spec.source:
        tree = ruby.finish(tree, spec.ruby, platform)
    tree = python.finish_headers(tree)
    tree |= system.finish(tree, {package.name for package in packages}, base, mtime)
    tree |= _own(spec, mtime)
    records = [record(package, paths, tree) for package, paths in zip(packages, kept, strict=True)]
    return Assembled(tree, records, epoch)


def _compiled(tree: Tree, spec: Layer, native: NativePython | None) -> Tree:
    """The tree with its Python as upstream has it, and compiled."""
    if spec.source:
        return python.compiled(tree, spec.source.version, native)
    return python.finish(tree, spec.python or "", native)


def _pypi(spec: Layer, inputs: Inputs, path_of: Callable[[Item], Path], native: NativePython | None) -> Tree:
    tree: Tree = {}
    for group, wheels in zip(spec.pypi, inputs.pypi, strict=True):
        unpacked = wheel.unpack_set([(path_of(one), one.file) for one in wheels], group)
        if not group.descriptions:
            if native is None:
                raise AssembleError(f"no native interpreter to repack botocore in {group.into}", "set 'python' too")
            unpacked = botocore.without_descriptions(unpacked, native)
        tree |= unpacked
    return tree


def _npm(spec: Layer, inputs: Inputs, path_of: Callable[[Item], Path], scratch: Path) -> Tree:
    tree: Tree = {}
    (scratch / "npm").mkdir(parents=True, exist_ok=True)
    for n, (group, packages) in enumerate(zip(spec.npm, inputs.npm, strict=True)):
        if group.layout == "tool":
            continue
        for m, package in enumerate(packages):
            tree |= npm.unpack(path_of(package), package, group, scratch / "npm" / f"{n}-{m}.tar")
    return tree


def _own(spec: Layer, mtime: int) -> Tree:
    """The directories and links that the manifest names."""
    made: Tree = {}
    for path, directory in spec.directories.items():
        uid, _, gid = directory.owner.partition(":")
        made[path.lstrip("/")] = Entry("dir", int(directory.mode, 8), int(uid), int(gid or uid), mtime)
    for path, target in spec.links.items():
        made[path.lstrip("/")] = Entry("symlink", 0o777, mtime=mtime, target=target)
    return made
