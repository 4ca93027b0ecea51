"""Every check lets the good image pass, and one defect each is caught by the check that is meant for it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from conform_images import (
    EPOCH,
    IMAGES,
    LABELS,
    ROOT,
    FakeRunner,
    certificates,
    elf,
    good_config,
    good_tree,
    rewrite,
    subject,
    write_layout,
)
from msgspec import structs

from imagemill.conform import (
    CHECKS,
    DYNAMIC,
    OURS,
    STATIC,
    TELLING,
    Completed,
    Finding,
    Layers,
    Subject,
    conform,
    judge,
    name_of,
    open_layout,
)
from imagemill.conform.accepted import STILL_TRUE
from imagemill.conform.finding import MOST
from imagemill.conform.image import DOCKER_CONFIG, DOCKER_LAYER
from imagemill.errors import EngineError, LayoutError
from imagemill.filetree import Entry, Tree
from imagemill.oci import Layout, write_index
from imagemill.platforms import PLATFORMS


@dataclass
class Mutable:
    """An image to break."""

    tree: Tree
    config: dict[str, Any]
    runner: FakeRunner
    stored: Callable[[Path], None] = lambda _: None

    def manifest(self, change: Callable[[Any], Any], config: Callable[[Any], Any] = lambda _: None) -> None:
        """Change how it is stored."""
        self.stored = lambda layout: rewrite(layout, change, config)

    def edit(self, path: str, **changes: Any) -> None:
        self.tree[path] = structs.replace(self.tree[path], **changes)

    def rewrite(self, path: str, old: bytes, new: bytes) -> None:
        self.edit(path, content=self.tree[path].read().replace(old, new))

    def add(self, path: str, kind: Any = "file", mode: int = 0o644, **more: Any) -> None:
        self.tree[path] = Entry(kind, mode, **more)

    def env(self, name: str, value: str | None) -> None:
        rows = [row for row in self.config["config"]["Env"] if not row.startswith(f"{name}=")]
        self.config["config"]["Env"] = rows + ([f"{name}={value}"] if value is not None else [])
        if value is not None:  # a function sees what the image has
            seen = [row for row in self.runner.record["environment"].split("\0") if not row.startswith(f"{name}=")]
            self.runner.record["environment"] = "\0".join([f"{name}={value}", *seen])

    def saw(self, section: str, before: str, after: str) -> None:
        assert before in self.runner.record[section]
        self.runner.record[section] = self.runner.record[section].replace(before, after)

    def setting(self, name: str, value: Any) -> None:
        self.config["config"][name] = value


def make(about: Subject) -> Mutable:
    tree = good_tree(about.image, about.platform)
    return Mutable(tree, copy.deepcopy(good_config(about.image, about.platform)), FakeRunner(about))


def findings(folder: Path, image: Mutable, about: Subject, checks: Any = CHECKS) -> list[Finding]:
    layout = write_layout(folder, image.config, [image.tree, {}])
    image.stored(layout)
    with Layers(folder / "scratch") as layers:
        return conform(open_layout(layout, about.platform, layers, image.runner), about, checks)


def failing(found: list[Finding]) -> set[str]:
    return {finding.check for finding in found if finding.status == "fail"}


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
@pytest.mark.parametrize("name", sorted(IMAGES))
def test_the_good_image_passes(name: str, platform: str, tmp_path: Path) -> None:
    about = structs.replace(subject(name, platform), examples=tmp_path / "examples")
    (tmp_path / "examples" / about.image.runtime.example.directory).mkdir(parents=True)  # some are compiled first
    image = make(about)
    layout = write_layout(tmp_path, image.config, [image.tree])
    with Layers(tmp_path / "scratch") as layers:
        found = judge(layout, about, layers=layers, runner=image.runner)
    assert [finding for finding in found if finding.status == "fail"] == []
    assert {finding.check for finding in found} == {*map(name_of, CHECKS), STILL_TRUE}
    passed = [finding.check for finding in found if finding.status == "pass"]
    assert len(passed) == len(set(passed))
    assert all(finding.source for finding in found)
    assert not [finding for finding in found if finding.status == "skip"]


def test_an_example_that_is_not_compiled_is_skipped(tmp_path: Path) -> None:
    about = structs.replace(subject("go1.x-debian"), examples=tmp_path)
    [found] = [one for one in findings(tmp_path, make(about), about) if one.check == "running.example"]
    assert (found.status, found.found) == ("skip", "examples/go/out is not there")
    assert "examples/go/README.md" in found.remedy


def test_packages_that_were_resolved_again_are_told_and_fail_nothing(tmp_path: Path) -> None:
    image = make(subject())
    image.setting("Labels", {**LABELS, "io.imagemill.lock": "refreshed: bash 1 → 2 (amd64)"})
    image.edit(STATUS, content=image.tree[STATUS].read().replace(b"Version: 1", b"Version: 2"))
    found = {finding.check: finding for finding in findings(tmp_path, image, subject())}
    told = found["configuration.lock"]
    assert (told.status, told.found) == ("info", "refreshed: bash 1 → 2 (amd64)")
    assert found["system.locked"].status == "skip"


STATUS = "var/lib/dpkg/status"
CA = "etc/ssl/certs/ca-certificates.crt"
FOREIGN = elf(PLATFORMS["linux/arm64"])

FORGED = b"-----BEGIN RSA PRIVATE KEY-----\n" + b"MIIEow" * 12 + b"\n-----END RSA PRIVATE KEY-----\n"
AMD64 = PLATFORMS["linux/amd64"]


def program(*needed: str, search: str = "") -> bytes:
    return elf(AMD64, AMD64.loader, needed, search)


CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


DEFECTS: dict[str, tuple[str, Callable[[Mutable], object]]] = {
    "a variable has another value": ("environment.exact", lambda i: i.env("LANG", "C")),
    "a variable is missing": ("environment.exact", lambda i: i.env("LAMBDA_TASK_ROOT", None)),
    "a variable too many": ("environment.exact", lambda i: i.env("DEBIAN_FRONTEND", "noninteractive")),
    "an internal variable": ("environment.absent", lambda i: i.env("_LAMBDA_SB_ID", "7")),
    "a secret key": ("environment.absent", lambda i: i.env("AWS_SECRET_ACCESS_KEY", "x")),
    "a relative PATH": ("environment.search-path", lambda i: i.env("PATH", "/var/lang/bin:usr/bin:/bin")),
    "PATH in another order": (
        "environment.search-path",
        lambda i: i.env("PATH", "/usr/local/bin:/var/lang/bin:/usr/bin/:/bin:/opt/bin"),
    ),
    "no library path": ("environment.search-path", lambda i: i.env("LD_LIBRARY_PATH", None)),
    "another architecture": (
        "configuration.architecture",
        lambda i: i.config.update(architecture="arm64", variant="v8"),
    ),
    "runs as root": ("configuration.user", lambda i: i.setting("User", "")),
    "another working directory": ("configuration.workdir", lambda i: i.setting("WorkingDir", "/")),
    "another entrypoint": ("configuration.entrypoint", lambda i: i.setting("Entrypoint", ["/bin/sh"])),
    "a command": ("configuration.command", lambda i: i.setting("Cmd", ["app.handler"])),
    "a port is missing": ("configuration.ports", lambda i: i.setting("ExposedPorts", {"8080/tcp": {}})),
    "a label is missing": ("configuration.labels", lambda i: i.setting("Labels", {"io.imagemill.lock": "exact"})),
    "nothing says how the packages were found": ("configuration.lock", lambda i: i.setting("Labels", dict(LABELS))),
    "a Docker configuration in an OCI manifest": (
        "storage.media-types",
        lambda i: i.manifest(lambda m: m["config"].update(mediaType=DOCKER_CONFIG)),
    ),
    "a Docker layer in an OCI manifest": (
        "storage.media-types",
        lambda i: i.manifest(lambda m: m["layers"][0].update(mediaType=DOCKER_LAYER)),
    ),
    "a layer of no media type": (
        "storage.media-types",
        lambda i: i.manifest(lambda m: m["layers"][1].update(mediaType="application/x-tar")),
    ),
    "another layer than the configuration's": (
        "storage.layers",
        lambda i: i.manifest(lambda _: None, lambda c: c["rootfs"]["diff_ids"].reverse()),
    ),
    "a layer that the configuration does not name": (
        "storage.layers",
        lambda i: i.manifest(lambda _: None, lambda c: c["rootfs"]["diff_ids"].pop()),
    ),
    "more layers than can be mounted": (
        "storage.limits",
        lambda i: i.manifest(
            lambda m: m["layers"].extend([m["layers"][1]] * 126),
            lambda c: c["rootfs"]["diff_ids"].extend([c["rootfs"]["diff_ids"][1]] * 126),
        ),
    ),
    "wrong mode of /tmp": ("paths.contract", lambda i: i.edit("tmp", mode=0o755)),
    "wrong owner of /tmp": ("paths.contract", lambda i: i.edit("tmp", uid=993)),
    "no /var/task": ("paths.contract", lambda i: i.tree.pop("var/task")),
    "/var/task is a file": ("paths.contract", lambda i: i.add("var/task")),
    "a bootstrap not executable": ("paths.contract", lambda i: i.edit("var/runtime/bootstrap", mode=0o644)),
    "no lambda-entrypoint.sh": ("paths.contract", lambda i: i.tree.pop("lambda-entrypoint.sh")),
    "extensions": ("paths.contract", lambda i: i.add("opt/extensions", "dir", 0o755)),
    "wrong mode of a planned directory": ("paths.planned", lambda i: i.edit("var/lang", mode=0o700)),
    "no planned directory": ("paths.planned", lambda i: i.tree.pop("var/telemetry")),
    "another link": ("paths.planned", lambda i: i.edit("var/lang/bin/python", target="python3.13")),
    "wrong uid of an account": (
        "system.accounts",
        lambda i: i.rewrite("etc/passwd", b":993:", b":496:"),
    ),
    "no group": ("system.accounts", lambda i: i.edit("etc/group", content=b"root:x:0:\n")),
    "a uid twice": (
        "system.accounts",
        lambda i: i.edit("etc/passwd", content=i.tree["etc/passwd"].read() + b"toor:x:0:0::/root:/bin/sh\n"),
    ),
    "no certificates": ("system.certificates", lambda i: i.edit(CA, content=b"none\n")),
    "expired certificates": ("system.certificates", lambda i: i.edit(CA, content=certificates(148, "200101000000"))),
    "certificates that only root reads": ("system.certificates", lambda i: i.edit(CA, mode=0o600)),
    "certificates of another kind": ("system.certificates", lambda i: i.edit(CA, content=CERTIFICATE * 148)),
    "few certificates": ("system.certificates", lambda i: i.edit(CA, content=certificates(99))),
    "no zone": ("system.time-zones", lambda i: i.tree.pop("usr/share/zoneinfo/Asia/Tokyo")),
    "an empty zone": ("system.time-zones", lambda i: i.edit("usr/share/zoneinfo/Europe/Berlin", content=b"")),
    "no locale": ("system.locale", lambda i: i.tree.pop("usr/lib/locale/en_US.utf8/LC_CTYPE")),
    "a row of passwd cut short": (
        "system.accounts",
        lambda i: i.edit("etc/passwd", content=i.tree["etc/passwd"].read() + b"games:x:5\n"),
    ),
    "a package that is not in the lock": (
        "system.locked",
        lambda i: i.edit(STATUS, content=i.tree[STATUS].read() + i.tree[STATUS].read().replace(b"dash", b"nmap")),
    ),
    "a package of another version": ("system.locked", lambda i: i.rewrite(STATUS, b"Version: 1", b"Version: 2")),
    "a system that nobody accepted": ("system.release", lambda i: i.edit("usr/lib/os-release", content=b"ID=alpine\n")),
    "an empty package database": ("system.packages", lambda i: i.edit(STATUS, content=b"")),
    "a package of another architecture": (
        "system.packages",
        lambda i: i.rewrite(STATUS, b"amd64", b"arm64"),
    ),
    "a package half installed": (
        "system.packages",
        lambda i: i.rewrite(STATUS, b"ok installed", b"ok unpacked"),
    ),
    "a setuid program": ("files.privileged", lambda i: i.edit("usr/bin/bash", mode=0o4755)),
    "a setgid program": ("files.privileged", lambda i: i.edit("usr/bin/bash", mode=0o2755)),
    "su": ("files.privileged", lambda i: i.add("usr/bin/su", mode=0o4755)),
    "file capabilities": (
        "files.privileged",
        lambda i: i.edit("usr/bin/curl", xattrs={"security.capability": b"\1\0\0\2"}),
    ),
    "mode of a program with capabilities of a group": (
        "files.privileged",
        lambda i: i.add("usr/bin/wall", mode=0o2755),
    ),
    "a directory for everybody": ("files.world-writable", lambda i: i.add("srv", "dir", 0o777)),
    "a file for everybody": ("files.world-writable", lambda i: i.add("srv/file", mode=0o666)),
    "a dangling link": ("files.links", lambda i: i.add("usr/bin/vi", "symlink", 0o777, target="vim")),
    "a link in a loop": ("files.links", lambda i: i.add("usr/bin/vi", "symlink", 0o777, target="vi")),
    "a link that climbs out": (
        "files.links",
        lambda i: i.add("srv/up", "symlink", 0o777, target="../../../../etc/passwd"),
    ),
    "a device": ("files.devices", lambda i: i.add("dev/null", "char", 0o600)),
    "a pipe": ("files.devices", lambda i: i.add("srv/pipe", "fifo", 0o600)),
    "a package list": ("files.leftovers", lambda i: i.add("var/lib/apt/lists/main_Packages", content=b"x")),
    "a log": ("files.leftovers", lambda i: i.add("var/log/apt/history.log", content=b"x")),
    "a shell history": ("files.leftovers", lambda i: i.add("root/.bash_history", content=b"x")),
    "a machine id": ("files.leftovers", lambda i: i.add("etc/machine-id", content=b"x")),
    "a history in zsh": ("files.leftovers", lambda i: i.add("root/.zsh_history", content=b"x")),
    "a core of pip": ("files.leftovers", lambda i: i.add("root/.cache/pip/http/1", content=b"x")),
    "what a service left in /tmp": ("files.leftovers", lambda i: i.add("tmp/left", content=b"x")),
    "a file of today": ("files.times", lambda i: i.edit("usr/bin/bash", mtime=1_800_000_000)),
    "a library of another architecture": (
        "programs.machine",
        lambda i: i.add("usr/lib/libforeign.so", content=FOREIGN),
    ),
    "a loader that is not there": (
        "programs.interpreter",
        lambda i: i.add("srv/musl", content=elf(PLATFORMS["linux/amd64"], "/lib/ld-musl-x86_64.so.1")),
    ),
    "a library that is not there": (
        "programs.libraries",
        lambda i: i.add("srv/program", mode=0o755, content=program("libmissing.so.1")),
    ),
    "a library in another program's folder": (
        "programs.libraries",
        lambda i: i.tree.update(
            {
                "srv/lib/libown.so": Entry("file", content=elf(AMD64)),
                "srv/bin/good": Entry("file", 0o755, content=program("libown.so", search="$ORIGIN/../lib")),
                "srv/program": Entry("file", 0o755, content=program("libown.so", search="$ORIGIN/lib64")),
            }
        ),
    ),
    "a needed library that is a dangling link": (
        "files.links",
        lambda i: i.tree.update({"usr/lib/libx.so": Entry("symlink", 0o777, target="libx.so.1")}),
    ),
    "a library where no loader looks": (
        "programs.libraries",
        lambda i: i.tree.update({"srv/libc.so.6": i.tree.pop("usr/lib/x86_64-linux-gnu/libc.so.6")}),
    ),
    "Python of another version": (
        "programs.language",
        lambda i: i.rewrite("var/lang/bin/python3.13", b"\x003.13.1\0", b"\x003.12.9\0"),
    ),
    "Python of no version": (
        "programs.language",
        lambda i: i.rewrite("var/lang/bin/python3.13", b"\x003.13.1\0", b"\0 3.13?\0"),
    ),
    "a private key": ("content.secrets", lambda i: i.add("etc/ssl/private/server.key", content=FORGED)),
    "a key of AWS": ("content.secrets", lambda i: i.add("root/.aws/credentials", content=b"id = AKIA" + b"Q7" * 8)),
    "a token of npm": (
        "content.secrets",
        lambda i: i.add("root/.npmrc", content=b"//npm.example.org/:_authToken=0123456789abcdef\n"),
    ),
    "a login of docker": (
        "content.secrets",
        lambda i: i.add("root/.docker/config.json", content=b'{"auths": {"r": {"auth": "dXNlcjpwYXNz"}}}'),
    ),
    "a token of GitHub": ("content.secrets", lambda i: i.add("srv/.git-credentials", content=b"ghp_" + b"a1B2" * 9)),
    "compiled Python of another version": (
        "content.bytecode",
        lambda i: i.add("var/lang/lib/python3.13/__pycache__/os.cpython-312.pyc", content=b"x"),
    ),
    "a file that a function cannot read": (
        "content.readable",
        lambda i: i.add("var/runtime/client.py", mode=0o600, content=b"x"),
    ),
    "a directory that a function cannot enter": (
        "content.readable",
        lambda i: i.add("var/lang/lib/closed", "dir", 0o700),
    ),
    "an owner of the build machine": ("content.owners", lambda i: i.add("srv/file", uid=1000, gid=1000)),
    "a group of the build machine": ("content.owners", lambda i: i.add("srv/file", gid=100)),
    "a tool is missing": ("programs.tools", lambda i: i.tree.pop("usr/bin/curl")),
    "a tool is not executable": ("programs.tools", lambda i: i.edit("usr/bin/curl", mode=0o644)),
    "a command prints something else": (
        "running.commands",
        lambda i: i.runner.printed.update({"python3.13 --version": "Python 3.12.1"}),
    ),
    "a tool that does not start": (
        "building.tools",
        lambda i: setattr(i.runner, "missing", "jq: 127: libonig.so.5: cannot open shared object file\n"),
    ),
    "a compiler of wrong answers": ("building.native", lambda i: setattr(i.runner, "compiled", "41")),
    "no answer to a single shot": ("inside.answers", lambda i: setattr(i.runner, "silent", "probe '{}'")),
    "no answer when it stays open": ("inside.answers", lambda i: setattr(i.runner, "silent", "STAY_OPEN")),
    "no answer on a read-only root": ("inside.hardened", lambda i: i.runner.hardened.pop("status")),
    "more to write to than /tmp": ("inside.hardened", lambda i: i.runner.hardened.update(writable="/tmp\n/run\n")),
    "another user": ("inside.user", lambda i: i.saw("status", "Uid:\t993", "Uid:\t1000")),
    "a group too many": ("inside.user", lambda i: i.saw("status", "Groups:\t", "Groups:\t4 ")),
    "no region at an invocation": ("inside.environment", lambda i: i.saw("environment", "AWS_REGION=x\0", "")),
    "another LANG at an invocation": ("inside.environment", lambda i: i.saw("environment", "en_US.UTF-8", "C")),
    "a switch of ours at an invocation": (
        "inside.environment",
        lambda i: i.saw("environment", "HOSTNAME=", "DOCKER_LAMBDA_DEBUG=1\0HOSTNAME="),
    ),
    "another directory": ("inside.process", lambda i: i.saw("cwd", "/var/task", "/")),
    "another umask": ("inside.process", lambda i: i.saw("umask", "0022", "0002")),
    "an open descriptor": (
        "inside.process",
        lambda i: i.saw("descriptors", "255 -> /var/task/bootstrap", "7 -> socket:[1]"),
    ),
    "no writing to /tmp": ("inside.writable", lambda i: i.saw("writable", "/tmp\n", "")),
    "writing to the function": ("inside.writable", lambda i: i.saw("writable", "/tmp\n", "/tmp\n/var/task\n")),
    "another time zone": ("inside.place", lambda i: i.saw("zone", "UTC+0000", "CET+0100")),
    "another charset": ("inside.place", lambda i: i.saw("charmap", "UTF-8", "ANSI_X3.4-1968")),
    "a command is not run": ("running.commands", lambda i: i.runner.printed.clear()),
    "another result": ("running.example", lambda i: setattr(i.runner, "result", '{"a": 1}')),
    "a result that is no JSON": ("running.example", lambda i: setattr(i.runner, "result", "Hello")),
    "an image larger than its budget": (
        "budgets.size",
        lambda i: i.manifest(lambda m: m["layers"][0].update(size=45_000_001)),
    ),
    "a call that takes what no noise explains": (
        "budgets.measured",
        lambda i: setattr(i.runner, "logs", i.runner.logs.replace("Duration: 1.00 ms", "Duration: 101.00 ms")),
    ),
    "memory that no noise explains": (
        "budgets.measured",
        lambda i: setattr(i.runner, "logs", i.runner.logs.replace("Used: 40 MB", "Used: 51 MB")),
    ),
    "no REPORT line": (
        "running.example",
        lambda i: setattr(i.runner, "logs", i.runner.logs.replace("REPORT", "report")),
    ),
}


def broken(check: str) -> Subject:
    """What an image that the check must catch is held against: build images where these alone are asked."""
    return subject("build-python3.13-debian" if check.startswith("building.") else "python3.13-debian")


@pytest.mark.parametrize("case", DEFECTS)
def test_a_defect_is_caught_by_its_check_and_no_other(case: str, tmp_path: Path) -> None:
    check, damage = DEFECTS[case]
    about = broken(check)
    image = make(about)
    damage(image)
    found = findings(tmp_path, image, about)
    assert failing(found) == {check}
    for finding in found:
        if finding.status == "fail":
            assert finding.expected and finding.found and finding.source and finding.remedy


@pytest.mark.parametrize("case", DEFECTS)
def test_without_its_check_a_defect_is_not_caught(case: str, tmp_path: Path) -> None:
    """Shows that the test above would fail without the check: nothing else stands in for it."""
    check, damage = DEFECTS[case]
    about = broken(check)
    image = make(about)
    damage(image)
    others = [c for c in CHECKS if name_of(c) != check]
    assert len(others) == len(CHECKS) - 1
    assert failing(findings(tmp_path, image, about, others)) == set()


def test_every_check_has_a_defect_that_shows_it_working() -> None:
    assert {check for check, _ in DEFECTS.values()} == {name_of(check) for check in CHECKS if check not in TELLING}
    assert set(STATIC).isdisjoint(DYNAMIC)


def test_every_check_is_in_the_documentation() -> None:
    """In the first column of its table, where `.user` after `configuration.architecture` is `configuration.user`."""
    text = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    named: set[str] = set()
    for row in re.findall(r"^\| (`[a-z]+\.[a-z-]+`.*?) \|", text, re.MULTILINE):
        module = ""
        for word in re.findall(r"`([a-z]*)\.([a-z-]+)`", row):
            module = word[0] or module
            named.add(f"{module}.{word[1]}")
    assert named == {*map(name_of, CHECKS), "against.record", "sbom.packages"}


def test_there_are_many_defects() -> None:
    assert len([1 for check, _ in DEFECTS.values() if check in {name_of(c) for c in STATIC}]) >= 90


def test_the_jvm_which_loads_a_library_is_what_it_needs(tmp_path: Path) -> None:
    jvm = {"var/lang/lib/server/libjvm.so": Entry("file", content=elf(AMD64))}
    image = make(subject())
    image.tree |= jvm | {"var/lang/lib/libjava.so": Entry("file", content=elf(AMD64, needed=["libjvm.so"]))}
    assert failing(findings(tmp_path, image, subject())) == set()
    image.tree |= {"var/lang/lib/tool": Entry("file", 0o755, content=program("libjvm.so"))}
    assert failing(findings(tmp_path, image, subject())) == {"programs.libraries"}


VERSIONS: dict[str, tuple[str, str, Tree, str]] = {
    "Ruby": ("ruby3.3", "var/lang/lib/ruby", {"var/lang/lib/ruby/3.4.0/set.rb": Entry("file", content=b"")}, "3.4.0"),
    "no Ruby": ("ruby3.3", "var/lang/lib/ruby", {}, "nothing"),
    "Java": (
        "java21",
        "var/lang/release",
        {"var/lang/release": Entry("file", content=b'JAVA_VERSION="1.8.0_5"\n')},
        "8.0_5",
    ),
    "Java that does not say": (
        "java21",
        "var/lang/release",
        {"var/lang/release": Entry("file", content=b"A=b")},
        "no version in it",
    ),
    "no Java": ("java21", "var/lang/release", {}, "nothing"),
    "Java 8 that is 21": (
        "java8.al2",
        "var/lang/release",
        {"var/lang/lib/amd64/libjava.so": Entry("file", content=elf(AMD64, text=b"\x0021.0.1\0"))},
        "no version in it",
    ),
    ".NET": (
        "dotnetcore3.1",
        "var/lang/bin/shared",
        {"var/lang/bin/shared/Microsoft.NETCore.App/5.0.1/a": Entry("file", content=b"")},
        "5.0.1",
    ),
}


@pytest.mark.parametrize("case", VERSIONS)
def test_another_version_of_a_language_is_found(case: str, tmp_path: Path) -> None:
    runtime, gone, tree, version = VERSIONS[case]
    about = subject(f"{runtime}-debian")
    image = make(about)
    for path in [path for path in image.tree if f"{path}/".startswith(f"{gone}/")]:
        del image.tree[path]
    image.tree |= tree
    [found] = [f for f in findings(tmp_path, image, about) if f.check == "programs.language"]
    assert found.status == "fail" and found.found.endswith(version)


def test_java_8_says_its_version_in_a_library(tmp_path: Path) -> None:
    about = subject("java8.al2-debian")
    image = make(about)
    del image.tree["var/lang/release"]
    image.tree["var/lang/lib/amd64/libjava.so"] = Entry("file", content=elf(AMD64, text=b"\x001.8.0_504\0"))
    [found] = [f for f in findings(tmp_path, image, about) if f.check == "programs.language"]
    assert (found.status, found.found) == ("pass", "8.0")


def test_an_accepted_difference_is_told_with_its_reason(tmp_path: Path) -> None:
    found = {finding.check: finding for finding in findings(tmp_path, make(subject()), subject())}
    told = found["system.release"]
    assert (told.status, told.found) == ("info", "ID=debian")
    assert told.remedy.startswith("accepted: assembled from")
    assert "accepted by runtimes/bases/debian-trixie.yaml: accepted.0" in told.source
    assert found[STILL_TRUE].status == "pass"


def test_an_accepted_difference_that_is_gone_fails(tmp_path: Path) -> None:
    image = make(subject())
    image.edit("usr/lib/os-release", content=b"ID=amzn\n")
    found = [finding for finding in findings(tmp_path, image, subject()) if finding.status == "fail"]
    assert [(f.check, f.expected, f.remedy) for f in found] == [
        (STILL_TRUE, "system.release: ID=debian", "take it from the list")
    ]
    assert found[0].source == "runtimes/bases/debian-trixie.yaml: accepted.0"


def test_what_a_check_that_was_not_held_would_find_is_not_gone(tmp_path: Path) -> None:
    found = findings(tmp_path, make(subject()), subject(), DYNAMIC)
    assert STILL_TRUE not in {finding.check for finding in found}


def test_of_a_foreign_image_only_is_asked_what_holds_for_every_image(tmp_path: Path) -> None:
    about = structs.replace(subject(), foreign=True, labels={}, packages=None, epoch=None, now=EPOCH)
    image = make(subject())
    image.setting("Labels", None)
    image.tree.pop("var/telemetry")
    found = findings(tmp_path, image, about)
    assert failing(found) == {"system.release", "programs.libraries"}  # nobody accepted these
    assert {f.check for f in found if f.status == "skip"} == {name_of(check) for check in OURS}


GO = "usr/share/go-1.24/src/debug/elf/testdata/gcc-386-freebsd-exec"


@pytest.mark.parametrize(
    ("name", "caught"), [("build-python3.13-debian", set()), ("python3.13-debian", {"programs.machine"})]
)
def test_only_build_images_may_have_what_is_foreign_on_purpose(name: str, caught: set[str], tmp_path: Path) -> None:
    about = subject(name)
    image = make(about)
    image.add(GO, content=FOREIGN)
    assert failing(findings(tmp_path, image, about)) == caught


def test_the_serve_image_leaves_the_execution_environment_to_its_bootstrap(tmp_path: Path) -> None:
    about = subject("serve-python3.13-debian")
    image = make(about)
    image.env("AWS_EXECUTION_ENV", "AWS_Lambda_python3.13")
    assert failing(findings(tmp_path, image, about)) == {"environment.absent"}


def test_a_provided_image_has_no_bootstrap(tmp_path: Path) -> None:
    about = subject("provided.al2023-debian")
    image = make(about)
    image.add("var/runtime/bootstrap", mode=0o755)
    assert failing(findings(tmp_path, image, about)) == {"paths.contract"}


def test_a_manifest_that_contradicts_the_facts_is_found(tmp_path: Path) -> None:
    about = subject()
    run = structs.replace(
        about.image.base.run, env={**about.image.base.run.env, "LANG": "C.UTF-8", "PATH": "/opt/bin:/bin"}
    )
    about = structs.replace(about, image=structs.replace(about.image, base=structs.replace(about.image.base, run=run)))
    image = make(about)
    image.add("usr/lib/locale/C.utf8/LC_CTYPE", content=b"ctype")
    found = [f for f in findings(tmp_path, image, about) if f.status == "fail" and f.check.startswith("environment.")]
    assert {f.check for f in found} == {"environment.exact", "environment.search-path"}
    assert all(re.match(r"fact env\.\S+ \(.+\)$", f.source) for f in found)


def test_without_a_runner_the_dynamic_checks_are_skipped_with_a_remedy(tmp_path: Path) -> None:
    about = subject()
    image = make(about)
    layout = write_layout(tmp_path, image.config, [image.tree])
    with Layers(tmp_path / "scratch") as layers:
        found = judge(layout, about, layers=layers)
    here = {name_of(check) for check in DYNAMIC if not name_of(check).startswith("building.")}
    assert {f.check for f in found if f.status == "skip" and f.remedy} == here


def test_an_engine_that_fails_is_a_failure_of_the_image_not_of_the_run(tmp_path: Path) -> None:
    about = subject()
    image = make(about)

    def broken(*_: Any, **__: Any) -> Any:
        raise EngineError("took longer than 180 s")

    layout = write_layout(tmp_path, image.config, [image.tree])
    with Layers(tmp_path / "scratch") as layers:
        found = judge(layout, about, layers=layers, runner=broken)
    failed = [f for f in found if f.status == "fail"]
    assert {f.check for f in failed} == {"running.commands", "running.example", "inside.answers", "inside.hardened"}
    assert all("180 s" in f.found for f in failed)


def test_what_reads_an_image_goes_on_while_its_containers_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = subject()
    image = make(about)
    looked = Event()

    def slow(argv: Any, **options: Any) -> Completed:
        assert looked.wait(5), "nobody looks at files while containers run"
        return image.runner(argv, **options)

    with Layers(tmp_path / "scratch") as layers:
        layout = write_layout(tmp_path, image.config, [image.tree])
        view = open_layout(layout, about.platform, layers, slow)
        walk = view.walk

        def look() -> Iterator[tuple[str, Entry]]:
            looked.set()
            return walk()

        monkeypatch.setattr(view, "walk", look)
        found = conform(view, about)
    assert {finding.check for finding in found if finding.status == "skip"} <= {"running.example", "budgets.measured"}
    assert not [finding for finding in found if finding.status == "fail"]


def test_an_error_of_what_runs_containers_ahead_is_the_error_of_the_run(tmp_path: Path) -> None:
    """Raised once where it belongs, with no traceback of a thread beside it, which would fail this test."""
    about = subject()

    def broken(argv: Any, **options: Any) -> Completed:
        raise LayoutError("the layout is gone", "build it again")

    with Layers(tmp_path / "scratch") as layers, pytest.raises(LayoutError, match="is gone"):
        image = make(about)
        layout = write_layout(tmp_path, image.config, [image.tree])
        conform(open_layout(layout, about.platform, layers, broken), about)


def test_of_very_many_problems_some_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    about = subject()
    image = make(about)
    for number in range(MOST + 7):
        image.add(f"srv/{number}", mode=0o666)
    failed = [f for f in findings(tmp_path, image, about) if f.status == "fail"]
    assert {f.check for f in failed} == {"files.world-writable"}
    assert len(failed) == MOST + 1
    assert failed[-1].found.startswith("7 more")


WHITEOUT = Entry("file", mtime=EPOCH)
LINK = Entry("symlink", 0o777, target="vim", mtime=EPOCH)
TOPS: dict[str, tuple[set[str], Tree]] = {
    "nothing": (set(), {}),
    "a whiteout of a tool": ({"programs.tools"}, {"usr/bin/.wh.curl": WHITEOUT}),
    "a whiteout of a directory": ({"paths.contract"}, {"var/.wh.task": WHITEOUT}),
    "a whiteout through a link": ({"files.links"}, {"bin/.wh.python": WHITEOUT, "srv/vi": LINK}),
    "an opaque directory": ({"system.locale"}, {"usr/lib/locale/.wh..wh..opq": WHITEOUT}),
    "a directory that is opaque, and filled again": (
        set(),
        {
            "usr/lib/locale/.wh..wh..opq": WHITEOUT,
            "usr/lib/locale/en_US.utf8/LC_CTYPE": Entry("file", mtime=EPOCH, content=b"ctype"),
        },
    ),
    "a whiteout of what is not there": (set(), {"srv/.wh.nothing": WHITEOUT}),
}


def test_a_secret_is_found_though_a_later_layer_hides_it(tmp_path: Path) -> None:
    about = subject()
    image = make(about)
    layers = [image.tree, {"root/key": Entry("file", content=FORGED, mtime=EPOCH)}, {"root/.wh.key": WHITEOUT}]
    layout = write_layout(tmp_path, image.config, layers)
    with Layers(tmp_path / "scratch") as opened:
        [found] = [finding for finding in judge(layout, about, layers=opened) if finding.status == "fail"]
    assert (found.check, found.found) == ("content.secrets", "/root/key, layer 2: something that looks like one")
    assert "MII" not in str(found)


@pytest.mark.parametrize("case", TOPS)
def test_later_layers_repair_and_break(case: str, tmp_path: Path) -> None:
    about = subject()
    image = make(about)
    layout = write_layout(tmp_path, image.config, [image.tree, TOPS[case][1]])
    with Layers(tmp_path / "scratch") as opened:
        assert failing(judge(layout, about, layers=opened)) == TOPS[case][0]


def test_the_image_of_an_index_is_found_by_its_platform(tmp_path: Path) -> None:
    parts = []
    for name in ("linux/arm64", "linux/amd64"):
        about = subject(platform=name)
        image = make(about)
        folder = tmp_path / about.platform.arch
        folder.mkdir()
        layout = write_layout(folder, image.config, [image.tree])
        parts.append((layout, Layout(layout).images()[0]))
    write_index(tmp_path / "both", parts, "both")
    with Layers(tmp_path / "scratch") as layers:
        for name in ("linux/arm64", "linux/amd64"):
            view = open_layout(tmp_path / "both", PLATFORMS[name], layers)
            assert view.config.architecture == PLATFORMS[name].arch
        with pytest.raises(LayoutError, match="only: linux/amd64, linux/arm64"):
            open_layout(tmp_path / "both", PLATFORMS["linux/riscv64"], layers)


HOSTILE = {
    "an ELF header and nothing else": Entry("file", 0o755, content=b"\x7fELF\2\1\1" + b"\xff" * 57),
    "an ELF file of the other byte order": Entry("file", 0o755, content=b"\x7fELF\1\2\1" + b"\xff" * 70),
    "a text that is not UTF-8": Entry("file", content=b"\xff\xfe:\xff\n" * 9),
}


@pytest.mark.parametrize("path", ["etc/passwd", "etc/group", "var/lib/dpkg/status", CA, "usr/bin/bash"])
@pytest.mark.parametrize("what", HOSTILE)
def test_damaged_files_are_findings_and_not_tracebacks(what: str, path: str, tmp_path: Path) -> None:
    about = subject()
    image = make(about)
    image.tree[path] = HOSTILE[what]
    assert failing(findings(tmp_path, image, about))
