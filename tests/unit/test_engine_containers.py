"""Which runner is found, and what it is told; the engines are shell scripts that remember their arguments."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from imagemill import oci
from imagemill.engine import containers, emulation
from imagemill.errors import EngineError
from imagemill.platforms import PLATFORMS, native

AMD = PLATFORMS["linux/amd64"]
ARM = PLATFORMS["linux/arm64"]
SERVER = json.dumps({"Version": "20.10", "Arch": "amd64", "KernelVersion": "far-away"})


def put(folder: Path, name: str, script: str = "") -> Path:
    """A program that writes its arguments, a line each, to NAME.args, then runs `script`."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >> '{folder}/{name}.args'\n{script}\n")
    path.chmod(0o755)
    return path


def docker(folder: Path, script: str = "", server: str = SERVER) -> containers.Docker:
    put(folder, "docker", f"[ \"$1\" = version ] && {{ echo '{server}'; exit 0; }}\n{script}")
    found = containers.find({"PATH": f"{folder}:/usr/bin:/bin", "IMAGEMILL_RUNNER": "docker"})
    assert isinstance(found, containers.Docker)
    (folder / "docker.args").unlink()
    return found


def told(folder: Path, name: str = "docker") -> list[str]:
    return (folder / f"{name}.args").read_text().splitlines()


@pytest.mark.parametrize(
    ("daemon", "podman", "forced", "expected"),
    [
        (True, True, "", "docker"),
        (True, False, "", "docker"),
        (False, True, "", "podman"),
        (False, False, "", None),
        (True, True, "podman", "podman"),
        (True, False, "docker", "docker"),
        (False, True, "docker", "IMAGEMILL_RUNNER asks for docker"),
        (True, False, "podman", "IMAGEMILL_RUNNER asks for podman"),
        (True, True, "lxc", "IMAGEMILL_RUNNER is 'lxc'"),
    ],
)
def test_find(daemon: bool, podman: bool, forced: str, expected: str | None, tmp_path: Path) -> None:
    put(tmp_path, "docker", f"echo '{SERVER}'" if daemon else "echo null; exit 1")
    if podman:
        put(tmp_path, "podman")
    environ = {"PATH": str(tmp_path)} | ({"IMAGEMILL_RUNNER": forced} if forced else {})
    if expected and " " in expected:
        with pytest.raises(EngineError, match=expected):
            containers.find(environ)
    else:
        found = containers.find(environ)
        assert (found.name if found else None) == expected


def test_a_docker_that_is_podman_is_not_docker(tmp_path: Path) -> None:
    put(tmp_path, "docker", "echo null")
    assert containers.find({"PATH": str(tmp_path)}) is None


def test_run_command(tmp_path: Path) -> None:
    runner = docker(tmp_path)
    argv = runner.run_command(
        "imagemill/lambda:x",
        interactive=True,
        args=["app.handler", "{}"],
        env={"A": "b c"},
        mounts=[containers.Mount(Path("/my code"), "/var/task"), containers.Mount(Path("/o"), "/opt", False)],
        entrypoint="/bin/sh",
        platform=ARM,
        network="none",
        hosts={"sandbox.localdomain": "127.0.0.1"},
        user="993:990",
        read_only=True,
        capabilities="none",
        tmpfs=["/tmp"],
        publish=["9001:9001"],
    )
    assert argv == [
        f"{tmp_path}/docker",
        *("run", "--pull", "never", "--rm", "--interactive", "--platform", "linux/arm64"),
        *("--network", "none", "--user", "993:990", "--entrypoint", "/bin/sh", "--read-only"),
        *("--cap-drop", "ALL", "--tmpfs", "/tmp:rw,mode=1777"),
        *("--publish", "9001:9001", "--add-host", "sandbox.localdomain:127.0.0.1", "--env", "A=b c"),
        *("--mount", "type=bind,source=/my code,target=/var/task,readonly"),
        *("--mount", "type=bind,source=/o,target=/opt", "--security-opt", "label=disable"),
        *("imagemill/lambda:x", "app.handler", "{}"),
    ]
    assert runner.run_command("i", terminal=True)[4:] == ["--rm", "--tty", "i"]


@pytest.mark.parametrize(
    ("source", "field"),
    [("/a b", "source=/a b"), ("/a,b", '"source=/a,b"'), ('/a"b', '"source=/a""b"')],
)
def test_mounts_are_csv(source: str, field: str) -> None:
    assert containers.Mount(Path(source), "/t").option() == f"type=bind,{field},target=/t,readonly"


def test_run(tmp_path: Path) -> None:
    runner = docker(tmp_path, "[ $1 = run ] && { cat; echo err >&2; exit 3; }")
    assert runner.run("i", stdin=b"in", timeout=20) == containers.Completed(b"in", b"err\n", 3)
    assert "--interactive" in told(tmp_path)
    assert "rm" not in told(tmp_path), "the engine removes what has ended"


def test_run_that_does_not_start(tmp_path: Path) -> None:
    runner = docker(tmp_path, "[ $1 = run ] && { echo no such image >&2; exit 125; }")
    with pytest.raises(EngineError, match="docker does not run i: no such image"):
        runner.run("i")


