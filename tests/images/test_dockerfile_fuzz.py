"""The embedded engine against BuildKit: generated Dockerfiles of the subset give the same files and configuration.

`IMAGEMILL_FUZZ=2000 pytest tests/images/test_dockerfile_fuzz.py` tries more than the usual cases.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from imagemill.assemble import compression
from imagemill.engine import Context, docker, embedded
from imagemill.errors import DockerfileError, EngineError
from imagemill.filetree import Entry, Tree
from imagemill.merged import MergedTree
from imagemill.oci import Layout
from imagemill.platforms import native
from imagemill.tarwalk import walk

pytestmark = pytest.mark.engine

EPOCH = 1_757_664_000
CASES = int(os.environ.get("IMAGEMILL_FUZZ", "60"))

# Few names, so that paths meet.
NAMES = st.sampled_from(["a", "b", "c.txt", "d.go", "e f", ".h", "link"])
MODES = st.sampled_from([0o644, 0o600, 0o755, 0o640])  # what --chmod does to setuid differs between BuildKits


def files() -> st.SearchStrategy[Tree]:
    """A context: files, directories and links, two levels deep."""
    leaf = st.builds(
        lambda mode, content: Entry("file", mode, content=content), MODES, st.sampled_from([b"", b"1", b"two"])
    )
    link = st.sampled_from(["a", "b", "../a", "d/a", "nowhere", "/a"]).map(lambda t: Entry("symlink", 0o777, target=t))
    folder = st.sampled_from([0o755, 0o700, 0o1777]).map(lambda mode: Entry("dir", mode))
    flat = st.dictionaries(NAMES, st.one_of(leaf, leaf, link), min_size=1, max_size=4)

    def nest(top: Tree, below: Mapping[str, Tree], folders: Mapping[str, Entry]) -> Tree:
        tree = dict(top)
        for name, inner in below.items():
            tree[name] = folders.get(name, Entry("dir", 0o755))
            tree |= {f"{name}/{path}": entry for path, entry in inner.items()}
        return tree

    outer = st.sampled_from(["d", "dd", "x"])
    return st.builds(nest, flat, st.dictionaries(outer, flat, max_size=2), st.dictionaries(outer, folder, max_size=2))


def archive() -> st.SearchStrategy[Entry]:
    """A tar for ADD, at times compressed."""

    def pack(tree: Tree, form: str) -> Entry:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode=f"w:{form}") as tar:  # type: ignore[call-overload]
            for name, entry in tree.items():
                info = tarfile.TarInfo(name)
                info.mode, info.uid, info.gid, info.mtime = entry.mode, 7, 8, 1000
                info.linkname = entry.target
                info.size = entry.size
                info.type = {"file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE}[entry.kind]
                tar.addfile(info, io.BytesIO(entry.read()))
        return Entry("file", content=out.getvalue())

    return st.builds(pack, files(), st.sampled_from(["", "gz", "xz", "bz2"]))


SOURCES = st.sampled_from(
    ["a", "b", "*", "d", "d/", "d/*", ".", "?", "*.txt", "[ab]", "x/a", "/a", "./d/../a", "dd", "link"]
)
TARGETS = st.sampled_from(
    ["/", "/t", "/t/", "t", "t/", "./", ".", "/d", "/d/", "/link", "/link/", "/deep/er/", "/x/a", "/t/u"]
)
CHOWN = st.sampled_from(["", "--chown=5 ", "--chown=5:6 ", "--chown=0:7 "])
CHMOD = st.sampled_from(["", "", "--chmod=0711 "])
WORDS = st.sampled_from(
    [
        "v",
        '"x y"',
        "'$A'",
        "$A",
        "${A}z",
        "${B:-d}",
        "${A:+alt}",
        '"${B:-$A}"',
        r"e\ f",
        r"\$A",
        "$TARGETARCH",
        '""',
        "$$",
        "a=b",
    ]
)


@st.composite
def instructions(draw: st.DrawFn, earlier: list[str]) -> str:
    """One instruction of a stage."""
    kind = draw(
        st.sampled_from(["COPY"] * 5 + ["ADD", "ENV", "ARG", "WORKDIR", "LABEL", "USER", "CMD", "ENTRYPOINT", "EXPOSE"])
    )
    if kind in ("COPY", "ADD"):
        flags = draw(CHOWN) + draw(CHMOD if kind == "COPY" else st.just(""))
        if kind == "COPY" and earlier and draw(st.booleans()):
            source = draw(st.sampled_from(["/", "/t", "/d", "/a"]))
            return f"COPY --from={draw(st.sampled_from(earlier))} {flags}{source} {draw(TARGETS)}"
        words = draw(st.lists(SOURCES, min_size=1, max_size=2))
        if kind == "ADD" and draw(st.booleans()):
            words = ["tar"]
        target = draw(TARGETS)
        if len(words) > 1 and not target.endswith("/"):
            target += "/"
        return f"{kind} {flags}{' '.join(words)} {target}"
    if kind == "WORKDIR":
        return f"WORKDIR {draw(st.sampled_from(['/w', 'rel', '../up', '/d', '/t/u', '$A']))}"
    if kind == "ARG":
        name = draw(st.sampled_from(["A", "B", "GIVEN", "GLOBAL", "TARGETARCH"]))
        return f"ARG {name}" + (f"={draw(WORDS)}" if draw(st.booleans()) else "")
    if kind == "USER":
        return f"USER {draw(st.sampled_from(['me', '5:6', '$A']))}"
    if kind == "EXPOSE":
        return f"EXPOSE {draw(st.sampled_from(['80', '81/udp 82', '80/tcp']))}"
    if kind in ("CMD", "ENTRYPOINT"):
        return f'{kind} ["{draw(st.sampled_from(["x", "$A", "y z"]))}"]'
    return f"{kind} {draw(st.sampled_from(['A', 'B', 'C', 'PATH']))}={draw(WORDS)}"


@st.composite
def contexts(draw: st.DrawFn) -> Context:
    """A Dockerfile of one to three stages, and what it copies from."""
    lines = ["ARG GLOBAL=global"] if draw(st.booleans()) else []
    names: list[str] = []
    for number in range(draw(st.integers(1, 3))):
        origin = draw(st.sampled_from(["scratch", *names]))
        lines.append(f"FROM {origin} AS s{number}")
        earlier = [*names, *(str(n) for n in range(number))]
        lines += draw(st.lists(instructions(earlier), min_size=1, max_size=5))
        names.append(f"s{number}")
    lines.append("COPY always /always")  # Docker's older store saves no image without files
    tree: Tree = {**draw(files()), "tar": draw(archive()), "always": Entry("file")}
    rules = draw(
        st.lists(
            st.sampled_from(["a", "!a", "d", "*.txt", "**/a", "d/*", "!d/a", "# a", " b ", "/x", "!d"]), max_size=3
        )
    )
    if rules:
        tree[".dockerignore"] = Entry("file", content="\n".join(rules).encode())
    return Context("\n".join(lines) + "\n", {}, tree, {"GIVEN": "given"})


@dataclass(frozen=True)
class Case:
    """A context, told in few lines."""

    context: Context

    def __repr__(self) -> str:
        files = (
            f"  {path}: {entry.kind} {entry.mode:o} {entry.target or (repr(entry.read()) if entry.size < 10 else '…')}"
            for path, entry in sorted(self.context.files.items())
        )
        return "\n".join([self.context.dockerfile, *files])


def seen(layout: Path, digest: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an image shows: its files, and its configuration."""
    source = Layout(layout)
    manifest = source.read_json(digest)
    tree = MergedTree()
    for row in manifest["layers"]:
        path = source.blob_path(row["digest"])
        with path.open("rb") as stream:
            data = b"".join(compression.plain(stream, path))
        plain = layout / "plain" / row["digest"][7:]
        plain.parent.mkdir(exist_ok=True)
        plain.write_bytes(data)
        tree.apply(list(walk(data, plain)))
    shown = {
        path: (entry.kind, oct(entry.mode), entry.uid, entry.gid, entry.target, entry.read())
        for path, entry in sorted(tree.entries.items())
    }
    config = source.read_json(manifest["config"]["digest"])["config"]
    return shown, {key: value for key, value in config.items() if value and (key, value) != ("WorkingDir", "/")}


