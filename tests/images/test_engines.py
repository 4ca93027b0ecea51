"""The three engines: one Dockerfile gives one image, whoever executes it; and both runners run it."""

from __future__ import annotations

import gzip
import io
import os
import re
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagemill import oci
from imagemill.assemble import tarball
from imagemill.engine import Context, containers, embedded
from imagemill.engine.children import Children
from imagemill.errors import EngineError
from imagemill.filetree import Entry, Slice, Tree
from imagemill.merged import MergedTree, merge
from imagemill.oci import Blob, Descriptor, Layout
from imagemill.platforms import PLATFORMS, Platform, native
from imagemill.tarwalk import walk
from imagemill.workshop import executor

pytestmark = pytest.mark.engine

GOLDEN = Path(__file__).parents[1] / "golden"
EPOCH = 1_757_664_000
OLD = 1_234_567_890
PUBLISHED = [platform for platform in PLATFORMS.values() if not platform.port]
BOTH = pytest.mark.parametrize("platform", PUBLISHED, ids=lambda platform: platform.arch)
Build = Callable[..., Descriptor]

DOCKERFILE = """\
# Every instruction of the subset, with the quoting that engines are likely to read differently.
FROM scratch
ARG TARGETARCH
ARG FLAVOUR=plain
ADD system-${TARGETARCH}.tar /
ADD language-${TARGETARCH}.tar /
ENV PATH=/bin LANG=en_US.UTF-8
ENV GREETING="b  c" \\
    FLAVOUR=$FLAVOUR TASK=${PATH}:/x
LABEL org.example.x="y z" org.example.flavour="$FLAVOUR"
USER 993:990
WORKDIR /var/task
EXPOSE 9001 8080/tcp
ENTRYPOINT ["/bin/hello"]
CMD ["a b", "c"]
"""


def system(platform: Platform) -> Tree:
    """A small tree with everything that engines have been seen to change."""
    return {
        "bin": Entry("dir", 0o755, mtime=EPOCH),
        "bin/hello": Entry("file", 0o755, mtime=EPOCH, content=program(platform, f"hello {platform.arch}\n")),
        "bin/wait": Entry("file", 0o755, mtime=EPOCH, content=program(platform, "waiting\n", wait=True)),
        "bin/link": Entry("symlink", 0o777, mtime=EPOCH, target="hello"),
        "bin/setuid": Entry("file", 0o4755, mtime=EPOCH, content=b"setuid"),
        "bin/setgid": Entry("file", 0o2755, 0, 990, EPOCH, b"setgid"),
        "tmp": Entry("dir", 0o1777, mtime=OLD),
        "var": Entry("dir", 0o755, mtime=EPOCH),
        "var/task": Entry("dir", 0o750, 993, 990, EPOCH),
        "var/task/a": Entry("file", 0o604, 993, 990, OLD, b"odd"),
        "var/task/b": Entry("hardlink", 0o604, 993, 990, OLD, target="var/task/a"),
        "var/task/dangling": Entry("symlink", 0o777, 993, 990, OLD, target="/no/where"),
        "var/task/" + "long" * 40: Entry("file", 0o600, 65534, 65534, OLD, b"name over 100 characters"),
        "var/task/ä ö": Entry("file", 0o000, 993, 990, OLD, b"space and umlauts"),
    }


def language(platform: Platform) -> Tree:
    """A layer on top, with directories and files that the one below has too."""
    return {
        "bin": Entry("dir", 0o755, mtime=EPOCH),
        "bin/setuid": Entry("file", 0o755, mtime=EPOCH, content=b"replaced"),
        "bin/setgid": Entry("file", 0o2755, 0, 990, EPOCH, b"setgid"),
        "tmp": Entry("dir", 0o1777, mtime=OLD + 1),
        "var": Entry("dir", 0o755, mtime=EPOCH),
        "var/lang": Entry("dir", 0o2755, mtime=EPOCH),
        "var/lang/empty": Entry("file", 0o644, mtime=OLD),
    }


