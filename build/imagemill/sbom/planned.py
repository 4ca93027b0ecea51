"""What only manifest and lock know of an image: packages that leave no trace of their own in it.

These are npm packages that are unpacked without their package.json, downloads, and the files that imagemill adds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from imagemill import __version__
from imagemill.lock import Inputs
from imagemill.manifest import Layer
from imagemill.plan import Image
from imagemill.sbom.inventory import Component


def components(image: Image, inputs_of: Callable[[str], Inputs]) -> Iterator[Component]:
    """They, with the files that are theirs; `inputs_of` gives the lock's inputs of a set."""
    base, runtime = image.base, image.runtime
    layers = {base.name: base.system, runtime.name: image.offer.language}
    if image.variant == "build":
        layers |= {f"{base.name}/toolchain": base.toolchain, f"{runtime.name}/build": image.offer.build}
    ours = {"lambda-entrypoint.sh", "var/rapid/"}
    for name, layer in layers.items():
        inputs = inputs_of(name)
        yield from _unpacked(layer, inputs)
        for download in inputs.downloads:
            owns = frozenset({"var/lang/"})
            qualifiers = (("checksum", f"sha256:{download.sha256}"), ("download_url", download.url))
            yield Component("generic", download.name, download.version, qualifiers=qualifiers, owns=owns)
        for path in (*layer.files, *layer.go, *layer.jars, *layer.dotnet):
            ours |= {path[1:], f"{path[1:]}/"}
    yield Component("generic", "imagemill", __version__, owns=frozenset(ours))


def _unpacked(layer: Layer, inputs: Inputs) -> Iterator[Component]:
    for group, packages in zip(layer.npm, inputs.npm, strict=True):
        if group.layout != "unpack":
            continue
        owns = {f"{group.into[1:]}/{path}" for path in group.only} or {group.into[1:]}
        for package in packages:
            namespace, _, name = package.name.rpartition("/")
            paths = frozenset(owns | {f"{path}/" for path in owns})
            yield Component("npm", name, package.version, namespace, owns=paths)
