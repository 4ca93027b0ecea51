"""What this machine, or the container around us, lets a build use: cores and memory, read once.

Source of the files: proc(5), and the kernel's admin-guide/cgroup-v2.rst and cgroup-v1/{memory,cpu}.rst.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

SPARE = 200_000_000
"""Bytes of memory left to this process itself and to whatever else runs."""
MOST = 400_000_000
"""Bytes of memory that one job takes at most, whatever the size of its layer."""

_V1_UNLIMITED = 1 << 60  # v1 says "no limit" with the largest number of pages


class Limits(Struct, frozen=True):
    """Cores, and bytes of memory that are free for jobs."""

    cores: int
    memory: int

    def jobs(self, wanted: int = 0) -> int:
        """How many jobs run at once: as many as `wanted`, else as cores and memory allow; at least one."""
        return wanted or max(1, min(self.cores, self.memory // MOST))


def read(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> Limits:
    """The limits of this process: the machine's, and those of each control group that it is in."""
    quotas = [quota for folder in _folders(proc, groups, "cpu") for quota in _cores(folder)]
    rooms = [room for folder in _folders(proc, groups, "memory") for room in _room(folder)]
    cores = max(1, int(min([_affinity(), *quotas])))
    return Limits(cores, max(0, min([_available(proc), *rooms]) - SPARE))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: what taskset and cpusets leave
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _available(proc: Path) -> int:
    """MemAvailable in bytes; without /proc (macOS), half of what is built in."""
    try:
        lines = (proc / "meminfo").read_text().splitlines()
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(fields["MemAvailable"].split()[0]) * 1024


def _folders(proc: Path, groups: Path, controller: str) -> Iterator[Path]:
    """The control groups that this process is in, the innermost first; each may limit it.

    Inside a container the path is often the host's, which is not to be seen here: then its root counts.
    """
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = groups / controllers if controllers else groups  # v1 mounts each set of controllers, v2 one tree
        if controllers and not top.is_dir():
            top = groups / controller
        folder = top / path.strip("/")
        while True:
            yield folder
            if folder == top:
                break
            folder = folder.parent


def _cores(folder: Path) -> Iterator[float]:
    """What a control group allows of cores, where it limits them."""
    pair = _numbers(folder / "cpu.max")
    if not pair:
        pair = (*_numbers(folder / "cpu.cfs_quota_us"), *_numbers(folder / "cpu.cfs_period_us"))
    if len(pair) == 2 and pair[0] > 0 and pair[1] > 0:
        yield pair[0] / pair[1]


def _room(folder: Path) -> Iterator[int]:
    """What is left of a control group's memory; the cache of files that nobody uses counts as free."""
    for limit, used, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        most, now = _numbers(folder / limit), _numbers(folder / used)
        if most and now and most[0] < _V1_UNLIMITED:
            yield most[0] - now[0] + _field(folder / "memory.stat", cache)


def _numbers(path: Path) -> Sequence[int]:
    """The numbers in a file of one line; none where it is missing or says `max`."""
    try:
        words = path.read_text().split()
    except OSError:
        return ()
    return () if "max" in words else tuple(map(int, words))


def _field(path: Path, name: str) -> int:
    try:
        fields = dict(line.split(" ", 1) for line in path.read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(fields.get(name, 0))