def test_run_that_takes_too_long_is_removed(tmp_path: Path) -> None:
    runner = docker(tmp_path, "[ $1 = run ] && { echo began; exec sleep 30; }")
    with pytest.raises(containers.ContainerTimeout, match=r"not done after 0\.5 s") as caught:
        runner.run("i", timeout=0.5)
    assert caught.value.completed.stdout == b"began\n"
    said = told(tmp_path)
    name = said[said.index("--name") + 1]
    assert said[-4:] == ["rm", "--force", "--volumes", name]


def test_background(tmp_path: Path) -> None:
    script = "case $1 in port) echo 127.0.0.1:4711;; logs) echo out; echo err >&2;; wait) echo 7;; esac"
    runner = docker(tmp_path, script)
    with runner.start("i", publish=["127.0.0.1::9001"]) as container:
        assert container.address(9001) == ("127.0.0.1", 4711)
        assert container.logs() == containers.Completed(b"out\n", b"err\n", 0)
        assert container.wait() == 7
        container.stop(3)
        name = container.name
    said = told(tmp_path)
    assert said[said.index("stop") :] == ["stop", "--time", "3", name, "rm", "--force", "--volumes", name]
    with runner.start("i", network="host") as container:
        assert container.address(8080) == ("127.0.0.1", 8080)


def test_background_that_does_not_start_is_removed(tmp_path: Path) -> None:
    runner = docker(tmp_path, "[ $1 = run ] && { echo port is taken >&2; exit 125; }")
    with pytest.raises(EngineError, match="does not start i: port is taken"):
        runner.start("i")
    assert "rm" in told(tmp_path)


def test_has(tmp_path: Path) -> None:
    listed = "imagemill/lambda:a sha256:1\\nimagemill/lambda:b sha256:2\\nx:a sha256:3\\n"
    runner = docker(tmp_path, f"printf '{listed}'")
    wanted = {f"imagemill/lambda:{tag}": {"sha256:1", "sha256:9"} for tag in "abcdefghijkl"}
    assert runner.has(wanted) == {"imagemill/lambda:a"}
    assert told(tmp_path)[:1] == ["images"]


def test_few_images_are_asked_for_by_name(tmp_path: Path) -> None:
    rows = [{"Id": "sha256:1", "RepoTags": ["imagemill/lambda:a", "x:a"]}, {"Id": "sha256:2", "RepoTags": None}]
    runner = docker(tmp_path, f"echo '{json.dumps(rows)}'; echo 'no such image: imagemill/lambda:b' >&2; exit 1")
    wanted = {f"imagemill/lambda:{tag}": {"sha256:1", "sha256:9"} for tag in "ab"}
    assert runner.has(wanted) == {"imagemill/lambda:a"}
    assert told(tmp_path) == ["image", "inspect", *wanted]
    assert runner.has({"imagemill/lambda:a": {"sha256:2"}}) == set()


def test_has_in_podman(tmp_path: Path) -> None:
    rows = [{"Id": "1", "RepoTags": ["localhost/imagemill/lambda:a"]}]
    path = put(tmp_path, "podman", f"echo '{json.dumps(rows)}'")
    runner = containers.Podman(str(path), {})
    assert runner.has({"imagemill/lambda:a": {"sha256:1"}}) == {"imagemill/lambda:a"}
    path = put(tmp_path, "podman", "echo '[]'; exit 125")
    assert runner.has({"imagemill/lambda:a": {"sha256:1"}}) == set()


def test_has_while_others_remove_images(tmp_path: Path) -> None:
    path = put(tmp_path, "podman", f"[ $(wc -l < '{tmp_path}/podman.args') -gt 8 ] || {{ echo gone >&2; exit 125; }}")
    runner = containers.Podman(str(path), {})
    many = {f"imagemill/lambda:{number}": {"sha256:1"} for number in range(20)}  # so many that all are listed
    assert runner.has(many) == set()
    put(tmp_path, "podman", "echo gone >&2; exit 125")
    with pytest.raises(EngineError, match="podman images failed: gone"):
        runner.has(many)


def layout(tmp_path: Path) -> Path:
    path = tmp_path / "layout"
    oci.write_image(path, {"architecture": "amd64", "os": "linux", "config": {}}, [], "t")
    return path


def test_load(tmp_path: Path) -> None:
    runner = docker(tmp_path, f"[ $1 = load ] && cat > '{tmp_path}/loaded'")
    runner.load({layout(tmp_path): ["imagemill/lambda:a"]})
    with tarfile.open(fileobj=io.BytesIO((tmp_path / "loaded").read_bytes())) as tar:
        assert {"manifest.json", "index.json", "oci-layout"} <= set(tar.getnames())