def program(platform: Platform, text: str, *, wait: bool = False) -> bytes:
    """A static ELF program that writes `text` and ends with code 7, or waits for ever."""
    said = text.encode()
    code = _amd64(len(said), wait) if platform.arch == "amd64" else _arm64(len(said), wait)
    base, start = 0x400000, 64 + 56
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 2, platform.elf_machine, 1, base + start, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )
    size = start + len(code) + len(said)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x10000)
    return header + segment + code + said


def _amd64(length: int, wait: bool) -> bytes:
    # write(1, text, length), then ppoll(0, 0, 0, 0) or exit(7)
    last = bytes.fromhex("31ff31f631d24531d2b80f0100000f05" if wait else "bf07000000b83c0000000f05")
    begin = b"\xb8\x01\0\0\0\xbf\x01\0\0\0\x48\x8d\x35" + struct.pack("<i", 7 + len(last))
    return begin + b"\xba" + struct.pack("<i", length) + b"\x0f\x05" + last


def _arm64(length: int, wait: bool) -> bytes:
    def move(register: int, value: int) -> int:
        return 0xD2800000 | value << 5 | register

    call = 0xD4000001
    last = [*(move(r, 0) for r in range(4)), move(8, 73), call] if wait else [move(0, 7), move(8, 93), call]
    distance = 4 * (4 + len(last))  # from the adr to the text behind the code
    address = 0x10000000 | (distance & 3) << 29 | (distance >> 2) << 5 | 1
    words = [move(0, 1), address, move(2, length), move(8, 64), call, *last]
    return b"".join(struct.pack("<I", word) for word in words)


def context(platform: Platform, folder: Path) -> Context:
    """The Dockerfile above and the two layers that it adds."""
    folder.mkdir(parents=True, exist_ok=True)
    archives: dict[str, Blob] = {}
    for name, tree in (("system", system(platform)), ("language", language(platform))):
        path = folder / f"{name}-{platform.arch}.tar.gz"
        archives[f"{name}-{platform.arch}.tar"] = tarball.write(tree, path, epoch=EPOCH)
    return Context(DOCKERFILE, archives, {}, {"FLAVOUR": "sweet"})


def image_of(layout: Path) -> tuple[Descriptor, dict[str, Any], MergedTree]:
    """The manifest, the configuration and the file tree of a layout, every blob of it verified."""
    found = Layout(layout)
    [image] = found.images()
    manifest = found.read_json(image.digest)
    config = found.read_json(manifest["config"]["digest"])
    assert {path.name for path in (layout / "blobs" / "sha256").iterdir()} == {
        row["digest"].removeprefix("sha256:") for row in (image.to_json(), manifest["config"], *manifest["layers"])
    }
    layers = []
    for row, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        assert row["mediaType"] == oci.LAYER_GZIP
        plain = layout.parent / f"{layout.name}-{diff_id[7:19]}.tar"
        plain.write_bytes(gzip.decompress(found.read_blob(row["digest"])))
        assert oci.sha256(plain.read_bytes()) == diff_id
        layers.append(list(walk(plain.read_bytes(), plain)))
    return image, config, merge(layers)


def tree_of(tree: MergedTree) -> dict[str, tuple[object, ...]]:
    """What two trees are compared by. Hard links are resolved: they show the content that they share."""
    return {
        path: (e.kind, oct(e.mode), e.uid, e.gid, e.mtime, e.size, e.target, e.read(), dict(e.xattrs))
        for path, e in tree.entries.items()
    }


@pytest.fixture(scope="session", params=["docker", "containerd", "buildah"])
def other(request: pytest.FixtureRequest) -> Build:
    """An engine that must agree with the embedded one."""
    if request.param == "buildah":
        request.getfixturevalue("buildah")
        return executor("buildah", os.environ, Children())
    environ: Mapping[str, str] = request.getfixturevalue({"docker": "dockerd"}.get(request.param, request.param))
    return executor("docker", environ, Children())


