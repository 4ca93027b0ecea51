"""What commands show of builds."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagemill import show
from imagemill.dist import Artifact, Built
from imagemill.noop import Kept


def test_layers_that_images_share_are_counted_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = []
    for name, own in (("run", 2_000_000), ("serve", 3_000_000)):
        blobs = tmp_path / name / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        (blobs / "shared").write_bytes(bytes(7_000_000))
        (blobs / name).write_bytes(bytes(own))
        platforms = {"linux/amd64": Built("sha256:1", 7_000_000 + own, "sha256:2")}
        kept.append(Kept(Artifact(name, (name,), "sha256:0", 1, platforms, "hash", "embedded", "exact")))
    show.built(kept, [], tmp_path, "", 12.3)
    assert "2 images, 12 MB, what they share counted once, in 12 s" in capsys.readouterr().err
