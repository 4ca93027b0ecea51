"""Images made to do harm: each is an error that says what, in bounded time and memory; nothing is written outside."""

from __future__ import annotations

import contextlib
import gzip
import io
import resource
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from conform_images import EPOCH, blob, elf, good_config, good_tree, pack, rewrite, subject, write_layout
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagemill import elf as elves
from imagemill import layerfacts, merged, oci, spool
from imagemill.conform import Layers, judge
from imagemill.conform.image import DOCKER_LIST, images
from imagemill.errors import LayoutError
from imagemill.filetree import Entry
from imagemill.layerfacts import Kept, examine
from imagemill.oci import INDEX, Layout, canonical, sha256
from imagemill.platforms import PLATFORMS

AMD64 = PLATFORMS["linux/amd64"]


def header(name: str = "a", kind: bytes = b"0", size: int = 0, target: str = "") -> bytes:
    """The header of one entry, as tarfile writes it."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, target
    return info.tobuf(tarfile.PAX_FORMAT)


def sparse(size: int) -> bytes:
    """A file of this size in a tar that has nothing of it, as GNU tar writes sparse files."""
    data = bytearray(header("sparse", tarfile.GNUTYPE_SPARSE, 0))
    data[483:495] = b"%011o\0" % size
    return bytes(data) + bytes(1024)


END = bytes(1024)
GOOD = pack({"etc/passwd": Entry("file", content=b"root:x:0:0::/root:/bin/sh\n"), "bin": Entry("dir", 0o755)})


def hard(name: str, target: str) -> bytes:
    return header(name, tarfile.LNKTYPE, 0, target) + END


LAYERS: dict[str, tuple[bytes, str]] = {
    "cut short in a file": (GOOD[: GOOD.index(b"root:x") + 3], "ends inside"),
    "cut short in a header": (GOOD[:300], "ends inside a tar header"),
    "a path that climbs out": (header("../../etc/cron.d/x") + END, "leaves the image"),
    "a path that climbs out later": (header("a/b/../../../x") + END, "leaves the image"),
    "a hard link that climbs out": (hard("x", "../../etc/shadow"), "leaves the image"),
    "a size beyond the end": (header(size=1 << 33) + END, "ends inside"),
    "a negative size": (header(size=0)[:124] + b"\xff" * 12 + header()[136:] + END, "negative size"),
    "a sparse file of 10 GB": (sparse(10 << 30), "sparse"),
    "an entry of a vendor's kind": (header(kind=b"Z") + END, "not read"),
    "a name of 2 MB": (header(kind=b"L", size=2 << 20) + bytes(2 << 20) + END, "extended header of 2097152"),
    "a path longer than any": (header("a/" * 3000 + "x") + END, "a path of 6001 letters"),
    "a link longer than any": (header("l", b"2", 0, "a/" * 3000) + END, "a path of 6000 letters"),
    "a damaged pax record": (header(kind=b"x", size=5) + b"99 x=".ljust(512, b"\0") + END, "damaged pax"),
    "a number that is none": (header()[:100] + b"zzzzzzz\0" + header()[108:] + END, "tar entry at byte 0"),
    "not a tar": (b"<html>" * 200, "tar entry at byte 0"),
    "nothing": (b"", "ends inside a tar header"),
    "an entry below a file": (header("a") + header("a/b") + END, "below a file"),
}

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def opened(data: bytes, folder: Path) -> None:
    """Read a layer with this content as an image's only one."""
    work = folder / "work"
    work.mkdir(exist_ok=True)
    path = work / "layer"
    path.write_bytes(data)
    with Layers(work / "scratch", work / "facts") as layers:
        layers.tree([(sha256(data), path)])