@BOTH
def test_engines_agree(other: Build, platform: Platform, tmp_path: Path) -> None:
    given = context(platform, tmp_path / "in put")
    made = {}
    for name, build in (("embedded", embedded.build), ("other", other)):
        layout = tmp_path / name
        scratch = tmp_path / "scr atch"
        descriptor = build(given, platform, layout=layout, name="t", epoch=EPOCH, scratch=scratch)
        image, config, tree = image_of(layout)
        assert (descriptor.digest, descriptor.size) == (image.digest, image.size)
        assert descriptor.platform == image.platform == str(platform)
        made[name] = (config, tree_of(tree), descriptor.digest)
    assert made["other"][1] == made["embedded"][1]
    assert made["other"][0] == made["embedded"][0]
    assert made["other"][2] == made["embedded"][2], "in canonical form the digests are equal too"


@pytest.mark.parametrize("variant", ["", "build-", "serve-"], ids=["run", "build", "serve"])
def test_engines_agree_on_rendered_dockerfiles(other: Build, variant: str, tmp_path: Path) -> None:
    """The Dockerfile of an image of each variant, for both architectures, up to the digest of the index."""
    text = (GOLDEN / f"{variant}python3.13-debian" / "Dockerfile").read_text(encoding="utf-8")
    indexes = {}
    for name, build in (("embedded", embedded.build), ("other", other)):
        images = []
        for platform in PLATFORMS.values():
            given = rendered(text, platform, tmp_path / "in")
            layout = tmp_path / f"{name}-{platform.arch}"
            images.append(
                (layout, build(given, platform, layout=layout, name="t", epoch=EPOCH, scratch=tmp_path / "scratch"))
            )
            assert len(Layout(layout).read_json(images[-1][1].digest)["layers"]) == len(given.archives)
        indexes[name] = oci.write_index(tmp_path / name, images, "t").digest
    assert indexes["other"] == indexes["embedded"]


def rendered(dockerfile: str, platform: Platform, folder: Path) -> Context:
    """A rendered Dockerfile with tiny layers in place of those that it adds; the first one is the system."""
    folder.mkdir(parents=True, exist_ok=True)
    archives: dict[str, Blob] = {}
    passwd = Entry("file", mtime=OLD, content=b"sbx_user1051:x:993:990::/:/sbin/nologin\n")
    for name in re.findall(r"^ADD (\S+)-\$\{TARGETARCH\}\.tar /$", dockerfile, re.MULTILINE):
        tree = language(platform) if archives else {**system(platform), "etc/passwd": passwd}
        tree[f"var/{name}"] = Entry("file", 0o644, mtime=OLD, content=name.encode())
        file = f"{name}-{platform.arch}.tar"
        archives[file] = tarball.write(tree, folder / f"{file}.gz", epoch=EPOCH)
    assert len(archives) > 2
    return Context(dockerfile, archives, {}, {"IMAGEMILL_LOCK": "exact"})


# Links in source and target, patterns, owners by name, an archive, an argument in a path. Not here, since buildah
# does it its own way: set-user-id bits, which its COPY drops, and WORKDIR, which makes no directory there.
COPYING = """\
ARG PLACE=x/y
FROM scratch AS base
ARG PLACE
ADD system-${TARGETARCH:-amd64}.tar /
ADD packed.tgz /opt/
COPY --chown=me:them --chmod=0640 d/[a-c]* l /var/$PLACE/
FROM base
COPY --from=base /var/x /var/z/
COPY d var/
COPY .dockerignore l/deep/* /bin/link /kept/
COPY bin/link /kept/link
"""


