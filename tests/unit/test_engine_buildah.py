"""How buildah is called, with a stand-in for it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from imagemill import oci
from imagemill.engine import Context, buildah
from imagemill.errors import EngineError
from imagemill.filetree import Entry
from imagemill.oci import Blob
from imagemill.platforms import find

EPOCH = 1_757_664_000


class Stand:
    """Stands in for buildah: remembers its calls, looks at the context, pushes a tiny image."""

    def __init__(self, *, fails: str = "") -> None:
        self.calls: list[list[str]] = []
        self.files: dict[str, bytes] = {}
        self.fails = fails

    def __call__(self, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.calls.append(list(argv))
        if self.fails in argv:
            return subprocess.CompletedProcess(argv, 125, "", "it broke")
        if "build" in argv:
            folder = Path(argv[-1])
            self.files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        if "push" in argv:
            target = Path(argv[-1].removeprefix("oci:").removesuffix(":build"))
            oci.write_image(target, {"architecture": "arm64", "os": "linux", "config": {"Cmd": ["x"]}}, [], "build")
        return subprocess.CompletedProcess(argv, 0, "", "")


def build(stand: buildah.Run, tmp_path: Path) -> oci.Descriptor:
    blob = tmp_path / "blob"
    blob.write_bytes(b"layer")
    context = Context(
        "FROM scratch\n",
        {"a-arm64.tar": Blob("sha256:0", "sha256:0", 5, blob)},
        {"sub/file": Entry("file", content=b"text")},
        {"FLAVOUR": "x y"},
    )
    return buildah.build(
        context,
        find("arm64"),
        layout=tmp_path / "out",
        name="t",
        epoch=EPOCH,
        scratch=tmp_path / "scr atch",
        run=stand,
    )


def test_build(tmp_path: Path) -> None:
    stand = Stand()
    assert build(stand, tmp_path).platform == "linux/arm64"
    assert stand.files == {"Dockerfile": b"FROM scratch\n", "a-arm64.tar": b"layer", "sub/file": b"text"}
    first, second, last = stand.calls
    assert first[first.index("--platform") + 1] == "linux/arm64"
    assert f"SOURCE_DATE_EPOCH={EPOCH}" in first
    assert "FLAVOUR=x y" in first
    assert "--timestamp" not in first, "it would set the time of every file"
    storage = {call[call.index("--root") + 1] for call in stand.calls}
    assert len(storage) == 1
    assert str(tmp_path / "scr atch") in storage.pop()
    assert ("push" in second, last[-2:]) == (True, ["rm", "--all"])
    assert list((tmp_path / "scr atch").iterdir()) == []


@pytest.mark.parametrize("step", ["build", "push"])
def test_failures(step: str, tmp_path: Path) -> None:
    stand = Stand(fails=step)
    with pytest.raises(EngineError, match="t for linux/arm64: buildah failed: it broke"):
        build(stand, tmp_path)
    assert not (tmp_path / "out").exists()
    assert stand.calls[-1][-2:] == ["rm", "--all"]
    assert list((tmp_path / "scr atch").iterdir()) == []


def test_not_installed(tmp_path: Path) -> None:
    def nobody(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        raise FileNotFoundError(argv[0])

    with pytest.raises(EngineError, match="buildah is not installed"):
        build(nobody, tmp_path)
