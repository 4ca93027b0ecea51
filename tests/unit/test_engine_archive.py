"""Between engines' archives and OCI layouts."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from imagemill import oci
from imagemill.assemble import tarball
from imagemill.dockerfile import parse
from imagemill.engine import archive
from imagemill.engine.embedded.lineage import Step
from imagemill.errors import EngineError, LayoutError
from imagemill.filetree import Entry, Tree
from imagemill.tarwalk import walk

EPOCH = 1_757_664_000
STEPS = [Step(one) for one in parse("FROM scratch\nADD a.tar /\nCOPY --chmod=755 b /b\nWORKDIR /\n")[1:]]
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def tar(*members: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as target:
        for member in members:
            info, data = member if isinstance(member, tuple) else (member, b"")
            info.size = len(data)
            target.addfile(info, io.BytesIO(data))
    return out.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in {"mtime": EPOCH, "mode": 0o644, **fields}.items():
        setattr(info, key, value)
    return info


def layer(owner: str = "", *, swapped: bool = False, later: bool = False) -> bytes:
    """One tree in the spellings of different engines: owner names, order of hard links, time of the build."""
    file, link = ("b", "a") if swapped else ("a", "b")
    mtime = EPOCH + 1000 if later else EPOCH
    return tar(
        entry("d/", tarfile.DIRTYPE, mode=0o1777, uname=owner, mtime=mtime),
        (entry(file, uid=993, gid=990, mode=0o4755, mtime=5, uname=owner), b"data"),
        entry(link, tarfile.LNKTYPE, uid=993, gid=990, mode=0o4755, mtime=5, linkname=file),
    )


def saved(path: Path, layers: list[bytes], *, oci_names: bool = False, **config: Any) -> Path:
    """What `docker save` writes: names of its own up to Docker 24, blobs from 25 on."""
    names = [f"blobs/sha256/{n}" if oci_names else f"{n}/layer.tar" for n in range(len(layers))]
    told: list[dict[str, Any]] = [{"created_by": "/bin/sh -c #(nop) ADD"} for _ in layers]
    told += [{"created_by": "x", "empty_layer": True}] * (3 - len(layers))
    full: dict[str, Any] = {
        "architecture": "arm64",
        "os": "linux",
        "created": "2026-01-01T00:00:00.1Z",
        "config": config,
    }
    full |= {"history": told, "rootfs": {"type": "layers", "diff_ids": names}}
    rows = [{"Config": "config.json", "RepoTags": ["x:y"], "Layers": names}]
    files = [
        ("manifest.json", json.dumps(rows).encode()),
        ("config.json", json.dumps(full).encode()),
        *zip(names, layers, strict=True),
    ]
    path.write_bytes(tar(*((entry(name), data) for name, data in files)))
    return path


def settled(path: Path, tmp_path: Path, steps: Sequence[Step] = STEPS) -> tuple[oci.Descriptor, dict[str, Any]]:
    layout = tmp_path / f"{path.name}-layout"
    found = archive.docker_archive_to_layout(
        path, layout, name="t", epoch=EPOCH, scratch=tmp_path / "scratch", steps=steps
    )
    reader = oci.Layout(layout)
    config = reader.read_json(reader.read_json(found.digest)["config"]["digest"])
    assert list((tmp_path / "scratch").iterdir()) == []
    return found, config


def test_spellings_of_one_image_become_one(tmp_path: Path) -> None:
    spellings = {
        "docker20": saved(tmp_path / "1", [layer("root"), tar()], Env=["A=b"], ArgsEscaped=True, OnBuild=None),
        "docker25": saved(tmp_path / "2", [layer("root", later=True)], oci_names=True, Env=["A=b"]),
        "gzip": saved(tmp_path / "3", [gzip.compress(layer())], oci_names=True, Env=["A=b"]),
        "buildah": saved(
            tmp_path / "4",
            [layer(swapped=True)],
            Env=["A=b"],
            Labels={"io.buildah.version": "1.28.2"},
        ),
    }
    digests = {name: settled(path, tmp_path)[0].digest for name, path in spellings.items()}
    assert len(set(digests.values())) == 1, digests


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("mode", (entry("a", mode=0o755), b"x")),
        ("owner", (entry("a", uid=1), b"x")),
        ("old time", (entry("a", mtime=EPOCH - 1), b"x")),
        ("content", (entry("a"), b"y")),
        ("path", (entry("b"), b"x")),
    ],
)
def test_different_images_stay_different(name: str, other: tuple[tarfile.TarInfo, bytes], tmp_path: Path) -> None:
    one, _ = settled(saved(tmp_path / "1", [tar((entry("a"), b"x"))]), tmp_path)
    two, _ = settled(saved(tmp_path / "2", [tar(other)]), tmp_path)
    assert one.digest != two.digest, name


def test_settled_configuration(tmp_path: Path) -> None:
    labels = {"io.buildah.version": "1", "a": "b"}
    path = saved(tmp_path / "1", [layer()], Cmd=["x"], Labels=labels, Hostname="h", Volumes=None, User="")
    found, config = settled(path, tmp_path)
    assert config["config"] == {"Cmd": ["x"], "Labels": {"a": "b"}, "Env": [PATH], "WorkingDir": "/"}
    assert (config["created"], config["architecture"]) == ("2025-09-12T08:00:00Z", "arm64")
    assert found.platform == "linux/arm64"
    assert [{key: row[key] for key in row if key != "comment"} for row in config["history"]] == [
        {"created": config["created"], "created_by": "ADD a.tar /"},
        {"created": config["created"], "created_by": "COPY --chmod=755 b /b", "empty_layer": True},
        {"created": config["created"], "created_by": "WORKDIR /", "empty_layer": True},
    ]


OTHER = tar((entry("other"), b"x"))


@pytest.mark.parametrize("nothing", [tar(), layer("x")], ids=["no entries", "what is there"])
def test_a_layer_that_changes_nothing_goes(nothing: bytes, tmp_path: Path) -> None:
    _, config = settled(saved(tmp_path / "1", [layer(), nothing, OTHER]), tmp_path)
    assert [row.get("empty_layer", False) for row in config["history"]] == [False, True, False]
    assert len(config["rootfs"]["diff_ids"]) == 2


def test_environment_and_directory_have_one_form(tmp_path: Path) -> None:
    env = ["A=b=c", "PATH=/bin", "B="]
    _, config = settled(saved(tmp_path / "1", [layer()], Env=env, WorkingDir="/a/../b/"), tmp_path)
    assert config["config"] == {"Env": ["PATH=/bin", "A=b=c", "B="], "WorkingDir": "/b"}


def test_a_build_with_other_rows_made_a_layer_of_each_that_may(tmp_path: Path) -> None:
    [argument, _] = parse("ARG A\nFROM scratch")
    _, config = settled(
        saved(tmp_path / "1", [layer(), tar(), OTHER]), tmp_path, [STEPS[0], Step(argument), *STEPS[1:]]
    )
    assert [row["created_by"] for row in config["history"] if "empty_layer" not in row] == ["ADD a.tar /", "WORKDIR /"]


def test_an_archive_is_its_layer_whatever_the_engine_leaves_out(tmp_path: Path) -> None:
    """As those do that compare: what the archive has, and the layers below have too."""
    whole: Tree = {
        "d": Entry("dir", 0o1777, mtime=EPOCH),
        "d/new": Entry("file", mtime=5),
        "empty": Entry("dir", 0o755, mtime=5),
        "old": Entry("file", mtime=5),
    }
    blob = tarball.write(whole, tmp_path / "archive", epoch=EPOCH)
    below = tar(entry("empty/", tarfile.DIRTYPE, mode=0o755), entry("old", mtime=5))
    new = (entry("d/", tarfile.DIRTYPE, mode=0o1777), entry("d/new", mtime=5))
    same = (entry("empty/", tarfile.DIRTYPE, mode=0o755, mtime=5), entry("old", mtime=5))
    steps = [STEPS[1], Step(STEPS[0].instruction, blob), STEPS[2]]
    made = {}
    for name, layers in {"all": [below, tar(*new, *same)], "changed": [below, tar(*new)]}.items():
        _, config = settled(saved(tmp_path / name, layers), tmp_path, steps)
        made[name] = config["rootfs"]["diff_ids"][1]
    assert made == {"all": blob.diff_id, "changed": blob.diff_id}


@pytest.mark.parametrize("steps", [(), STEPS[:2], [*STEPS, STEPS[0]]], ids=["none", "fewer", "more"])
def test_no_history_when_the_engine_tells_of_others(steps: Sequence[Step], tmp_path: Path) -> None:
    _, config = settled(saved(tmp_path / "1", [layer()]), tmp_path, steps)
    assert config["history"] == []


def test_settled_tree(tmp_path: Path) -> None:
    path = saved(tmp_path / "1", [layer("root", swapped=True, later=True)])
    found, _ = settled(path, tmp_path)
    layout = oci.Layout(tmp_path / "1-layout")
    [row] = layout.read_json(found.digest)["layers"]
    data = gzip.decompress(layout.read_blob(row["digest"]))
    plain = tmp_path / "plain"
    plain.write_bytes(data)
    tree = dict(walk(data, plain))
    assert (tree["d"].mtime, tree["d"].mode) == (EPOCH, 0o1777), "what the build touched has the given time"
    assert (tree["a"].kind, tree["a"].mtime, tree["a"].mode, tree["a"].read()) == ("file", 5, 0o4755, b"data")
    assert (tree["b"].kind, tree["b"].target) == ("hardlink", "a")


@pytest.mark.parametrize("names", [("a/x", "a.b/x"), ("a.b/x", "a/x")], ids=lambda names: names[0])
def test_a_hard_link_follows_its_file(names: tuple[str, str], tmp_path: Path) -> None:
    """ "." sorts before "/", so by text a.b/x would come first; layers are ordered by directory."""
    file, link = names
    path = saved(tmp_path / "1", [tar((entry(file), b"x"), entry(link, tarfile.LNKTYPE, linkname=file))])
    found, _ = settled(path, tmp_path)
    layout = oci.Layout(tmp_path / "1-layout")
    [row] = layout.read_json(found.digest)["layers"]
    with tarfile.open(layout.blob_path(row["digest"])) as written:
        kinds = [(member.name, member.type) for member in written if not member.isdir()]
    assert kinds == [("a/x", tarfile.REGTYPE), ("a.b/x", tarfile.LNKTYPE)]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "no manifest.json"),
        ({"manifest.json": b"[{},{}]"}, "2 images"),
        ({"manifest.json": b'[{"Config":"c.json","Layers":[]}]'}, "no c.json"),
    ],
)
def test_broken_archives(members: dict[str, bytes], message: str, tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.write_bytes(tar(*((entry(name), data) for name, data in members.items())))
    with pytest.raises(EngineError, match=message):
        settled(path, tmp_path)


def written(tmp_path: Path) -> tuple[Path, oci.Descriptor]:
    found, _ = settled(saved(tmp_path / "1", [layer(), tar((entry("x"), b"y"))], Cmd=["x"]), tmp_path)
    return tmp_path / "1-layout", found


def test_an_archive_for_every_loader(tmp_path: Path) -> None:
    layout, image = written(tmp_path)
    out = io.BytesIO()
    archive.layouts_to_archive({layout: ["imagemill/lambda:a", "imagemill/lambda:b"]}, out)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as found:
        files = {member.name: found.extractfile(member).read() for member in found}  # type: ignore[union-attr]
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    rows = json.loads(files["index.json"])["manifests"]
    assert [row["digest"] for row in rows] == [image.digest] * 2
    assert [row["annotations"] for row in rows] == [
        {archive.CONTAINERD_NAME: f"docker.io/imagemill/lambda:{tag}", oci.REF_NAME: tag} for tag in "ab"
    ]
    [docker] = json.loads(files["manifest.json"])
    assert docker["RepoTags"] == ["imagemill/lambda:a", "imagemill/lambda:b"]
    assert json.loads(files[docker["Config"]])["config"] == {"Cmd": ["x"], "Env": [PATH], "WorkingDir": "/"}
    assert len(docker["Layers"]) == 2
    for name, data in files.items():
        if name.startswith("blobs/"):
            assert oci.sha256(data) == name.removeprefix("blobs/").replace("/", ":")
    assert all(files[name].startswith(b"\x1f\x8b") for name in docker["Layers"]), "layers stay compressed"


def test_a_layer_that_images_share_is_in_an_archive_once(tmp_path: Path) -> None:
    names = {}
    for tag in "ab":
        path = saved(tmp_path / tag, [layer(), tar((entry(tag), b"y"))], Cmd=[tag])
        settled(path, tmp_path)
        names[tmp_path / f"{tag}-layout"] = [f"imagemill/lambda:{tag}"]
    out = io.BytesIO()
    archive.layouts_to_archive(names, out)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as found:
        members = found.getnames()
        images = json.load(found.extractfile("manifest.json"))  # type: ignore[arg-type]
        index = json.load(found.extractfile("index.json"))["manifests"]  # type: ignore[arg-type]
    assert len(members) == len(set(members)) == 3 + 2 * 2 + 3, "two manifests and configurations, three layers"
    assert [image["RepoTags"] for image in images] == list(names.values())
    assert images[0]["Layers"][0] == images[1]["Layers"][0]
    assert images[0]["Layers"][1] != images[1]["Layers"][1]
    assert [row["annotations"][oci.REF_NAME] for row in index] == ["a", "b"]


def test_an_archive_reads_back(tmp_path: Path) -> None:
    layout, image = written(tmp_path)
    path = tmp_path / "again"
    with path.open("wb") as out:
        archive.layouts_to_archive({layout: ["a:b"]}, out)
    assert settled(path, tmp_path)[0].digest == image.digest


def test_a_damaged_layout_is_not_loaded(tmp_path: Path) -> None:
    layout, image = written(tmp_path)
    oci.Layout(layout).blob_path(image.digest).write_bytes(b"{}")
    with pytest.raises(LayoutError, match="damaged"):
        archive.layouts_to_archive({layout: ["a:b"]}, io.BytesIO())
