"""The one table of architectures: what OCI, Go, Debian, npm, Python wheels and ELF each call them."""

from __future__ import annotations

import platform as _host

from msgspec import Struct

from imagemill.errors import ImagemillError


class Platform(Struct, frozen=True, order=True):
    """One architecture on Linux, by its OCI name (`amd64`), with everybody else's names for it."""

    arch: str  # OCI architecture, GOARCH, TARGETARCH and Debian architecture: the same word for all four
    machine: str  # uname -m, and AWS's name in tags
    npm: str  # process.arch in Node
    multiarch: str  # Debian's directory of libraries
    loader: str  # the dynamic loader that ELF files name
    elf_machine: int  # e_machine in ELF headers
    uv: str  # what uv calls it as --python-platform, where `manylinux` stands for one with a C library
    port: bool = False  # Debian has it; registries of Python and npm packages often have not

    def __str__(self) -> str:
        return f"linux/{self.arch}"


PLATFORMS = {
    str(p): p
    for p in (
        Platform("amd64", "x86_64", "x64", "x86_64-linux-gnu", "/lib64/ld-linux-x86-64.so.2", 62, "x86_64-manylinux"),
        Platform(
            "arm64",
            "aarch64",
            "arm64",
            "aarch64-linux-gnu",
            "/lib/ld-linux-aarch64.so.1",
            183,
            "aarch64-manylinux",
        ),
        Platform(
            "riscv64",
            "riscv64",
            "riscv64",
            "riscv64-linux-gnu",
            "/lib/ld-linux-riscv64-lp64d.so.1",
            243,
            "riscv64-unknown-linux",
            True,
        ),
    )
}

_BY_ANY_NAME = {
    name: p for p in PLATFORMS.values() for name in (str(p), p.arch, p.machine, p.machine.replace("aarch", "arm"))
}


def find(name: str) -> Platform:
    """The platform with this name in any spelling (`linux/arm64`, `arm64`, `aarch64`)."""
    try:
        return _BY_ANY_NAME[name.strip().lower()]
    except KeyError:
        raise ImagemillError(f"unknown platform {name!r}", f"use one of: {', '.join(sorted(PLATFORMS))}") from None


def native() -> Platform:
    """The platform of the machine that this runs on."""
    return find(_host.machine())
