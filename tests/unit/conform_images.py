"""A good image made by hand, as a tree and as an OCI layout, for the tests of conformance."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from imagemill import oci
from imagemill.conform import Completed, Subject, facts
from imagemill.filetree import Entry, Tree
from imagemill.load import load
from imagemill.plan import VARIANTS, Image, plan
from imagemill.platforms import PLATFORMS, Platform

ROOT = Path(__file__).parents[2]
EPOCH = 1_700_000_000
LABELS = {"org.opencontainers.image.title": "python3.13"}
IMAGES = {image.name: image for image in plan(load(ROOT))}

_TYPES = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "char": tarfile.CHRTYPE,
    "block": tarfile.BLKTYPE,
    "fifo": tarfile.FIFOTYPE,
}


def subject(name: str = "python3.13-debian", platform: str = "linux/amd64") -> Subject:
    """What the hand-made image is held against."""
    return Subject(IMAGES[name], PLATFORMS[platform], LABELS, EPOCH, ROOT / "examples", {"dash": "1"})


def certificates(count: int, until: str = "491231235959") -> bytes:
    """A bundle of what begins as certificates do, valid until then."""
    validity = b"\x30\x1e\x17\x0d200101000000Z\x17\x0d" + until.encode() + b"Z"
    one = base64.encodebytes(b"\x30\x82\1\2" + validity)
    return (b"-----BEGIN CERTIFICATE-----\n" + one + b"-----END CERTIFICATE-----\n") * count


def elf(
    platform: Platform, interpreter: str = "", needed: Sequence[str] = (), search: str = "", text: bytes = b""
) -> bytes:
    """A small 64-bit ELF file: its loader, the libraries it needs and where it looks for them, and some text."""
    names = b"\0"
    rows: list[tuple[int, int]] = []
    for tag, word in (*((1, name) for name in needed), *([(29, search)] if search else [])):
        rows.append((tag, len(names)))
        names += word.encode() + b"\0"
    path = interpreter.encode() + b"\0"
    place = 64 + 3 * 56
    strings = place + len(path)
    table = strings + len(names)
    dynamic = b"".join(struct.pack("<qQ", *row) for row in [*rows, (5, strings), (0, 0)])
    end = table + len(dynamic) + len(text)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, platform.elf_machine, 1, 0, 64, 0, 0, 64, 56, 3, 64, 0, 0
    )
    segments = [(3 if interpreter else 0, place, len(path)), (1, 0, end), (2, table, len(dynamic))]
    packed = b"".join(struct.pack("<IIQQQQQQ", kind, 4, at, at, at, size, size, 1) for kind, at, size in segments)
    return header + packed + path + names + dynamic + text


def good_tree(image: Image, platform: Platform) -> Tree:
    """The smallest tree that is all that `image` should be."""
    program = elf(platform, platform.loader)
    tree: Tree = {
        "bin": Entry("symlink", 0o777, target="usr/bin"),
        "lib": Entry("symlink", 0o777, target="usr/lib"),
        f"usr{platform.loader}": Entry("file", 0o755, content=elf(platform)),
        "tmp": Entry("dir", 0o1777),
        "var/tmp": Entry("dir", 0o1777),
        "opt": Entry("dir", 0o755),
        "etc/os-release": Entry("symlink", 0o777, target="../usr/lib/os-release"),
        "usr/lib/os-release": Entry("file", content=b"NAME=Debian\nID=debian\n"),
        "etc/nsswitch.conf": Entry("file", content=b"hosts: files dns\n"),
        "etc/localtime": Entry("symlink", 0o777, target="/usr/share/zoneinfo/UTC"),
        "etc/mtab": Entry("symlink", 0o777, target="../proc/self/mounts"),
        "etc/pki/tls/certs/ca-bundle.crt": Entry("symlink", 0o777, target="/etc/ssl/certs/ca-certificates.crt"),
        "etc/ssl/certs/ca-certificates.crt": Entry("file", content=certificates(148)),
        "usr/lib/locale/en_US.utf8/LC_CTYPE": Entry("file", content=b"ctype"),
        "var/lib/dpkg/status": Entry(
            "file",
            content=b"Package: dash\nStatus: install ok installed\nArchitecture: "
            + platform.arch.encode()
            + b"\nVersion: 1\nDescription: shell\n  with: a colon\n\n",
        ),
        "lambda-entrypoint.sh": Entry("file", 0o755, content=b"#!/bin/sh\n"),
        "var/rapid/init": Entry("file", 0o755, content=elf(platform)),
        "usr/local/bin/aws-lambda-rie": Entry("symlink", 0o777, target="/var/rapid/init"),
    }
    if image.variant != "build":
        needs = elf(platform, platform.loader, ["libdebconfclient.so.0"])
        tree["usr/sbin/update-passwd"] = Entry("file", 0o755, content=needs)
    if image.runtime.family != "provided":
        tree["var/runtime/bootstrap"] = Entry("file", 0o755, content=b"#!/bin/sh\n")
    if platform.loader.startswith("/lib64/"):
        tree["lib64"] = Entry("symlink", 0o777, target="usr/lib64")
    for zone in ("UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"):
        tree[f"usr/share/zoneinfo/{zone}"] = Entry("file", content=b"TZif2")
    users = [("root", 0, 0, "/root", "/bin/bash")]
    users += [(u.name, u.uid, u.gid, u.home, u.shell) for u in image.base.users]
    passwd = "".join(f"{n}:x:{u}:{g}::{home}:{shell}\n" for n, u, g, home, shell in users)
    tree["etc/passwd"] = Entry("file", content=passwd.encode())
    tree["etc/group"] = Entry("file", content="".join(f"{n}:x:{g}:\n" for n, _, g, _, _ in users).encode())
    for tool in image.tools:
        tree[f"usr/bin/{tool}"] = Entry("file", 0o755, content=program)
    layers = [image.base.system, image.offer.language]
    if image.variant == "build":
        layers += [image.base.toolchain, image.offer.build]
    for layer in layers:
        for path, directory in layer.directories.items():
            uid, _, gid = directory.owner.partition(":")
            tree[path[1:]] = Entry("dir", int(directory.mode, 8), int(uid), int(gid))
        for path, target in layer.links.items():
            tree[path[1:]] = Entry("symlink", 0o777, target=target)
            end = (Path(path).parent / target).as_posix()[1:]
            if end not in tree:
                tree[end] = Entry("file", 0o755, content=program)
        for path in layer.files:
            tree.setdefault(path[1:], Entry("dir", 0o755))
    if image.runtime.family in ("python", "nodejs"):
        number = image.runtime.name.removeprefix(image.runtime.family).removesuffix(".x")
        whole = number + ".1" * (2 - number.count("."))
        said = f"\0{whole}\0" if image.runtime.family == "python" else f"release/v{whole}/node-v"
        path = f"var/lang/bin/python{number}" if image.runtime.family == "python" else "var/lang/bin/node"
        tree[path] = Entry("file", 0o755, content=elf(platform, platform.loader, ["libc.so.6"], text=said.encode()))
    release = image.runtime.name.removeprefix(image.runtime.family).removeprefix("core").removesuffix(".al2")
    if image.runtime.family == "java":
        tree["var/lang/release"] = Entry("file", content=f'IMPLEMENTOR="D"\nJAVA_VERSION="{release}.0.1"\n'.encode())
    elif image.runtime.family == "ruby":
        tree[f"var/lang/lib/ruby/{release}.0/set.rb"] = Entry("file", content=b"")
    elif image.runtime.family == "dotnet":
        tree[f"var/lang/bin/shared/Microsoft.NETCore.App/{release}.9/a.dll"] = Entry("file", content=b"")
    for accepted in image.runtime.accepted:  # they fail when they are gone
        if accepted.check == "content.bytecode" and image.variant in accepted.variants:
            path, _, version = accepted.found.replace("*", "x").partition(": for Python 3.")
            tree[f"{path[1:]}.cpython-3{version}.pyc"] = Entry("file", content=b"x")
        if accepted.check == "programs.libraries" and image.variant in (accepted.variants or VARIANTS):
            path, _, name = accepted.found.replace("*", "x").partition(": no ")
            tree[path[1:]] = Entry("file", content=elf(platform, needed=[name.partition(" ")[0]]))
    tree[f"usr/lib/{platform.multiarch}/libc.so.6"] = Entry("file", 0o755, content=elf(platform))
    return {path: replace(entry, mtime=EPOCH) for path, entry in tree.items()}


def good_config(image: Image, platform: Platform) -> dict[str, object]:
    """The configuration that `image` should have."""
    configuration = image.configuration
    return {
        "os": "linux",
        "architecture": platform.arch,
        "config": {
            "Env": [f"{name}={value}" for name, value in image.env.items()],
            "Entrypoint": list(image.entrypoint),
            "Cmd": list(configuration.cmd),
            "User": configuration.user,
            "WorkingDir": configuration.workdir,
            "Labels": {**LABELS, "io.imagemill.lock": "exact"},
            "ExposedPorts": {f"{port}/tcp": {} for port in configuration.ports},
        },
    }


def pack(tree: Tree, format: int = tarfile.PAX_FORMAT) -> bytes:
    """A tree as a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for path, entry in sorted(tree.items()):
            info = tarfile.TarInfo(path)
            info.type = _TYPES[entry.kind]
            info.mode, info.uid, info.gid, info.mtime = entry.mode, entry.uid, entry.gid, entry.mtime
            info.linkname = entry.target
            info.pax_headers = {f"SCHILY.xattr.{name}": value.decode("latin-1") for name, value in entry.xattrs.items()}
            info.size = entry.size if entry.kind == "file" else 0
            tar.addfile(info, io.BytesIO(entry.read()) if entry.kind == "file" else None)
    return buffer.getvalue()


