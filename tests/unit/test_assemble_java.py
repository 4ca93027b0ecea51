"""What Java needs of the factory: the trust store, and jars that are compiled from our sources."""

from __future__ import annotations

import hashlib
import io
import struct
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from imagemill.assemble import certificates, java, native
from imagemill.errors import AssembleError
from imagemill.filetree import Entry
from imagemill.lock import DebianPackage

ROOT = Path(__file__).parents[2]
PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def package(name: str) -> DebianPackage:
    return DebianPackage(name, "1", "amd64", name, "1", "debian", f"pool/{name}.deb", 1, "00")


def entries(store: bytes) -> list[tuple[str, bytes]]:
    """What a JKS file holds, read as JavaKeyStore.engineLoad does: alias and certificate."""
    body, digest = store[:-20], store[-20:]
    keyed = "changeit".encode("utf-16-be") + b"Mighty Aphrodite" + body
    assert hashlib.sha1(keyed).digest() == digest  # noqa: S324 - the format's
    magic, version, count = struct.unpack_from(">III", body)
    assert (magic, version) == (0xFEEDFEED, 2)
    at, found = 12, []
    for _ in range(count):
        tag, size = struct.unpack_from(">IH", body, at)
        assert tag == 2
        alias = body[at + 6 : at + 6 + size].decode()
        at += 6 + size
        time, kind = struct.unpack_from(">QH", body, at)
        assert (time, body[at + 10 : at + 10 + kind]) == (7_000, b"X.509")
        at += 10 + kind
        (length,) = struct.unpack_from(">I", body, at)
        found.append((alias, body[at + 4 : at + 4 + length]))
        at += 4 + length
    assert at == len(body)
    return found


def test_the_trust_store_has_every_certificate() -> None:
    store = certificates.trust_store({"mozilla/One_Root.crt": PEM, "mozilla/Főtanúsítvány.crt": PEM}, 7)
    assert entries(store) == [("debian:one_root", b"\x30\x82\x01"), ("debian:főtanúsítvány", b"\x30\x82\x01")]


def test_a_trust_store_of_nothing() -> None:
    assert entries(certificates.trust_store({}, 7)) == []


def test_the_compiler_is_the_jdk_and_what_it_needs() -> None:
    names = ["bash", "libc6", "openjdk-21-jdk-headless", "openjdk-21-jre-headless", "openjdk-21-doc", "zlib1g", "libc6"]
    found = java.compiler([package(name) for name in names])
    assert [one.name for one in found] == ["libc6", "openjdk-21-jdk-headless", "openjdk-21-jre-headless", "zlib1g"]


class Javac:
    """A stand-in for the compiler: writes a class file, of the time it is called, for each source."""

    def __init__(self, root: Path, code: int = 0) -> None:
        self.calls: list[Sequence[str]] = []
        self.code = code
        home = root / "usr" / "lib" / "jvm" / "java-21"
        (home / "bin").mkdir(parents=True)
        (home / "bin" / "javac").touch()
        (home.parent / "a-link").symlink_to("java-21")

    def __call__(self, command: Sequence[str], **_: Any) -> SimpleNamespace:
        self.calls.append(command)
        out = Path(command[list(command).index("-d") + 1])
        for source in (word for word in command if word.endswith(".java")):
            (out / "a").mkdir(exist_ok=True)
            (out / "a" / f"{Path(source).stem}.class").write_bytes(b"class")
        return SimpleNamespace(returncode=self.code, stdout=b"", stderr=b"A.java:1: error: no")


@pytest.fixture
def jdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> java.NativeJava:
    monkeypatch.setattr(native, "unpacked", lambda *_: tmp_path / "root")
    return java.NativeJava([package("openjdk-21-jdk-headless")], lambda _: tmp_path, tmp_path / "cache")


def test_a_jar_is_made_once_and_holds_no_time(
    jdk: java.NativeJava, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    javac = Javac(tmp_path / "root")
    monkeypatch.setattr(subprocess, "run", javac)
    sources = {"a/B.java": b"", "a/A.java": b"", "a/notes.txt": b""}
    jar = jdk.jar(sources, [b"other"])
    assert jdk.jar(dict(reversed(sources.items())), [b"other"]) == jar
    assert len(javac.calls) == 1
    with zipfile.ZipFile(io.BytesIO(jar)) as opened:
        assert opened.namelist() == ["META-INF/MANIFEST.MF", "a/A.class", "a/B.class"]
        assert {info.date_time for info in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert {"--release", "8"} <= set(javac.calls[0])


OTHER: dict[str, tuple[dict[str, bytes], list[bytes]]] = {
    "a source": ({"A.java": b"2"}, [b"jar"]),
    "its path": ({"B.java": b"1"}, [b"jar"]),
    "a class path": ({"A.java": b"1"}, [b"raj"]),
}


@pytest.mark.parametrize("name", OTHER)
def test_a_jar_is_made_anew_for_another(
    name: str, jdk: java.NativeJava, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    javac = Javac(tmp_path / "root")
    monkeypatch.setattr(subprocess, "run", javac)
    jdk.jar({"A.java": b"1"}, [b"jar"])
    jdk.jar(*OTHER[name])
    assert len(javac.calls) == 2


def test_what_does_not_compile_is_told_and_not_kept(
    jdk: java.NativeJava, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    javac = Javac(tmp_path / "root", code=1)
    monkeypatch.setattr(subprocess, "run", javac)
    for _ in range(2):
        with pytest.raises(AssembleError, match=r"A\.java:1: error: no"):
            jdk.jar({"A.java": b"1"}, [])
    assert len(javac.calls) == 2
    assert not list(jdk.cache.glob("*.jar"))


def test_packages_without_a_compiler(jdk: java.NativeJava) -> None:
    with pytest.raises(AssembleError, match="hold no javac"):
        jdk.jar({"A.java": b"1"}, [])


def test_a_jar_of_the_layer_is_found_through_a_link() -> None:
    tree = {
        "var/lib/a.jar": Entry("symlink", target="a-1.jar"),
        "var/lib/a-1.jar": Entry("file", content=b"jar"),
        "var/lib/round.jar": Entry("symlink", target="/var/lib/round.jar"),
    }
    assert java.content(tree, "/var/lib/a.jar") == b"jar"
    for path in ("/var/lib/b.jar", "/var/lib/round.jar"):
        with pytest.raises(AssembleError, match=f"{path} is not a file of the layer"):
            java.content(tree, path)


def test_our_sources_name_no_class_of_others_beside_jackson_and_the_jdk() -> None:
    """The function sees com.amazonaws.services.lambda.runtime: what it sees must need nothing but the JDK."""
    core = ROOT / "build" / "bootstraps" / "java" / "core"
    lines = [line for path in core.rglob("*.java") for line in path.read_text().splitlines()]
    imports = {line.split()[-1] for line in lines if line.startswith("import ")}
    assert imports
    assert {name.partition(".")[0] for name in imports} <= {"java", "com"}
    assert not [name for name in imports if name.startswith("com.") and "amazonaws" not in name]