def test_engines_agree_on_copies(other: Build, tmp_path: Path) -> None:
    platform = PLATFORMS["linux/amd64"]
    packed = tarball.write({"in": Entry("file", 0o600, 7, 8, OLD, b"x")}, tmp_path / "packed", epoch=EPOCH)
    tree: Tree = {
        "d": Entry("dir", 0o750, mtime=OLD),
        "d/a": Entry("file", 0o755, mtime=OLD, content=b"a"),
        "d/b": Entry("hardlink", target="d/a"),
        "d/other": Entry("symlink", 0o777, mtime=OLD, target="/no/where"),
        "d/deep": Entry("dir", 0o700, mtime=OLD),
        "d/deep/c": Entry("file", 0o644, mtime=OLD, content=b"c"),
        "d/deep/hidden": Entry("file", 0o644, mtime=OLD, content=b"c"),
        "l": Entry("symlink", 0o777, mtime=OLD, target="d"),
        "bin/link": Entry("file", 0o644, mtime=OLD, content=b"link"),
        ".dockerignore": Entry("file", mtime=OLD, content=b"**/hidden\n"),
        "packed.tgz": Entry("file", content=Slice(packed.path, 0, packed.size)),
    }
    below = {
        **system(platform),
        "etc/passwd": Entry("file", mtime=OLD, content=b"me:x:5:6::/:\n"),
        "etc/group": Entry("file", mtime=OLD, content=b"them:x:7:\n"),
        "etc": Entry("dir", 0o755, mtime=OLD),
    }
    blob = tarball.write(below, tmp_path / "system", epoch=EPOCH)
    given = Context(COPYING, {"system-amd64.tar": blob}, tree)
    made = {}
    for name, build in (("embedded", embedded.build), ("other", other)):
        descriptor = build(given, platform, layout=tmp_path / name, name="t", epoch=EPOCH, scratch=tmp_path / "scratch")
        _, config, merged = image_of(tmp_path / name)
        made[name] = (tree_of(merged), config, descriptor.digest)
    assert made["other"] == made["embedded"]


def test_expected_tree(other: Build, tmp_path: Path) -> None:
    """Agreement would also hold between two engines that are wrong in the same way."""
    platform = PLATFORMS["linux/amd64"]
    other(
        context(platform, tmp_path / "in"),
        platform,
        layout=tmp_path / "out",
        name="t",
        epoch=EPOCH,
        scratch=tmp_path / "s",
    )
    _, config, tree = image_of(tmp_path / "out")
    wanted = {**system(platform), **language(platform)}
    assert set(tree.entries) == set(wanted)
    for path, entry in wanted.items():
        if entry.kind == "hardlink":
            entry = wanted[entry.target]
        found = tree.entries[path]
        assert (
            found.kind,
            oct(found.mode),
            found.uid,
            found.gid,
            found.mtime,
            found.target,
            found.read(),
        ) == ((entry.kind, oct(entry.mode), entry.uid, entry.gid, entry.mtime, entry.target, entry.read())), path
    assert config["config"] == {
        "Cmd": ["a b", "c"],
        "Entrypoint": ["/bin/hello"],
        "Env": ["PATH=/bin", "LANG=en_US.UTF-8", "GREETING=b  c", "FLAVOUR=sweet", "TASK=/bin:/x"],
        "ExposedPorts": {"8080/tcp": {}, "9001/tcp": {}},
        "Labels": {"org.example.flavour": "sweet", "org.example.x": "y z"},
        "User": "993:990",
        "WorkingDir": "/var/task",
    }


def test_a_difference_is_seen(tmp_path: Path) -> None:
    """The comparison must be able to fail: each of these is one field of one entry."""
    base = Entry("file", 0o644, 1, 2, OLD, b"x")
    changed = {
        "kind": Entry("symlink", 0o644, 1, 2, OLD, target="x"),
        "mode": Entry("file", 0o4644, 1, 2, OLD, b"x"),
        "owner": Entry("file", 0o644, 0, 2, OLD, b"x"),
        "group": Entry("file", 0o644, 1, 0, OLD, b"x"),
        "time": Entry("file", 0o644, 1, 2, OLD + 1, b"x"),
        "content": Entry("file", 0o644, 1, 2, OLD, b"y"),
    }
    for name, entry in changed.items():
        assert tree_of(merge([[("p", base)]])) != tree_of(merge([[("p", entry)]])), name
    assert not isinstance(base.content, Slice)