@contextlib.contextmanager
def harmless(folder: Path, seconds: float = 20, megabytes: int = 400) -> Iterator[None]:
    """Nothing appears beside the work folder, and time and memory have a bound that is far from what hangs."""
    before = set(folder.iterdir())
    start, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - start < seconds
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < megabytes << 10
    assert {path.name for path in set(folder.iterdir()) - before} <= {"work"}


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("case", LAYERS)
def test_a_hostile_layer_is_an_error_that_says_what(case: str, packing: str, tmp_path: Path) -> None:
    data, message = LAYERS[case]
    with harmless(tmp_path), pytest.raises(LayoutError, match=message):
        opened(PACKED[packing](data), tmp_path)


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
@pytest.mark.parametrize("place", range(0, 100, 7))
def test_a_flipped_bit_is_an_error_or_changes_nothing_outside(packing: str, place: int, tmp_path: Path) -> None:
    data = bytearray(PACKED[packing](GOOD))
    data[place * len(data) // 100] ^= 0x10
    with harmless(tmp_path), contextlib.suppress(LayoutError):
        opened(bytes(data), tmp_path)


def zeros(size: int, packing: str) -> bytes:
    """A tar with one file of so many zeros, compressed."""
    pieces = (bytes(1 << 20) for _ in range(size >> 20))
    if packing == "zstd":
        compressor = zstandard.ZstdCompressor(level=1).compressobj()
        begin = compressor.compress(header("zeros", size=size))
        return begin + b"".join(map(compressor.compress, pieces)) + compressor.compress(END) + compressor.flush()
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1) as file:
        file.write(header("zeros", size=size))
        for piece in pieces:
            file.write(piece)
        file.write(END)
    return buffer.getvalue()


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_a_bomb_is_ended_before_it_fills_the_disk(
    packing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "_INNOCENT", 16 << 20)
    data = zeros(64 << 20, packing)
    with harmless(tmp_path), pytest.raises(LayoutError, match="have become"):
        opened(data, tmp_path)
    assert list((tmp_path / "work" / "scratch").iterdir()) == []


def test_zeros_take_no_room_on_disk(tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.write_bytes(zeros(64 << 20, "gzip"))
    tar = spool.spool(layer, sha256(layer.read_bytes()), tmp_path / "scratch")
    assert tar.stat().st_size > 64 << 20
    assert tar.stat().st_blocks * 512 < 8 << 20


def test_more_entries_than_any_image_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layerfacts, "MOST_ENTRIES", 1000)
    with harmless(tmp_path), pytest.raises(LayoutError, match="more than 1000 entries"):
        opened(header() * 1001 + END, tmp_path)


def test_twenty_thousand_files_are_read(tmp_path: Path) -> None:
    """Ten times as many take ten times as long: tests/bench/conform.py."""
    tar = b"".join(header(f"d{number % 100}/f{number}") for number in range(20_000)) + END
    with harmless(tmp_path):
        opened(tar, tmp_path)


def test_directories_that_nobody_lists_have_an_end(tmp_path: Path) -> None:
    deep = "/".join("x" * 1300)
    tar = b"".join(header(f"{number}/{deep}/f") for number in range(200)) + END
    with harmless(tmp_path), pytest.raises(LayoutError, match="directories without end"):
        opened(tar, tmp_path)


def test_links_through_links_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merged, "_MOST_STEPS", 10_000)
    around = "/".join(["l0"] * 1000)
    rows = [*(header(f"l{number}", b"2", 0, f"l{number + 1}") for number in range(30)), header("l30", b"2", 0, ".")]
    rows += [header(f"{around}/x{number}") for number in range(10)]
    with harmless(tmp_path), pytest.raises(LayoutError, match="links without end"):
        opened(b"".join(rows) + END, tmp_path)


def test_links_in_a_circle_are_findings_and_no_hang(tmp_path: Path) -> None:
    about = subject()
    tree = good_tree(about.image, AMD64)
    for number in range(2000):
        tree[f"srv/{number}"] = Entry("symlink", 0o777, target=f"{(number + 1) % 2000}", mtime=EPOCH)
    layout = write_layout(tmp_path, good_config(about.image, AMD64), [tree])
    with Layers(tmp_path / "scratch") as layers:
        found = judge(layout, about, layers=layers)
    assert {finding.check for finding in found if finding.status == "fail"} == {"files.links"}


