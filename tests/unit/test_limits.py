"""What a machine, or the container around us, lets a build use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagemill.limits import MOST, SPARE, Limits, read

MEMINFO = "MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\n"
GB = 1_000_000_000

# what control groups say (path below /sys/fs/cgroup -> text), /proc/self/cgroup, and the memory that is left
MEMORY: dict[str, tuple[str, dict[str, str], int]] = {
    "no control group": ("", {}, 8_192_000_000),
    "v2 without a limit": ("0::/a\n", {"a/memory.max": "max", "a/memory.current": "5"}, 8_192_000_000),
    "v2": ("0::/a\n", {"a/memory.max": f"{3 * GB}", "a/memory.current": f"{GB}"}, 2 * GB),
    "v2, unused cache is free": (
        "0::/a\n",
        {"a/memory.max": f"{3 * GB}", "a/memory.current": f"{GB}", "a/memory.stat": f"inactive_file {GB // 2}\n"},
        2 * GB + GB // 2,
    ),
    "v2, the limit is above us": ("0::/a/b\n", {"a/memory.max": f"{GB}", "a/memory.current": "0"}, GB),
    "v2, in a container": ("0::/not/here\n", {"memory.max": f"{GB}", "memory.current": "0"}, GB),
    "v1": (
        "4:memory:/a\n",
        {"memory/a/memory.limit_in_bytes": f"{GB}", "memory/a/memory.usage_in_bytes": "0"},
        GB,
    ),
    "v1 without a limit": (
        "4:memory:/\n",
        {"memory/memory.limit_in_bytes": "9223372036854771712", "memory/memory.usage_in_bytes": "0"},
        8_192_000_000,
    ),
}  # fmt: skip


def machine(tmp_path: Path, groups: str, files: dict[str, str]) -> Limits:
    proc, top = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(MEMINFO)
    (proc / "self" / "cgroup").write_text(groups)
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    return read(proc, top)


@pytest.mark.parametrize("name", MEMORY)
def test_memory(name: str, tmp_path: Path) -> None:
    groups, files, expected = MEMORY[name]
    assert machine(tmp_path, groups, files).memory == expected - SPARE


CORES: dict[str, tuple[str, dict[str, str], int]] = {
    "no limit": ("0::/\n", {"cpu.max": "max 100000"}, 64),
    "v2": ("0::/a\n", {"a/cpu.max": "250000 100000"}, 2),
    "v2, less than one": ("0::/a\n", {"a/cpu.max": "50000 100000"}, 1),
    "v2, the limit is above us": ("0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3),
    "v1": (
        "3:cpu,cpuacct:/a\n",
        {"cpu,cpuacct/a/cpu.cfs_quota_us": "400000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"},
        4,
    ),
    "v1, mounted by its short name": (
        "3:cpu,cpuacct:/a\n",
        {"cpu/a/cpu.cfs_quota_us": "400000", "cpu/a/cpu.cfs_period_us": "100000"},
        4,
    ),
    "v1 without a limit": (
        "3:cpu:/\n",
        {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
        64,
    ),
}


@pytest.mark.parametrize("name", CORES)
def test_cores(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    groups, files, expected = CORES[name]
    assert machine(tmp_path, groups, files).cores == expected


def test_this_machine_has_some() -> None:
    limits = read()
    assert limits.cores >= 1
    assert limits.memory >= 0


@pytest.mark.parametrize(
    ("cores", "memory", "wanted", "jobs"),
    [(8, 100 * MOST, 0, 8), (8, 3 * MOST, 0, 3), (8, 0, 0, 1), (1, 100 * MOST, 0, 1), (2, MOST, 5, 5)],
)
def test_as_many_jobs_as_both_allow(cores: int, memory: int, wanted: int, jobs: int) -> None:
    assert Limits(cores, memory).jobs(wanted) == jobs