def test_a_broken_dockerfile_is_an_error(other: Build, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="nothing-here"):
        other(
            Context("FROM scratch\nADD nothing-here.tar /\n"),
            PLATFORMS["linux/amd64"],
            layout=tmp_path / "out",
            name="t",
            epoch=EPOCH,
            scratch=tmp_path / "s",
        )
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "s").iterdir()) == [], "nothing is left over"


@pytest.fixture(params=["podman", "docker_runner"])
def any_runner(request: pytest.FixtureRequest) -> containers.Runner:
    """Each of the runners that are here."""
    found: containers.Runner = request.getfixturevalue(request.param)
    return found


NAMES = ["imagemill/lambda:selftest", "imagemill/lambda:selftest-debian"]


@pytest.fixture
def loaded(any_runner: containers.Runner, platform: Platform, tmp_path: Path) -> Iterator[containers.Runner]:
    """A runner that has the test image of a platform that runs here."""
    obstacle = any_runner.obstacle(platform)
    if obstacle:
        pytest.skip(obstacle)
    given = context(platform, tmp_path / "in")
    embedded.build(given, platform, layout=tmp_path / "out", name="t", epoch=EPOCH, scratch=tmp_path / "scratch")
    any_runner.load({tmp_path / "out": NAMES})
    yield any_runner
    call(any_runner, "rmi", "--force", *NAMES)


@BOTH
def test_load_and_run(loaded: containers.Runner, platform: Platform, tmp_path: Path) -> None:
    wanted = {name: containers.identities(tmp_path / "out") for name in NAMES}
    assert loaded.has(wanted) == set(NAMES)
    assert loaded.has({NAMES[0]: {"sha256:" + "0" * 64}}) == set()
    for name in NAMES:
        done = loaded.run(name, platform=platform, network="none", read_only=True, timeout=60)
        assert (done.stdout, done.code) == (f"hello {platform.arch}\n".encode(), 7)


@pytest.mark.parametrize("platform", [native()], ids=["native"])
def test_images_that_share_a_layer_are_loaded_together(
    any_runner: containers.Runner, platform: Platform, tmp_path: Path
) -> None:
    given = context(platform, tmp_path / "in")
    images = {}
    for user in ("1", "2"):
        told = replace(given, dockerfile=given.dockerfile.replace("USER 993:990", f"USER {user}:{user}"))
        layout = tmp_path / user
        embedded.build(told, platform, layout=layout, name="t", epoch=EPOCH, scratch=tmp_path / "scratch")
        images[layout] = [f"imagemill/lambda:selftest-{user}"]
    names = [name for row in images.values() for name in row]
    try:
        any_runner.load(images)
        wanted = {name: containers.identities(layout) for layout, row in images.items() for name in row}
        assert any_runner.has(wanted) == set(names)
        for name in names:
            done = any_runner.run(name, platform=platform, network="none", timeout=60)
            assert (done.stdout, done.code) == (f"hello {platform.arch}\n".encode(), 7)
    finally:
        call(any_runner, "rmi", "--force", *names)


