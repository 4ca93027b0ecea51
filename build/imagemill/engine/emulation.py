"""Whether this machine's kernel runs programs of a foreign architecture inside containers.

Source of the format: the kernel's admin guide, binfmt-misc.
"""

from __future__ import annotations

import platform as _host
from pathlib import Path

from imagemill.platforms import Platform

BINFMT = Path("/proc/sys/fs/binfmt_misc")


def obstacle(platform: Platform, binfmt: Path = BINFMT) -> str:
    """Why this kernel cannot run programs of a foreign platform inside containers; empty when it can."""
    if _host.system() != "Linux":
        return ""  # containers run in a virtual machine there, which brings its emulator
    wanted = platform.elf_machine.to_bytes(2, "little").hex()
    seen = False
    for entry in sorted(binfmt.glob("*")) if binfmt.is_dir() else ():
        if entry.name in ("register", "status"):
            continue
        lines = entry.read_text().splitlines()
        fields = dict(line.partition(" ")[::2] for line in lines)
        if fields.get("magic", "")[36:40] != wanted or "enabled" not in lines:
            continue
        if "F" in fields.get("flags:", ""):
            return ""
        seen = True
    remedy = "install qemu-user-static and register it (tests/engines.sh in the sources does both)"
    if seen:
        return f"the emulator for {platform} is registered without F, so containers do not see it; {remedy}"
    return f"no emulator for {platform} is registered with the kernel; {remedy}"
