"""Both compressions: deterministic, read back whole, damage is seen; and from one into the other."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from imagemill import oci, recompress
from imagemill.assemble import tarball
from imagemill.assemble.compression import GZIP, Compression, Writer, parse, plain
from imagemill.errors import ImagemillError, LayoutError
from imagemill.filetree import Entry

ZSTD = parse("zstd:3")
BOTH = pytest.mark.parametrize("compression", [GZIP, ZSTD], ids=str)
TEXT = hashlib.shake_128(b"").digest(1000) * 20_000  # 20 MB: several of zstd's jobs


def packed(data: bytes, compression: Compression, piece: int = 1 << 20) -> bytes:
    out = io.BytesIO()
    writer = Writer(out, compression)
    for start in range(0, len(data), piece):
        writer.add(data[start : start + piece])
    writer.finish()
    assert (writer.size, writer.digest) == (len(out.getvalue()), oci.sha256(out.getvalue()))
    return out.getvalue()


def unpacked(data: bytes) -> bytes:
    return b"".join(plain(io.BytesIO(data), "layer"))


@pytest.mark.parametrize(
    ("text", "shown", "media_type"),
    [("gzip", "gzip", oci.LAYER_GZIP), ("zstd", "zstd:9", oci.LAYER_ZSTD), ("zstd:19", "zstd:19", oci.LAYER_ZSTD)],
)
def test_names_of_compressions(text: str, shown: str, media_type: str) -> None:
    found = parse(text)
    assert (str(found), found.media_type) == (shown, media_type)
    assert parse(str(found)) == found


@pytest.mark.parametrize("text", ["", "gzip:6", "zstd:", "zstd:0", "zstd:20", "zstd:-1", "zstd:9.5", "xz", "ZSTD"])
def test_unknown_compressions(text: str) -> None:
    with pytest.raises(ImagemillError, match="unknown compression"):
        parse(text)


@BOTH
@given(data=st.binary(max_size=3000))
def test_what_is_written_is_read_back(data: bytes, compression: Compression) -> None:
    assert unpacked(packed(data, compression)) == data


@BOTH
def test_readers_of_others_read_it(compression: Compression) -> None:
    data = packed(TEXT, compression)
    read = gzip.decompress if compression == GZIP else zstandard.ZstdDecompressor().decompressobj().decompress
    assert read(data) == TEXT


def test_zstd_is_the_same_on_any_number_of_cores_and_in_any_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = packed(TEXT, ZSTD)
    for cores in (1, 2, 3, 64):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        assert packed(TEXT, ZSTD, piece=70_001 * cores) == expected
    without = zstandard.ZstdCompressionParameters.from_level(3, window_log=23, write_content_size=0)
    assert zstandard.ZstdCompressor(compression_params=without).compress(TEXT) != expected, "threads must be given"


def test_the_bytes_are_these() -> None:
    """A golden: a change in it changes the digests of what is published."""
    assert (
        oci.sha256(packed(TEXT, parse("zstd")))
        == "sha256:61b6858a9cd36e7a98becc702f500deea516a6b802d3a8d8f6c708917bbebde2"
    )


def test_members_and_frames_in_a_row_are_one() -> None:
    assert unpacked(packed(b"one", GZIP) + packed(b"two", GZIP)) == b"onetwo"
    assert unpacked(packed(b"one", ZSTD) + packed(b"two" * 9999, ZSTD)) == b"one" + b"two" * 9999


def test_what_is_not_compressed_is_taken_as_it_is() -> None:
    assert unpacked(b"plain tar") == b"plain tar"
    assert unpacked(b"") == b""


@BOTH
def test_damage_is_seen(compression: Compression) -> None:
    whole = packed(hashlib.shake_128(b"").digest(300_000), compression)
    with pytest.raises(LayoutError, match="ends early"):
        unpacked(whole[:-9])
    with pytest.raises(LayoutError, match=r"layer: (damaged|.* ends early)"):
        unpacked(whole + b"rest")
    with pytest.raises(LayoutError, match="layer: damaged"):
        unpacked(whole[:4] + b"\xff" * 100 + whole[104:])


def test_a_layer_from_gzip_to_zstd_and_back(tmp_path: Path) -> None:
    made = tarball.write({"a": Entry("file", content=TEXT[:5_000_000])}, tmp_path / "layer", epoch=1)
    store = tmp_path / "store"
    small = recompress.layer(made, ZSTD, store)
    assert small.media_type == oci.LAYER_ZSTD
    assert small.diff_id == made.diff_id == oci.sha256(unpacked(small.path.read_bytes()))
    assert oci.sha256(small.path.read_bytes()) == small.digest
    back = recompress.layer(small, GZIP, store)
    assert (back.digest, back.size) == (made.digest, made.size), "a layer has one form in each compression"
    assert len(list(store.iterdir())) == 4


def test_a_layer_is_made_once(tmp_path: Path) -> None:
    made = tarball.write({"a": Entry("file", content=b"x" * 5000)}, tmp_path / "layer", epoch=1)
    first = recompress.layer(made, ZSTD, tmp_path / "store")
    stamp = first.path.stat().st_ino
    assert recompress.layer(made, ZSTD, tmp_path / "store") == first
    assert first.path.stat().st_ino == stamp
    first.path.write_bytes(b"cut")
    assert recompress.layer(made, ZSTD, tmp_path / "store") == first
    assert first.path.stat().st_size == first.size, "what was cut short is made again"
    assert recompress.layer(made, parse("zstd:9"), tmp_path / "store").path != first.path


def test_a_damaged_layer_leaves_nothing(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(packed(TEXT, ZSTD)[:-9])
    with pytest.raises(LayoutError, match="ends early"):
        recompress.layer(oci.Blob("sha256:1", "sha256:2", 3, bad), GZIP, tmp_path / "store")
    assert list((tmp_path / "store").iterdir()) == []


def test_an_image_in_another_compression(tmp_path: Path) -> None:
    blobs = [tarball.write({name: Entry("file", content=TEXT[:9000])}, tmp_path / name, epoch=1) for name in ("a", "b")]
    layout = tmp_path / "layout"
    before = oci.write_image(layout, {"architecture": "arm64", "os": "linux", "config": {}}, blobs, "x")
    assert recompress.image(layout, GZIP, tmp_path / "store", "x") == before, "nothing to do"
    manifest = oci.Layout(layout).read_json(before.digest)
    after = recompress.image(layout, ZSTD, tmp_path / "store", "x")
    found = oci.Layout(layout)
    written = found.read_json(after.digest)
    assert [row["mediaType"] for row in written["layers"]] == [oci.LAYER_ZSTD] * 2
    assert written["config"] == manifest["config"], "the configuration names diff ids, and they stay"
    assert [row["size"] for row in written["layers"]] == [
        found.blob_path(row["digest"]).stat().st_size for row in written["layers"]
    ]
    assert len(list((layout / "blobs" / "sha256").iterdir())) == 4, "the old layers are gone"
    assert recompress.image(layout, GZIP, tmp_path / "store", "x") == before
