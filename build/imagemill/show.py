"""What commands show of plans and builds: tables, JSON rows, the CI matrix, the README's table of tags."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagemill.errors import ImagemillError, LockError

if TYPE_CHECKING:  # a table of rows that are there already needs none of these, and they take a while to import
    from imagemill.factory import Result
    from imagemill.load import Catalog
    from imagemill.lock import Lock
    from imagemill.noop import Kept
    from imagemill.plan import Image
    from imagemill.render import Rendered, Renderer

BEGIN, END = "<!-- tags: begin, written by `imagemill readme` -->", "<!-- tags: end -->"


def rows(root: Path, rendered: Sequence[Rendered], renderer: Renderer) -> list[dict[str, Any]]:
    """The plan as plain data; `input_hash` is empty where there is no lock yet."""
    lock_of = {name: _lock(root, name) for name in {one.image.base.name for one in rendered}}
    return [
        {
            "tag": image.tags[-1],
            "name": image.name,
            "tags": list(image.tags),
            "runtime": image.runtime.name,
            "base": image.base.name,
            "variant": image.variant,
            "platforms": list(image.platforms),
            "parents": list(image.parents),
            "input_hash": _hash(renderer, one, lock_of[image.base.name]),
        }
        for one in rendered
        for image in [one.image]
    ]


def matrix(plan_rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The plan as a GitHub Actions matrix: one job an image and platform."""
    return {
        "include": [
            {"image": row["name"], "platform": platform, "arch": platform.partition("/")[2]}
            for row in plan_rows
            for platform in row["platforms"]
        ]
    }


def shards(plan_rows: Sequence[Mapping[str, Any]], count: int) -> dict[str, Any]:
    """The shares of a plan as a GitHub Actions matrix: at most `count` a platform, and no more than it has runtimes."""
    platforms = sorted({platform for row in plan_rows for platform in row["platforms"]})
    runtimes = {name: {row["runtime"] for row in plan_rows if name in row["platforms"]} for name in platforms}
    return {
        "include": [
            {"shard": f"{number}/{most}", "platform": platform, "arch": platform.partition("/")[2]}
            for platform in platforms
            for most in [min(count, len(runtimes[platform]))]
            for number in range(1, most + 1)
        ]
    }


def table(plan_rows: Sequence[Mapping[str, Any]], missing: Sequence[Mapping[str, str]]) -> None:
    """The plan for people, on stdout; `missing` are the fields of plan.Unavailable."""
    head = ("TAG", "BASE", "VARIANT", "PLATFORMS", "PARENTS", "INPUT HASH")
    body = [
        (
            row["tag"],
            row["base"],
            row["variant"],
            ",".join(row["platforms"]),
            ",".join(row["parents"]),
            row["input_hash"][:12] or "no lock",
        )
        for row in plan_rows
    ]
    columns([head, *body])
    for one in missing:
        print(f"not on {one['kind']}: {one['runtime']}: {one['reason']}")


def built(
    results: Sequence[Result | Kept], images: Sequence[Image], dist: Path, runner: str, seconds: float | None = None
) -> None:
    """What a build did, for people, on stderr: where the images are, how long each took, and what to do now.

    With the seconds that it took, also how much all of them take on disk.
    """
    lines = [("IMAGE", "TIME", "SIZE", "WHERE")]
    for result in results:
        sizes = "/".join(f"{built.size / 1e6:.0f}" for built in result.artifact.platforms.values())
        time = "unchanged" if result.reused else f"{result.seconds:.1f} s"
        lines.append((result.artifact.tags[-1], time, f"{sizes} MB", _shown(dist / result.artifact.name)))
    columns(lines, sys.stderr)
    if results and seconds is not None:
        sizes_of = {blob.name: blob.stat().st_size for r in results for blob in _blobs(dist / r.artifact.name)}
        whole = f"{sum(sizes_of.values()) / 1e6:,.0f} MB, what they share counted once"
        print(f"{len(results)} images, {whole}, in {seconds:.0f} s", file=sys.stderr)
    run = next((image for image in images if image.variant == "run"), None)
    if run is not None:
        example = run.runtime.example
        command = (
            f"imagemill run {run.tags[-1]} --task-dir examples/{example.directory} {example.handler} '{example.event}'"
        )
        note = "" if runner else "   (needs docker or podman: `make test` installs one)"
        print(f"run one: .venv/bin/{command}{note}", file=sys.stderr)


def _blobs(layout: Path) -> Iterator[Path]:
    return (layout / "blobs" / "sha256").iterdir()


def with_tags(readme: str, catalog: Catalog) -> str:
    """The README with its table of tags as the manifests have it."""
    from imagemill.plan import plan, unavailable

    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ImagemillError("README.md has no place for the table of tags", f"add the lines {BEGIN} and {END}")
    images = plan(catalog)
    lines = [
        "| runtime | run | build | serve | platforms | base | AWS supports it until |",
        "|---|---|---|---|---|---|---|",
    ]
    for runtime in catalog.runtimes.values():
        mine = {image.variant: image for image in images if image.runtime.name == runtime.name}
        if mine:
            tags = " | ".join(f"`{mine[variant].tags[-1]}`" for variant in ("run", "build", "serve"))
            architectures = ", ".join(p.partition("/")[2] for p in mine["run"].platforms)
            until = runtime.deprecated.isoformat() if runtime.deprecated else "-"
            lines.append(f"| {runtime.name} | {tags} | {architectures} | {mine['run'].base.name} | {until} |")
    for one in unavailable(catalog):
        lines.append(f"| {one.runtime} | not on {one.kind}: {one.reason} | | | | | |")
    return f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}"


def columns(lines: Sequence[tuple[str, ...]], stream: Any = None) -> None:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        print(text, file=stream or sys.stdout)


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _lock(root: Path, base: str) -> Lock | None:
    from imagemill import lock as locks

    path = locks.path_of(root, base)
    return locks.read(path) if path.is_file() else None


def _hash(renderer: Renderer, rendered: Rendered, lock: Lock | None) -> str:
    if lock is None:
        return ""
    try:
        return renderer.input_hash(rendered, lock)
    except LockError:
        return ""