def broken_layouts() -> dict[str, tuple[Callable[[Path], object], str]]:
    """What is done to a good layout, and the error."""

    def listed(media_type: str, data: Any) -> Callable[[Path], object]:
        def write(path: Path) -> None:
            layout = Layout(path)
            made = layout.add(media_type, data if isinstance(data, bytes) else canonical(data))
            layout.finish([made])

        return write

    def index(rows: Any) -> Callable[[Path], object]:
        return lambda path: (path / "index.json").write_bytes(canonical({"manifests": rows}))

    def nested(path: Path) -> None:
        layout = Layout(path)
        [image] = layout.images()
        for _ in range(9):
            image = layout.add(INDEX, canonical({"mediaType": INDEX, "manifests": [image.to_json()]}))
        layout.finish([image])

    def cyclic(path: Path) -> None:
        """No digest can be its own, so a circle is a blob under another's name."""
        layout = Layout(path)
        digest = "sha256:" + "1" * 64
        row = {"mediaType": INDEX, "digest": digest, "size": 1}
        layout.blob_path(digest).write_bytes(canonical({"mediaType": INDEX, "manifests": [row]}))
        (path / "index.json").write_bytes(canonical({"manifests": [row]}))

    def manifest(change: Callable[[Any], None]) -> Callable[[Path], object]:
        return lambda path: rewrite(path, change)

    def config(change: Callable[[Any], None]) -> Callable[[Path], object]:
        return lambda path: rewrite(path, lambda _: None, change)

    up = "sha256:../../../../etc/passwd"
    row = {"mediaType": INDEX, "size": 1}
    return {
        "index.json is a list": (lambda path: (path / "index.json").write_bytes(b"[]"), "lists no manifests"),
        "index.json is no JSON": (lambda path: (path / "index.json").write_bytes(b"{"), "index.json"),
        "index.json without manifests": (lambda path: (path / "index.json").write_bytes(b"{}"), "lists no manifests"),
        "a digest that is a path": (index([row | {"digest": up}]), "no SHA-256 digest"),
        "a digest of another kind": (index([row | {"digest": "md5:0"}]), "no SHA-256 digest"),
        "a digest that is a number": (index([row | {"digest": 7}]), "no SHA-256 digest"),
        "a blob that is missing": (index([row | {"digest": "sha256:" + "0" * 64}]), "is missing"),
        "indexes in each other": (nested, "more than 4 indexes in each other"),
        "an index in a circle": (cyclic, "is damaged"),
        "an unknown media type": (listed("application/x-thing", {"mediaType": "application/x-thing"}), "unknown media"),
        "a manifest that is a list": (listed(oci.MANIFEST, b"[]"), "not a JSON object"),
        "a manifest that is no JSON": (listed(oci.MANIFEST, b"{"), "not JSON"),
        "a manifest of brackets": (listed(oci.MANIFEST, b"[" * 200_000), "not JSON"),
        "a manifest without a configuration": (listed(oci.MANIFEST, {"layers": []}), "no descriptor"),
        "an index of another kind of list": (listed(DOCKER_LIST, {"manifests": {}}), "no list of manifests"),
        "layers that are no list": (manifest(lambda m: m.update(layers="x")), "no list of layers"),
        "a layer that is no descriptor": (manifest(lambda m: m.update(layers=["x"])), "no descriptor"),
        "a layer of a negative size": (manifest(lambda m: m["layers"][0].update(size=-1)), "no descriptor"),
        "a layer that is a path": (manifest(lambda m: m["layers"][0].update(digest=up)), "no SHA-256 digest"),
        "a layer with another's digest": (
            manifest(lambda m: m["layers"][0].update(digest="sha256:" + "2" * 64)),
            "is missing",
        ),
        "a configuration of lists": (config(lambda c: c.update(config=[])), "config is no dict"),
        "an architecture that is a list": (config(lambda c: c.update(architecture=[])), "architecture is no str"),
        "an environment of numbers": (config(lambda c: c["config"].update(Env=[1])), "Env is"),
        "an entrypoint that is a word": (config(lambda c: c["config"].update(Entrypoint="sh")), "Entrypoint is"),
        "labels that are a list": (config(lambda c: c["config"].update(Labels=["a"])), "Labels is"),
    }


BROKEN = broken_layouts()


@pytest.mark.parametrize("case", BROKEN)
def test_a_hostile_layout_is_an_error_that_says_what(case: str, tmp_path: Path) -> None:
    damage, message = BROKEN[case]
    about = subject()
    work = tmp_path / "work"
    work.mkdir()
    layout = write_layout(work, good_config(about.image, AMD64), [good_tree(about.image, AMD64)])
    damage(layout)
    with harmless(tmp_path), pytest.raises(LayoutError, match=message), Layers(work / "scratch") as layers:
        judge(layout, about, layers=layers)


