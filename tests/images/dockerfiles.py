"""Contexts and Dockerfiles of the embedded engine's subset, made up by hypothesis.

They are tiny and full of what engines have been seen to read differently. What the embedded engine refuses on purpose
(see its docstring) is not among them, nor what BuildKit 0.8 gets wrong: a stage's labels, ports and volumes are the
same object as those of the stage it is based on, so no other stage sets any; and it does not find what a link leads to
by way of a link to the root, so no link leads there.
"""

from __future__ import annotations

import gzip
import io
import posixpath
import tarfile
from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from imagemill.engine import Context
from imagemill.filetree import Entry, Tree

NAMES = ["a", "b", "c.txt", "d", "sp ace", ".h", "e*", "ä", "[x]"]
MODES = [0o644, 0o600, 0o755, 0o4755, 0o2711, 0o1777, 0o000]
TARGETS = ["a", "d", "../a", "/a", "/d", "b/c.txt", "nowhere/x", "/x", "../d/a"]
TIMES = [0, 1_234_567_890, 1_757_664_000]
VALUES = [
    *("v", "$A", "${A}x", "${A:-d}", "${B:+e$A}", "${N:-${A:-'q'}}", '"a  b"', "'$A'", r"\$A", r"a\ b"),
    *(r'"\$A\"\\\n"', "", '"$A"\'c\'', "a=b", "$", "${A:-\"x y\"}", "a\\\\b", "$TARGETARCH", "é"),
    *("'\"'", "$A$B", "${P:-$PATH}", "#x"),
]  # fmt: skip


@st.composite
def trees(draw: DrawFn, depth: int = 2, archives: bool = True) -> Tree:
    """A small tree of files, directories and links."""
    tree: Tree = {}

    def fill(folder: str, left: int) -> None:
        for name in draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=left == depth, max_size=4)):
            path = posixpath.join(folder, name)
            kinds = ["file", "file", "dir", "symlink", "hardlink", *(["tar"] if archives else [])]
            kind = draw(st.sampled_from(kinds))
            mtime = draw(st.sampled_from(TIMES))
            files = [key for key in tree if tree[key].kind == "file"]
            if kind == "dir" and left:
                tree[path] = Entry("dir", draw(st.sampled_from(MODES)) or 0o755, mtime=mtime)
                fill(path, left - 1)
            elif kind == "symlink":
                tree[path] = Entry("symlink", 0o777, mtime=mtime, target=draw(st.sampled_from(TARGETS)))
            elif kind == "hardlink" and files:
                tree[path] = Entry("hardlink", target=draw(st.sampled_from(files)))
            else:
                content = draw(tars()) if kind == "tar" else draw(st.sampled_from([b"", b"1", b"two"]))
                tree[path] = Entry("file", draw(st.sampled_from(MODES)), mtime=mtime, content=content)

    fill("", depth)
    return tree


