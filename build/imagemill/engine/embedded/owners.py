"""Who `--chown` and USER mean: numbers, or names that the image's own /etc/passwd and /etc/group have."""

from __future__ import annotations

from collections.abc import Iterator

from imagemill.dockerfile import Instruction
from imagemill.engine.embedded.ground import Ground


def owner(step: Instruction, said: str, ground: Ground | None) -> tuple[int, int] | None:
    """User and group id of `user`, `user:group` or nothing (None).

    A user that is a number has the group of that number, one with a name that of its line. `ground` may be None
    where all is numbers. Raises DockerfileError for a name that the image does not have.
    """
    if not said:
        return None
    user, colon, group = said.partition(":")
    number = _number(user)
    if number is None:
        line = _line(step, user, ground, "etc/passwd")
        uid, gid = int(line[2]), int(line[3])
    else:
        uid = gid = number
    if colon:
        number = _number(group)
        gid = int(_line(step, group, ground, "etc/group")[2]) if number is None else number
    return uid, gid


def _number(said: str) -> int | None:
    return 0 if said == "root" else int(said) if said.isdecimal() else None


def _line(step: Instruction, name: str, ground: Ground | None, file: str) -> list[str]:
    for fields in _lines(ground, file):
        if fields[0] == name and name:
            return fields
    raise step.fail(f"{name!r} is not in the image's /{file}", "give numbers, as in 993:990")


def _lines(ground: Ground | None, file: str) -> Iterator[list[str]]:
    entry = ground.entries.get(ground.locate(file)) if ground else None
    if entry is not None and entry.kind == "file":
        for line in entry.read().decode("utf-8", "replace").splitlines():
            fields = line.split(":")
            numbers = fields[2:4] if file == "etc/passwd" else fields[2:3]
            if numbers and all(number.isdecimal() for number in numbers):
                yield fields