def test_podman_pulls_layouts(tmp_path: Path) -> None:
    path = layout(tmp_path / "a b: c, d")
    script = f"[ $1 = pull ] && {{ echo 0123; readlink ${{3#oci:}}/* > '{tmp_path}/inside'; }}; true"
    runner = containers.Podman(str(put(tmp_path, "podman", script)), {"PATH": "/usr/bin:/bin"})
    runner.load({path: ["imagemill/lambda:a", "imagemill/lambda:b"]})
    said = told(tmp_path, "podman")
    name = said[2].removeprefix("oci:")
    assert re.fullmatch("imagemill-[0-9a-f]{32}", name), "a name that podman takes, whatever the path is"
    assert said == [
        *("pull", "--quiet", f"oci:{name}", "tag", "0123", "imagemill/lambda:a", "imagemill/lambda:b"),
        *("untag", f"localhost/{name}:latest", f"localhost/{name}:latest"),
    ]
    assert (tmp_path / "inside").read_text().splitlines() == [f"{path}/{p.name}" for p in sorted(path.iterdir())]


def test_podman_loads_what_it_cannot_pull_in_one_archive(tmp_path: Path) -> None:
    script = f"[ $1 = untag ] && exit 1; [ $1 = load ] && cat > '{tmp_path}/loaded'"
    runner = containers.Podman(str(put(tmp_path, "podman", script)), {"PATH": "/usr/bin:/bin"})
    runner.load({layout(tmp_path / name): [f"imagemill/lambda:{name}"] for name in "ab"})
    assert [word for word in told(tmp_path, "podman") if word in ("pull", "load")] == ["pull", "load"]
    with tarfile.open(fileobj=io.BytesIO((tmp_path / "loaded").read_bytes())) as tar:
        assert "index.json" not in tar.getnames()
        listed = json.load(tar.extractfile("manifest.json") or io.BytesIO())
    assert [row["RepoTags"] for row in listed] == [["imagemill/lambda:a"], ["imagemill/lambda:b"]]


def test_podman_takes_the_passing_name_away_when_it_is_stopped(tmp_path: Path) -> None:
    runner = containers.Podman(str(put(tmp_path, "podman", "[ $1 != tag ] || exit 1; echo 0123")), {})
    with pytest.raises(EngineError, match="podman tag failed"):
        runner.load({layout(tmp_path): ["imagemill/lambda:a"]})
    assert "untag" in told(tmp_path, "podman")


def test_nothing_to_load_asks_nobody(tmp_path: Path) -> None:
    docker(tmp_path, "exit 1").load({})
    assert not (tmp_path / "docker.args").exists()


def test_load_that_fails(tmp_path: Path) -> None:
    runner = docker(tmp_path, "[ $1 = load ] && { echo disk full; exit 1; }")
    with pytest.raises(EngineError, match="disk full"):
        runner.load({layout(tmp_path): ["imagemill/lambda:a"]})


def test_identities(tmp_path: Path) -> None:
    path = layout(tmp_path)
    [image] = oci.Layout(path).images()
    config = oci.Layout(path).read_json(image.digest)["config"]["digest"]
    assert containers.identities(path) == {image.digest, config}


@pytest.mark.parametrize(
    ("uid", "effective", "expected"),
    [
        (0, "000001fffeffffff", True),
        (0, "000001ffffffffff", False),
        (1000, "0000000000000000", False),
    ],
    ids=["root with less", "root with all", "rootless"],
)
def test_limits_of_ours_only_where_podman_may_not_raise_them(
    uid: int, effective: str, expected: bool, tmp_path: Path
) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapEff:\t{effective}\n")
    argv = containers.Podman(str(put(tmp_path, "podman")), {}, status=status).run_command("i")
    assert ("--ulimit" in argv) is expected
    assert not (tmp_path / "podman.args").exists(), "podman was asked"


@pytest.mark.parametrize(
    ("entry", "obstacle"),
    [
        (None, "no emulator for linux/arm64"),
        (
            "enabled\ninterpreter /q\nflags: POF\noffset 0\nmagic 7f454c460201010000000000000000000200b700\n",
            "",
        ),
        (
            "enabled\ninterpreter /q\nflags: PO\noffset 0\nmagic 7f454c460201010000000000000000000200b700\n",
            "without F",
        ),
        (
            "disabled\ninterpreter /q\nflags: F\noffset 0\nmagic 7f454c460201010000000000000000000200b700\n",
            "no emu",
        ),
        (
            "enabled\ninterpreter /q\nflags: F\noffset 0\nmagic 7f454c4602010100000000000000000002003e00\n",
            "no emu",
        ),
    ],
    ids=["none", "with F", "without F", "disabled", "another architecture"],
)
def test_emulation(entry: str | None, obstacle: str, tmp_path: Path) -> None:
    (tmp_path / "status").write_text("enabled\n")
    if entry is not None:
        (tmp_path / "qemu-aarch64").write_text(entry)
    said = emulation.obstacle(ARM, tmp_path)
    assert obstacle in said
    assert bool(said) == bool(obstacle)


def test_a_daemon_elsewhere_is_believed(tmp_path: Path) -> None:
    runner = docker(tmp_path)
    assert runner.obstacle(ARM) == "", "its kernel is not this one"
    assert runner.obstacle(AMD) == ""


def test_the_native_platform_has_no_obstacle() -> None:
    assert containers.Podman("podman", {}).obstacle(native()) == ""
