from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from assemble_inputs import base, file, folder

from imagemill.assemble import alternatives, certificates, system
from imagemill.errors import AssembleError
from imagemill.filetree import Tree

MTIME = 1_700_006_400

PASSWD = {
    "usr/share/base-passwd/passwd.master": file(b"root:*:0:0:root:/root:/bin/bash\n"),
    "usr/share/base-passwd/group.master": file(b"root:*:0:\nshadow:*:42:\n"),
}
SHARE = "usr/share/base-files"
BASE_FILES = {f"{SHARE}/{name}": file(name.encode()) for name in ("profile", "motd", "dot.profile", "dot.bashrc")}


def finish(tree: Tree, *packages: str) -> Tree:
    return system.finish(tree, set(packages), base(), MTIME)


def test_accounts() -> None:
    made = finish(PASSWD, "base-passwd")
    assert made["etc/passwd"].read().decode() == (
        "root:x:0:0:root:/root:/bin/bash\nsbx_user1051:x:993:990::/home/sbx_user1051:/usr/sbin/nologin\n"
    )
    assert made["etc/group"].read().decode() == "root:x:0:\nshadow:x:42:\nsbx_user1051:x:990:\n"
    shadow = made["etc/shadow"]
    assert (shadow.mode, shadow.uid, shadow.gid) == (0o640, 0, 42)
    assert shadow.read().decode().splitlines()[1] == "sbx_user1051:*:19676:0:99999:7:::"
    assert not [path for path in made if path.startswith("home")]


@pytest.mark.parametrize(
    ("tree", "lib64"), [({"usr/lib64/ld-linux-x86-64.so.2": file()}, True), ({}, False)], ids=["amd64", "arm64"]
)
def test_base_files(tree: Tree, lib64: bool) -> None:
    made = finish({**BASE_FILES, "var/run": folder(), "root": folder(0o700), **tree}, "base-files")
    assert {name: made[name].target for name in ("bin", "sbin", "lib")} == {
        "bin": "usr/bin",
        "sbin": "usr/sbin",
        "lib": "usr/lib",
    }
    assert ("lib64" in made) is lib64
    assert (made["tmp"].mode, made["var/tmp"].mode, made["run/lock"].mode) == (0o1777, 0o1777, 0o1777)
    assert made["var/run"].target == "/run", "a directory of the package becomes a link"
    assert "root" not in made, "a directory of the package stays"
    assert made["root/.profile"].read() == b"dot.profile"


@pytest.mark.parametrize(
    ("package", "tree", "path", "content"),
    [
        ("libc-bin", {"usr/share/libc-bin/nsswitch.conf": file(b"n")}, "etc/nsswitch.conf", b"n"),
        ("readline-common", {"usr/share/readline/inputrc": file(b"i")}, "etc/inputrc", b"i"),
        ("tzdata", {}, "etc/timezone", b"Etc/UTC\n"),
        ("debconf", {}, "var/cache/debconf/config.dat", b""),
        ("netbase", {}, "etc/networks", b"default\t\t0.0.0.0\nloopback\t127.0.0.0\nlink-local\t169.254.0.0\n"),
        ("python3", {}, "etc/python3/debian_config", None),
    ],
)
def test_rules_apply_to_their_package(package: str, tree: Tree, path: str, content: bytes | None) -> None:
    made = finish(tree, package)
    assert content is None or made[path].read() == content
    assert finish(tree, "another") == {}


def test_what_a_package_brings_is_not_replaced() -> None:
    assert "etc/timezone" not in finish({"etc/timezone": file(b"mine")}, "tzdata")


def test_shells() -> None:
    tree = {
        "usr/share/debianutils/shells": file(b"# valid login shells\n/bin/sh\n"),
        "usr/share/debianutils/shells.d/bash": file(b"/bin/bash\n"),
        "usr/share/debianutils/shells.d/dash": file(b"/usr/bin/dash\n"),
        "usr/bin/which.debianutils": file(),
    }
    shells = finish(tree, "debianutils")["etc/shells"].read().decode()
    assert shells == "# valid login shells\n/bin/sh\n/bin/bash\n/bin/dash\n/usr/bin/bash\n/usr/bin/dash\n"


def test_dpkg_leaves_out_what_layers_leave_out() -> None:
    text = finish({}, "dpkg")["etc/dpkg/dpkg.cfg.d/imagemill"].read().decode().splitlines()
    assert text[1:] == [
        "path-exclude=/usr/share/man/*",
        "path-exclude=/usr/share/doc/*",
        "path-include=/usr/share/doc/*/copyright",
    ]
    assert b"path-exclude=/x/en/*" in system.dpkg_excludes(("/x/en",))