def blob(tar: bytes, folder: Path) -> oci.Blob:
    """A tar as a gzipped layer on disk."""
    data = gzip.compress(tar, 1, mtime=0)
    digest = oci.sha256(data)
    path = folder / digest.replace(":", "-")
    path.write_bytes(data)
    return oci.Blob(digest, "sha256:" + hashlib.sha256(tar).hexdigest(), len(data), path)


def write_layout(folder: Path, config: Mapping[str, object], trees: Sequence[Tree]) -> Path:
    """An OCI layout of one image; its path."""
    blobs = [blob(pack(tree), folder) for tree in trees]
    oci.write_image(folder / "layout", config, blobs, "good")
    return folder / "layout"


def rewrite(layout: Path, manifest: Callable[[Any], None], config: Callable[[Any], None] = lambda _: None) -> None:
    """Change the manifest and the configuration of a layout's one image, digests and all."""
    found = oci.Layout(layout)
    [image] = found.images()
    data = found.read_json(image.digest)
    settings = found.read_json(data["config"]["digest"])
    config(settings)
    added = found.add(data["config"]["mediaType"], oci.canonical(settings))
    data["config"] = added.to_json()
    manifest(data)
    found.finish([found.add(data.get("mediaType", oci.MANIFEST), oci.canonical(data))])


