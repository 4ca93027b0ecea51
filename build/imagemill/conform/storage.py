"""Checks on how an image is stored: media types, the digests of its layers, their number and size."""

from __future__ import annotations

from collections.abc import Iterator

from imagemill.conform import facts
from imagemill.conform.finding import Finding, Problem, Subject, verdict
from imagemill.conform.image import KINDS
from imagemill.conform.view import View

_OCI = "OCI Image Format Specification 1.1"
_AGAIN = "build the image again, or push it with another tool"


def media_types(view: View, subject: Subject) -> Iterator[Finding]:
    """Configuration and layers are of the kinds that belong to the manifest's: OCI's, or Docker's, and not both."""
    manifest = view.manifest
    config, layers = KINDS[manifest.media_type]
    problems = []
    if manifest.config.media_type != config:
        found = f"configuration: {manifest.config.media_type}"
        problems.append(Problem(f"configuration: {config}", found, _OCI, _AGAIN))
    for number, layer in enumerate(manifest.layers, 1):
        if layer.media_type not in layers:
            found = f"layer {number}: {layer.media_type}"
            problems.append(Problem(f"layer {number}: one of {', '.join(sorted(layers))}", found, _OCI, _AGAIN))
    return verdict(
        subject,
        "storage.media-types",
        problems,
        expected="media types that belong together",
        found=f"{manifest.media_type}, {len(manifest.layers)} layers",
        source=_OCI,
    )


def layers(view: View, subject: Subject) -> Iterator[Finding]:
    """The configuration has the digest of each layer's tar, in their order."""
    found, named = [layer.diff_id for layer in view.layers], view.manifest.diff_ids
    problems = []
    if len(found) != len(named):
        expected = f"{len(named)} layers, by rootfs.diff_ids"
        problems.append(Problem(expected, f"{len(found)} layers", _OCI, _AGAIN))
    else:
        problems = [
            Problem(f"layer {number}: {expected}", f"layer {number}: {is_now}", f"{_OCI}: rootfs.diff_ids", _AGAIN)
            for number, (is_now, expected) in enumerate(zip(found, named, strict=True), 1)
            if is_now != expected
        ]
    return verdict(
        subject,
        "storage.layers",
        problems,
        expected=f"{len(named)} layers",
        found=f"{len(found)} layers, their digests as the configuration has them",
        source=f"{_OCI}: rootfs.diff_ids",
    )


def limits(view: View, subject: Subject) -> Iterator[Finding]:
    """No more layers than engines can mount, and no more bytes than AWS Lambda takes."""
    count, size = len(view.layers), sum(layer.size for layer in view.layers)
    problems = []
    concerned = facts.about(subject.image, facts.filesystem().limits)
    for fact in concerned:
        value = {"layers": count, "bytes": size}[fact.of]
        if value > fact.most:
            problems.append(
                Problem(f"at most {fact.most} {fact.of}", f"{value} {fact.of}", fact.source, "make the image smaller")
            )
    return verdict(
        subject,
        "storage.limits",
        problems,
        expected="; ".join(f"at most {fact.most} {fact.of}" for fact in concerned),
        found=f"{count} layers, {size} bytes",
        source=", ".join(fact.source for fact in concerned),
    )