def test_indexes_that_list_the_same_many_times_are_read_once(tmp_path: Path) -> None:
    """A thousand times a thousand times a thousand images, in three small files."""
    about = subject()
    layout = write_layout(tmp_path, good_config(about.image, AMD64), [good_tree(about.image, AMD64)])
    found = Layout(layout)
    [image] = listed = found.images()
    for _ in range(3):
        rows = [one.to_json() for one in listed] * 1000
        listed = [found.add(INDEX, canonical({"mediaType": INDEX, "manifests": rows}))]
    found.finish(listed)
    with harmless(tmp_path):
        assert [one.digest for one in images(layout)] == [image.digest]


def test_an_attestation_is_no_image(tmp_path: Path) -> None:
    about = subject()
    layout = write_layout(tmp_path, good_config(about.image, AMD64), [good_tree(about.image, AMD64)])
    found = Layout(layout)
    [image] = found.images()
    data = found.read_json(image.digest)
    data["layers"] = [{**data["layers"][0], "mediaType": "application/vnd.in-toto+json"}]
    attestation = found.add(oci.MANIFEST, canonical(data))
    index = found.add(INDEX, canonical({"mediaType": INDEX, "manifests": [image.to_json(), attestation.to_json()]}))
    found.finish([index])
    assert [one.digest for one in images(layout)] == [image.digest]


_DAMAGE = st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(max_size=12)), max_size=6)
_TREE = pack(
    {
        "usr/bin/x": Entry("file", 0o755, content=elf(AMD64, AMD64.loader, ["libc.so.6"], "$ORIGIN")),
        "usr/lib": Entry("dir", 0o755),
        "lib": Entry("symlink", 0o777, target="usr/lib"),
        "h": Entry("hardlink", target="usr/bin/x"),
        "a" * 140: Entry("file", content=b"x" * 700, xattrs={"user.a": b"b"}),
        "d/.wh.x": Entry("file"),
    }
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_DAMAGE, st.integers(0, len(_TREE)))
def test_whatever_a_layer_holds_it_is_read_or_refused(damage: list[tuple[int, bytes]], cut: int) -> None:
    data = bytearray(_TREE[: len(_TREE) - cut] if cut < len(_TREE) // 2 else _TREE)
    for place, piece in damage:
        at = place % len(data)
        data[at : at + len(piece)] = piece
    with contextlib.suppress(LayoutError):
        facts = examine(bytes(data), Path("layer"), "sha256:" + "0" * 64)
        tree = merged.merge([facts.entries])
        for key, entry in list(tree.entries.items()):
            assert ".." not in key.split("/") and not key.startswith("/")
            if entry.kind == "symlink":
                tree.link_end(key)


@settings(max_examples=300)
@given(_DAMAGE, st.integers(0, 400))
def test_whatever_is_in_a_program_it_is_read(damage: list[tuple[int, bytes]], cut: int) -> None:
    data = bytearray(elf(AMD64, AMD64.loader, ["libc.so.6", "libm.so.6"], "$ORIGIN/../lib"))
    for place, piece in damage:
        at = place % len(data)
        data[at : at + len(piece)] = piece
    data = data[: max(len(data) - cut, 0)]
    found = elves.parse(bytes(data[:64]), lambda offset, size: bytes(data[offset : offset + size]))
    assert found is None or len(found.needed) <= 256


@given(st.binary(max_size=300))
def test_facts_that_are_damaged_are_made_again(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        kept, digest = Kept(Path(folder)), "sha256:" + "0" * 64
        kept.write(digest, examine(GOOD, Path("layer"), digest), lambda entry: b"root")
        found = kept.read(digest, Path("layer"))
        assert found is not None and dict(found.entries)["etc/passwd"].read() == b"root"
        [file] = Path(folder).iterdir()
        file.write_bytes(data)
        assert kept.read(digest, Path("layer")) is None


def test_facts_are_found_again_without_the_layer(tmp_path: Path) -> None:
    made = blob(pack({"etc/passwd": Entry("file", content=b"root:x"), "srv/x": Entry("file", content=b"1")}), tmp_path)
    for _ in range(2):
        with Layers(tmp_path / "scratch", tmp_path / "facts") as layers:
            tree = layers.tree([(made.digest, made.path)])
            assert sorted(tree) == ["etc", "etc/passwd", "srv", "srv/x"]
            assert tree.read("/etc/passwd") == b"root:x"
        assert not list((tmp_path / "scratch").iterdir())
    with Layers(tmp_path / "scratch", tmp_path / "facts") as layers:
        tree = layers.tree([(made.digest, made.path)])
        assert tree.read("/srv/x") == b"1"  # the layer is opened for what nobody expected