def good_record(image: Image) -> dict[str, str]:
    """What the recording function's probe finds in a good image, section by section."""
    users = {user.name: user for user in image.base.users}
    user = users.get(image.configuration.user)
    uid, gid = (user.uid, user.gid) if user else (0, 0)
    names = [name for fact in facts.about(image, facts.invoke().present) for name in fact.names]
    environment = {**dict.fromkeys(names, "x"), **image.env, "HOSTNAME": "0123456789ab"}
    return {
        "environment": "".join(f"{name}={value}\0" for name, value in environment.items()),
        "cmdline": "/bin/bash\0/var/task/bootstrap\0",
        "descriptors": "1 0 -> /dev/null\n1 255 -> /var/task/bootstrap\n",
        "limits": "Max processes             1024                 4096                 processes\n",
        "status": f"Name:\tbash\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{gid}\t{gid}\t{gid}\t{gid}\nGroups:\t{gid} \n",
        "release": 'PRETTY_NAME="Debian"\nID=debian\n',
        "cwd": "/var/task\n",
        "umask": "0022\n",
        "writable": "/tmp\n",
        "machine": "Linux x86_64\n",
        "zone": "UTC+0000\n",
        "charmap": "UTF-8\n",
        "commands": "bash\nsh\nsh\n",
    }


def answer(record: Mapping[str, str]) -> str:
    """What the recording function answers."""
    text = "".join(f"\n@@{name}\n{lines}" for name, lines in record.items())
    return json.dumps({"record": 1, "sections": base64.b64encode(text.encode()).decode()}, separators=(",", ":"))


class FakeRunner:
    """Stands for an engine: answers the commands and the functions as a good image does."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.result = subject.image.runtime.example.result
        self.printed = {c.run: c.contains for c in subject.image.runtime.checks + subject.image.runtime.build_checks}
        self.logs = (
            "\x1b[32mSTART RequestId: 1 Version: $LATEST\x1b[0m\nrequest 1\n\x1b[32mEND RequestId: 1\x1b[0m\n"
            "\x1b[32mREPORT RequestId: 1\tInit Duration: 9.00 ms\tDuration: 1.00 ms\tBilled Duration: 1 ms\t"
            "Memory Size: 1536 MB\tMax Memory Used: 40 MB\t\x1b[0m\n"
        )
        self.code = 0
        self.record = good_record(subject.image)
        self.hardened = dict(self.record)
        self.silent = ""
        self.missing = ""
        self.compiled = "42"
        self.containers = 0

    def __call__(
        self,
        argv: Sequence[str],
        *,
        entrypoint: Sequence[str] | None,
        env: Mapping[str, str],
        task_dir: Path | None,
        timeout: float,
        hardened: bool = False,
    ) -> Completed:
        """Answer; a contract whose words hold what is `silent` is not kept."""
        self.containers += 1
        if entrypoint is None:
            assert task_dir is not None and task_dir.is_dir()
            return Completed(f"\n{self.result}\n".encode(), self.logs.encode(), self.code)
        out = ""
        for words in ("probe '{}' 2>", "DOCKER_LAMBDA_STAY_OPEN=1", "/usr/local/bin/aws-lambda-rie"):
            if words in argv[-1]:
                kept = hardened or not (self.silent and self.silent in words)
                said = answer(self.hardened if hardened else self.record) if kept else ""
                out += f"{said}\n{self.logs}\n@@imagemill {int(not kept)}\n"
        for run, text in self.printed.items():
            if f"( {run}\n)" in argv[-1]:
                out += f"{text}\n\n@@imagemill {self.code}\n"
        if "( for tool in " in argv[-1]:
            out += f"{self.missing}started\n\n@@imagemill 0\n"
        out += f"cc\n{self.compiled}\n\n@@imagemill 0\n" * argv[-1].count('( cd "$(mktemp -d)"')
        return Completed(out.encode(), b"", 0)
