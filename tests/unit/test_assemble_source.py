"""What is compiled for an image: the scripts of upstream's sources, their builders, and the C# compiler's inputs."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from imagemill import factory
from imagemill.assemble import csharp, recipes, source
from imagemill.errors import AssembleError
from imagemill.filetree import Entry
from imagemill.lock import DebianPackage, Download, Inputs, NpmPackage
from imagemill.manifest import Layer, NpmSet, Source
from imagemill.platforms import find, native

AMD64, ARM64 = find("linux/amd64"), find("linux/arm64")
CPYTHON = Source("cpython", "tarball", "3.12", ("gcc",))
RUBY = Source("ruby", "tarball", "3.4", ("gcc",))


def package(name: str, arch: str) -> DebianPackage:
    digest = hashlib.sha256(f"{name} {arch}".encode()).hexdigest()
    return DebianPackage(name, "1", arch, name, "1", "debian", f"pool/{name}", 1, digest)


def tarball(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.mtime = 1_700_000_000
            tar.addfile(info, io.BytesIO())
    return path


def builder(tmp_path: Path, *names: str) -> source.Builder:
    path = tarball(tmp_path / "source.tar", *(names or ("python/configure",)))
    return source.Builder(
        CPYTHON, path, {native().arch: [], "arm64": [], "amd64": []}, lambda _: path, tmp_path / "kept"
    )


@pytest.mark.parametrize(
    ("wanted", "platform", "words"),
    [
        pytest.param(CPYTHON, AMD64, ["--host=x86_64-linux-gnu", "x86_64-linux-gnu-strip"], id="cpython here"),
        pytest.param(CPYTHON, ARM64, ["--with-build-python=/var/lang/bin/python3.12"], id="cpython across"),
        pytest.param(RUBY, ARM64, ["--with-baseruby=/var/lang/bin/ruby", "--build=x86_64-linux-gnu"], id="ruby across"),
    ],
)  # fmt: skip
def test_a_recipe_names_the_tools_of_its_platform(wanted: Source, platform: object, words: list[str]) -> None:
    text = recipes.script(wanted, find(str(platform)), AMD64, 7)
    assert all(word in text for word in words), text
    assert "{" not in text.replace("{}", "")


def test_a_native_build_asks_for_no_interpreter() -> None:
    assert "--with-build-python" not in recipes.script(CPYTHON, AMD64, AMD64, 7)
    assert "--with-baseruby" not in recipes.script(RUBY, AMD64, AMD64, 7)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("$(PYTHON_FOR_BUILD) -Wi -OO $(DESTDIR)$(LIBDEST)/compileall.py -j0 -d $(LIBDEST)", id="3.9"),
        pytest.param("$(PYTHON_FOR_BUILD) -Wi $(DESTDIR)$(LIBDEST)/compileall.py -o 0 -o 1 -o 2", id="3.13"),
    ],
)
def test_cpython_is_installed_without_compiled_modules(line: str, tmp_path: Path) -> None:
    [edit] = [row for row in recipes.script(CPYTHON, AMD64, AMD64, 7).splitlines() if row.startswith("sed ")]
    makefile = "PYTHON_FOR_BUILD = echo\nDESTDIR = /build/out\nLIBDEST = /var/lang/lib\ninstall:\n\t@"
    (tmp_path / "Makefile").write_text(f"{makefile}{line}\n")
    subprocess.run(["sh", "-euc", edit], cwd=tmp_path, check=True)
    made = subprocess.run(["make", "install"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert "compileall" not in made
    assert " -c 0 -" in made


def test_alternatives_are_linked_where_no_package_has_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = 'mkdir -p "$0"/build/out/var/lang; cd "$0"/usr/bin; readlink awk which > "$0"/build/out/var/lang/found; '
    monkeypatch.setattr(source, "_ENTER", f"{script}: exec chroot")
    tree = builder(tmp_path).tree(native())
    assert tree["var/lang/found"].read() == b"mawk\nwhich.debianutils\n"


def test_a_builder_takes_the_download_that_the_source_names(tmp_path: Path) -> None:
    path = tarball(tmp_path / "x.tar", "a/configure")
    spec = Layer(source=CPYTHON)
    inputs = Inputs(downloads=(Download("tarball", "3.12.1", "https://upstream.example/x.tar", 1, "0" * 64),))
    made = source.Builder.of(
        spec, inputs, [package("gcc", "amd64"), package("tzdata", "all")], lambda _: path, tmp_path
    )
    assert made.tarball == path
    with pytest.raises(AssembleError, match="no download is called 'tarball'"):
        source.Builder.of(spec, Inputs(), [], lambda _: path, tmp_path)


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_what_is_built_with_here_does_not_depend_on_what_it_is_for(arch: str) -> None:
    here = native().arch
    newer = replace(package("headers", "all"), version="2")  # the pocket that the other architecture does not have

    def inputs(name: str, of: str) -> Inputs:
        return Inputs(debian=(package(name, of), newer if of == here else package("headers", "all")))

    image = SimpleNamespace(base=SimpleNamespace(name="base"), runtime=SimpleNamespace(name="x"))
    found = factory._builders(cast(Any, image), cast(Any, SimpleNamespace(inputs=inputs)), arch)
    assert [one for one in found if one.name == "headers"] == [newer]
    assert {one.architecture for one in found} == {here, arch, "all"}


def test_a_tarball_without_a_configure_script_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssembleError, match="no source with a configure script"):
        builder(tmp_path, "python/README").tree(native())


def test_a_failing_recipe_says_what_its_log_ends_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_ENTER", "echo the end of it >&2; exit 3; exec chroot")
    with pytest.raises(AssembleError, match="the end of it") as failed:
        builder(tmp_path).tree(native())
    assert ".log" in failed.value.remedy or "namespaces" in failed.value.remedy


def test_what_is_built_is_kept_and_has_one_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = 'mkdir -p "$0"/build/out/var/lang/bin; cd "$0"/build/out/var/lang/bin; echo x > python; '
    script += "ln -s python p; : exec chroot"
    monkeypatch.setattr(source, "_ENTER", f"echo run >> {tmp_path}/runs; {script}")
    tree = builder(tmp_path).tree(native())
    assert tree["var/lang/bin/python"].read() == b"x\n"
    assert tree["var/lang/bin/p"].target == "python"
    assert {entry.mtime for entry in tree.values()} == {1_700_000_000}
    assert builder(tmp_path).tree(native()) == tree
    assert (tmp_path / "runs").read_text() == "run\n"


def test_the_tool_set_is_the_compiler() -> None:
    sdk = NpmPackage("", "sdk", "3", "sha512-x")
    spec = Layer(npm=(NpmSet("/a", ("b",), layout="unpack"), NpmSet("/a", ("sdk",), layout="tool")))
    assert csharp.sdk(spec, Inputs(npm=((replace(sdk, name="b"),), (sdk,)))) == sdk
    with pytest.raises(AssembleError, match="layout 'tool'"):
        csharp.sdk(Layer(), Inputs())


def test_programs_are_compiled_against_the_framework_of_their_layer() -> None:
    tree = {
        "var/lang/bin/shared/Microsoft.NETCore.App/3.1.0/System.dll": Entry("file", content=b"net"),
        "var/lang/bin/shared/Microsoft.AspNetCore.App/3.1.0/Web.dll": Entry("file", content=b"web"),
    }
    assert csharp.framework(tree) == {"System.dll": b"net"}
    with pytest.raises(AssembleError, match=r"no \.NET"):
        csharp.framework({})


def test_only_what_the_compiler_stands_on_is_fetched_for_it() -> None:
    found = csharp.libraries([package(name, "amd64") for name in ("bash", "libc6", "libssl1.1", "zlib1g")])
    assert [one.name for one in found] == ["libc6", "libssl1.1", "zlib1g"]
