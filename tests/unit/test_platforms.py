"""The table of architectures."""

from __future__ import annotations

import pytest

from imagemill import platforms
from imagemill.errors import ImagemillError


@pytest.mark.parametrize(
    ("word", "arch"),
    [
        ("linux/amd64", "amd64"),
        ("amd64", "amd64"),
        ("x86_64", "amd64"),
        ("linux/arm64", "arm64"),
        ("ARM64", "arm64"),
        ("aarch64", "arm64"),
        ("riscv64", "riscv64"),
    ],
)
def test_any_spelling_finds_the_platform(word: str, arch: str) -> None:
    assert platforms.find(word).arch == arch


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(ImagemillError, match="unknown platform 'mips'") as caught:
        platforms.find("mips")
    assert "linux/amd64, linux/arm64, linux/riscv64" in caught.value.remedy


def test_this_machine_is_one_of_them() -> None:
    assert str(platforms.native()) in platforms.PLATFORMS