@pytest.mark.parametrize("platform", [native()], ids=["native"])
def test_a_name_goes_from_one_image_to_another_and_no_other_name_is_touched(
    any_runner: containers.Runner, platform: Platform, tmp_path: Path
) -> None:
    """Wherever the layout lies, and though somebody has an image with the name of its folder."""
    given = context(platform, tmp_path / "in")
    layouts = [tmp_path / "a b: c, d" / "selftest", tmp_path / "e" / "selftest"]
    for user, layout in enumerate(layouts, 1):
        told = replace(given, dockerfile=given.dockerfile.replace("USER 993:990", f"USER {user}:{user}"))
        embedded.build(told, platform, layout=layout, name="t", epoch=EPOCH, scratch=tmp_path / "scratch")
    first, second = map(containers.identities, layouts)
    foreign, moving = "selftest:latest", "imagemill/lambda:selftest-moving"
    try:
        any_runner.load({layouts[0]: [foreign, moving]})
        assert any_runner.has({foreign: first, moving: first}) == {foreign, moving}
        names = set(call(any_runner, "images", "--format", "{{.Repository}}:{{.Tag}}").split())
        any_runner.load({layouts[1]: [moving]})
        assert any_runner.has({foreign: first, moving: second}) == {foreign, moving}
        assert set(call(any_runner, "images", "--format", "{{.Repository}}:{{.Tag}}").split()) == names
    finally:
        for name in (foreign, moving):
            any_runner.forget(name)


@BOTH
def test_timeout_leaves_nothing(loaded: containers.Runner, platform: Platform) -> None:
    started = time.monotonic()
    with pytest.raises(containers.ContainerTimeout) as caught:
        loaded.run(NAMES[0], entrypoint="/bin/wait", platform=platform, network="none", timeout=2)
    assert caught.value.completed.stdout == b"waiting\n"
    assert time.monotonic() - started < 8
    assert containers_left(loaded) == b""


@BOTH
def test_background(loaded: containers.Runner, platform: Platform) -> None:
    with loaded.start(NAMES[0], entrypoint="/bin/wait", platform=platform, network="host") as container:
        assert container.address(9001) == ("127.0.0.1", 9001)
        until = time.monotonic() + 20
        while b"waiting" not in container.logs().stdout and time.monotonic() < until:
            time.sleep(0.05)
        assert container.logs().stdout == b"waiting\n"
        container.stop(1)
        assert container.wait() == 137
    assert containers_left(loaded) == b""


@pytest.fixture
def network(any_runner: containers.Runner) -> Iterator[str]:
    """A network to publish ports from: the daemon of the tests has none by itself."""
    if any_runner.name == "podman":
        if os.geteuid() != 0 and not os.access("/dev/net/tun", os.W_OK):
            pytest.skip("/dev/net/tun is closed to this user, so podman gives containers no network")
        yield ""
        return
    call(any_runner, "network", "create", "imagemill-selftest")
    yield "imagemill-selftest"
    call(any_runner, "network", "rm", "imagemill-selftest")


@pytest.mark.parametrize("platform", [native()], ids=["native"])
def test_published_port(loaded: containers.Runner, platform: Platform, network: str) -> None:
    publish = ["127.0.0.1::9001"]
    with loaded.start(NAMES[0], entrypoint="/bin/wait", publish=publish, network=network) as container:
        host, port = container.address(9001)
        assert host == "127.0.0.1"
        assert port > 1023


def test_an_unknown_image_is_an_error(any_runner: containers.Runner) -> None:
    with pytest.raises(EngineError, match="imagemill/lambda:none"):
        any_runner.run("imagemill/lambda:none", timeout=60)
    with pytest.raises(EngineError, match="imagemill/lambda:none"):
        any_runner.start("imagemill/lambda:none")


def call(runner: containers.Runner, *args: str) -> bytes:
    """Another subcommand of the engine."""
    assert isinstance(runner, containers.Docker | containers.Podman)
    return runner.call(args).stdout


def containers_left(runner: containers.Runner) -> bytes:
    """The ids of containers that should be gone."""
    return call(runner, "ps", "--all", "--quiet", "--filter", "name=imagemill-")


def test_programs_are_what_they_say() -> None:
    """The test programs are ELF for their platform."""
    for platform in PUBLISHED:
        head = io.BytesIO(program(platform, "x")).read(20)
        assert struct.unpack("<H", head[18:20])[0] == platform.elf_machine