@pytest.fixture(scope="module")
def builds(dockerd: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Build a context with both engines; what each shows, or that it refuses."""
    numbers = iter(range(1_000_000))
    connect = partial(docker.client, dockerd)

    def both(context: Context) -> tuple[Any, Any]:
        folder = tmp_path_factory.getbasetemp() / f"fuzz{next(numbers)}"
        how: dict[str, Any] = {"name": "x", "epoch": EPOCH, "scratch": folder / "scratch"}
        found: list[tuple[Any, Any]] = []
        engines: dict[str, Any] = {"embedded": embedded.build, "docker": partial(docker.build, connect=connect)}
        for engine, build in engines.items():
            try:
                descriptor = build(context, native(), layout=folder / engine, **how)
                found.append(seen(folder / engine, descriptor.digest))
            except (DockerfileError, EngineError) as error:
                found.append(("refused", str(error)))
        return found[0], found[1]

    return both


def test_fuzz(builds: Any) -> None:
    # A difference is told as it was found: to shrink it takes minutes, and is for a run by hand.
    phases = [hypothesis.Phase.generate] if "IMAGEMILL_FUZZ" not in os.environ else list(hypothesis.Phase)

    @hypothesis.settings(
        phases=phases,
        max_examples=CASES, deadline=None, database=None, derandomize="IMAGEMILL_FUZZ" not in os.environ,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(contexts().map(Case))
    def run(case: Case) -> None:
        ours, theirs = builds(case.context)
        about = f"{case}\nours:\n  {ours}\nBuildKit's:\n  {theirs}"
        if theirs[0] == "refused" or ours[0] == "refused":
            assert ours[0] == theirs[0], about
        else:
            assert ours == theirs, about

    run()