@st.composite
def tars(draw: DrawFn) -> bytes:
    """A tar of a tree, sometimes compressed, with owners, doubled entries and whiteouts."""
    tree = draw(trees(depth=1, archives=False))
    out = io.BytesIO()
    with tarfile.open(
        fileobj=out, mode="w", format=draw(st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
    ) as tar:
        for path in sorted(tree, key=lambda path: (tree[path].kind == "hardlink", path)):
            entry = tree[path]
            info = tarfile.TarInfo(
                draw(st.sampled_from(["", "./", "new/"])) + path if entry.kind != "hardlink" else path
            )
            held = tree[entry.target] if entry.kind == "hardlink" else entry
            info.mode, info.mtime = held.mode, held.mtime
            info.uid = info.gid = 0 if entry.kind == "hardlink" else draw(st.sampled_from([0, 0, 993]))
            kinds = {"dir": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE, "file": tarfile.REGTYPE}
            if entry.kind == "hardlink":
                continue
            info.type = kinds[entry.kind]
            info.linkname = entry.target if entry.kind == "symlink" else ""
            data = entry.read() if entry.kind == "file" else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
            if entry.kind == "file" and draw(st.booleans()):
                again = tarfile.TarInfo(f"{info.name}-link")
                again.type, again.linkname = tarfile.LNKTYPE, info.name
                again.mode, again.mtime, again.uid, again.gid = info.mode, info.mtime, info.uid, info.gid
                tar.addfile(again)
    data = out.getvalue()
    return gzip.compress(data, mtime=0) if draw(st.booleans()) else data


@st.composite
def sources(draw: DrawFn, paths: Sequence[str]) -> str:
    """A path of the tree in one of its spellings, or a pattern that may match it."""
    path = draw(st.sampled_from([*paths, *paths, ".", "*", "**"]))
    how = draw(st.sampled_from(["plain"] * 3 + ["star", "question", "class", "all", "slash", "dot", "root", "deep"]))
    folder, name = posixpath.split(path)
    if how in ("plain", "slash", "dot", "root"):
        if path not in ("*", "**"):
            path = "".join(f"[{char}]" if char in "*[?" else char for char in path)  # by itself, not as a pattern
        return {"plain": "", "dot": "./", "root": "/", "slash": ""}[how] + path + ("/" if how == "slash" else "")
    changed = {
        "star": name[:1] + "*",
        "question": "?" * len(name),
        "class": f"[^{name[:1] or 'q'}]*",
        "all": "*",
        "deep": "*/*",
    }[how]
    return posixpath.join(folder, changed)


def destinations() -> SearchStrategy[str]:
    """Where COPY may go."""
    fixed = [
        "/",
        ".",
        "./",
        "x",
        "x/",
        "/x/y/",
        "/d",
        "/d/",
        "/a",
        "/b/",
        "../z/",
        "/d/.",
        "/l/m/n",
        "$A/",
        "/new/",
        "w",
    ]
    return st.sampled_from(fixed)


@st.composite
def copies(draw: DrawFn, keyword: str, paths: Sequence[str], stage: int) -> str:
    """A COPY or an ADD in one of its two forms."""
    words = draw(st.lists(sources(paths), min_size=1, max_size=draw(st.sampled_from([1, 1, 1, 3]))))
    target = draw(destinations())
    if len(words) > 1 and not target.endswith("/"):
        target += "/"
    flags = ""
    if keyword == "COPY" and stage and draw(st.booleans()):
        number = draw(st.integers(0, stage - 1))
        flags += f" --from={draw(st.sampled_from([str(number), f's{number}']))}"
        words = draw(
            st.lists(st.sampled_from(["/", "/x", "/d", "/a", "x/*", "*", "/w", "/d/*"]), min_size=1, max_size=1)
        )
    flags += draw(st.sampled_from(["", "", "", " --chown=1:2", " --chown=3", " --chown=root:5"]))
    flags += draw(st.sampled_from(["", "", "", " --chmod=750", " --chmod=0604", " --chmod=4711"]))
    if draw(st.booleans()) or any(" " in word for word in words):
        quoted = ", ".join('"' + word.replace("\\", "\\\\") + '"' for word in [*words, target])
        return f"{keyword}{flags} [{quoted}]"
    return f"{keyword}{flags} {' '.join([*words, target])}"


@st.composite
def steps(draw: DrawFn, paths: Sequence[str], stage: int, *, last: bool) -> str:
    """One instruction of a stage."""
    kinds = ["COPY"] * 5 + ["ADD"] * 4 + ["ENV", "ARG", "WORKDIR", "USER", "CMD", "ENTRYPOINT"]
    keyword = draw(st.sampled_from([*kinds, *(["LABEL", "EXPOSE", "VOLUME"] if last else [])]))
    values = st.sampled_from(VALUES)
    if keyword in ("COPY", "ADD"):
        return draw(copies(keyword, paths, stage))
    if keyword in ("ENV", "LABEL", "ARG"):
        names = draw(
            st.lists(st.sampled_from(["A", "B", "P", "x.y"][: 3 if keyword == "ARG" else 4]), min_size=1, max_size=2)
        )
        if keyword == "ARG" and draw(st.booleans()):
            return f"ARG {draw(st.sampled_from(['A', 'B', 'G', 'TARGETARCH', 'BUILDOS', 'G=x', 'GIVEN', 'GIVEN=y']))}"
        if keyword == "ENV" and draw(st.integers(0, 5)) == 0:
            return f"ENV {names[0]} {draw(values) or 'x'}"
        between = draw(st.sampled_from([" ", "  ", " \\\n    ", "\\\n ", " \\\n# note\n ", "\t"]))
        return f"{keyword} " + between.join(f"{name}={draw(values)}" for name in names)
    if keyword == "WORKDIR":
        return "WORKDIR " + draw(
            st.sampled_from(["/w", "w", "/x/y/../z", "/d/", "$A", "/", "sp ace", '"q"/$B', "/a", "../x"])
        )
    if keyword == "USER":
        return "USER " + draw(st.sampled_from(["993:990", "0", "7", "root"]))
    if keyword == "EXPOSE":
        return "EXPOSE " + draw(st.sampled_from(["80", "81/udp 82", "90-92", "${P:-5}/tcp"])).replace("${P", "${Q")
    if keyword == "VOLUME":
        return "VOLUME " + draw(st.sampled_from(["/v", "/v /u", '["/v w"]', "/v$A"]))
    return f"{keyword} " + draw(st.sampled_from(['["a", "b c"]', '["$A"]', "a 'b' $A", '["x"', "[]", '["é\\n"]']))


@st.composite
def contexts(draw: DrawFn) -> Context:
    """A whole context: one to three stages over a small tree."""
    tree = draw(trees())
    lines = draw(
        st.lists(st.sampled_from(["ARG G=global", "ARG A=1", 'ARG GIVEN="$G x"', "# note"]), unique=True, max_size=2)
    )
    count = draw(st.sampled_from([1, 1, 2, 3]))
    for stage in range(count):
        based = stage and draw(st.booleans())
        base = f"s{draw(st.integers(0, stage - 1))}" if based else "scratch"
        # Docker 20.10 cannot save an image without layers.
        lines += [f"FROM {base} AS s{stage}", *([] if based else ["COPY Dockerfile /first"])]
        lines += draw(st.lists(steps(list(tree), stage, last=stage == count - 1), min_size=1, max_size=4))
    return Context("\n".join(lines) + "\n", {}, tree, {"GIVEN": "given"})