@pytest.mark.parametrize("package", ["base-files", "base-passwd", "debianutils", "libc-bin", "readline-common"])
def test_a_package_without_its_files_is_an_error(package: str) -> None:
    with pytest.raises(AssembleError, match="is missing, which its package always had"):
        finish({}, package)


COMPILERS = {f"usr/bin/{name}": file() for name in ("gcc", "clang", "clang++", "xz", "mawk")}


def test_the_alternative_of_highest_priority_wins() -> None:
    made = alternatives.links(COMPILERS, {"gcc", "clang"}, MTIME)
    assert made["usr/bin/cc"].target == "/etc/alternatives/cc"
    assert made["etc/alternatives/cc"].target == "/usr/bin/gcc"
    assert made["etc/alternatives/c++"].target == "/usr/bin/clang++"
    record = made["var/lib/dpkg/alternatives/cc"].read().decode()
    assert record == "auto\n/usr/bin/cc\n\n/usr/bin/clang\n10\n/usr/bin/gcc\n20\n\n"


def test_slaves_go_with_their_alternative() -> None:
    made = alternatives.links(COMPILERS, {"mawk"}, MTIME)
    assert made["etc/alternatives/nawk"].target == "/usr/bin/mawk"
    record = made["var/lib/dpkg/alternatives/awk"].read().decode()
    assert record == "auto\n/usr/bin/awk\nnawk\n/usr/bin/nawk\n\n/usr/bin/mawk\n5\n/usr/bin/mawk\n\n"


def test_no_alternative_without_its_program() -> None:
    assert alternatives.links({}, {"gcc", "mawk"}, MTIME) == {}


@pytest.mark.parametrize("name", sorted(alternatives.TABLE))
def test_links_of_the_table_are_in_merged_usr(name: str) -> None:
    for choice in alternatives.TABLE[name]:
        assert all(path.startswith("/usr/") for path in (choice.link, choice.path, *choice.slaves))


def certificate(folder: Path, subject: str) -> bytes:
    """A self-signed certificate from the openssl that is there."""
    key, out = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-utf8", "-keyout", str(key)]
    subprocess.run([*command, "-out", str(out), "-subj", subject, "-days", "9"], check=True, capture_output=True)
    return out.read_bytes()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="compares with openssl, which is not here")
@pytest.mark.parametrize("subject", ["/CN=Simple", "/C=HU/O=NetLock  Kft./CN=  Arany Főtanúsítvány A  "])
def test_subject_hashes_are_those_of_openssl(tmp_path: Path, subject: str) -> None:
    pem = certificate(tmp_path, subject)
    done = subprocess.run(["openssl", "x509", "-noout", "-subject_hash"], input=pem, capture_output=True, check=True)
    assert certificates.subject_hash(pem, "x") == done.stdout.decode().strip()


# subject CN=A in a structure with the shape of a certificate, without key and signature
_NAME = bytes.fromhex("300c310a300806035504030c0141")
_SIGNED = bytes.fromhex("a003020102" + "020101" + "3000" + "3000" + "3000") + _NAME
_DER = b"\x30" + bytes([len(_SIGNED) + 2]) + b"\x30" + bytes([len(_SIGNED)]) + _SIGNED
PEM = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(_DER) + b"\n-----END CERTIFICATE-----"


def test_the_bundle() -> None:
    folder = "usr/share/ca-certificates/mozilla"
    tree = {f"{folder}/B (two), x.crt": file(PEM), f"{folder}/A.crt": file(PEM + b"\n"), f"{folder}/README": file()}
    made = certificates.bundle(tree, MTIME)
    assert made["etc/ssl/certs/ca-certificates.crt"].read() == (PEM + b"\n") * 2
    assert made["etc/ca-certificates.conf"].read() == b"mozilla/A.crt\nmozilla/B (two), x.crt\n"
    assert made["etc/ssl/certs/B_=two=__x.pem"].target == f"/{folder}/B (two), x.crt"
    assert made["etc/pki/tls/certs/ca-bundle.crt"].target == "/etc/ssl/certs/ca-certificates.crt"
    hashed = {path.rpartition("/")[2]: e.target for path, e in made.items() if path.rpartition(".")[2].isdigit()}
    assert sorted(hashed.values()) == ["A.pem", "B_=two=__x.pem"]
    assert {name.rpartition(".")[2] for name in hashed} == {"0", "1"}, "two of one subject get numbers"


@pytest.mark.parametrize("text", [b"", b"nothing", PEM.replace(b"MA", b"MP")], ids=["empty", "text", "damaged"])
def test_what_is_no_certificate_is_an_error(text: bytes) -> None:
    with pytest.raises(AssembleError, match=r"ca-certificates/x\.crt is not a certificate"):
        certificates.bundle({"usr/share/ca-certificates/x.crt": file(text)}, MTIME)
