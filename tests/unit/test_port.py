"""A port: an architecture that Debian has, and registries of Python and npm packages often have not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec import structs

from imagemill import lock as locks
from imagemill import relock, resolve
from imagemill.errors import LockError
from imagemill.fetch import Cache
from imagemill.load import Catalog, load
from imagemill.lock import Lock, Wheel
from imagemill.manifest import PypiSet
from imagemill.mirrors import Mirrors
from imagemill.platforms import PLATFORMS, Platform

ROOT = Path(__file__).parents[2]
REASON = "awslambdaric has no wheel for linux/riscv64"


@pytest.fixture
def catalog() -> Catalog:
    """The committed manifests, with the port in the base and in one runtime."""
    found = load(ROOT)
    base = structs.replace(found.bases["debian-trixie"], platforms=tuple(PLATFORMS))
    runtime = structs.replace(found.runtimes["python3.13"], platforms=tuple(PLATFORMS))
    return Catalog({base.name: base}, {runtime.name: runtime})


def resolved(catalog: Catalog, monkeypatch: pytest.MonkeyPatch, missing: Sequence[str]) -> Lock:
    """A lock, made where wheels of awslambdaric are missing for these platforms."""

    def wheels(spec: PypiSet, platforms: Sequence[Platform], *rest: object) -> dict[str, tuple[Wheel, ...]]:
        for platform in platforms:
            if str(platform) in missing and "awslambdaric" in spec.requirements:
                raise LockError(f"awslambdaric has no wheel for {platform}\n\nhint: none")
        return {platform.arch: (Wheel(spec.requirements[0], "1", "x.whl", "0"),) for platform in platforms}

    monkeypatch.setattr(resolve, "releases_of", lambda *a: [SimpleNamespace(suite="trixie", date=1)])
    monkeypatch.setattr(resolve, "read_archive", lambda *a, **k: None)
    monkeypatch.setattr(resolve, "_closures", lambda archive, specs: dict.fromkeys(specs, ()))
    monkeypatch.setattr(resolve.pypi, "resolve", wheels)
    said: list[str] = []
    return resolve.resolve(
        catalog.bases["debian-trixie"],
        list(catalog.runtimes.values()),
        mirrors=Mirrors.discover({}),
        cache=Cache(Path("/nonexistent")),
        progress=said.append,
    )


def test_what_a_registry_lacks_for_a_port_keeps_nobody_from_the_rest(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock = resolved(catalog, monkeypatch, ["linux/riscv64"])
    assert lock.unavailable == {"python3.13": {"riscv64": REASON}}
    assert sorted(lock.sets["python3.13"]) == ["amd64", "arm64"]
    assert sorted(lock.sets["debian-trixie"]) == sorted(lock.sets["python3.13/build"]) == ["amd64", "arm64", "riscv64"]
    locks.write(lock, tmp_path / "lock.json")
    assert locks.read(tmp_path / "lock.json") == lock
    with pytest.raises(LockError, match=f"python3.13 cannot be had for riscv64: {REASON}"):
        lock.inputs("python3.13", "riscv64")


def test_what_a_registry_lacks_for_another_architecture_is_an_error(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LockError, match="no wheel for linux/arm64"):
        resolved(catalog, monkeypatch, ["linux/arm64"])


def test_what_cannot_be_had_is_no_gap_in_the_lock(catalog: Catalog, tmp_path: Path) -> None:
    committed = locks.read(locks.path_of(ROOT, "debian-trixie"))
    sets = {name: {**by_arch, "riscv64": by_arch["amd64"]} for name, by_arch in committed.sets.items()}
    del sets["python3.13"]["riscv64"]
    path = locks.path_of(tmp_path, "debian-trixie")
    locks.write(structs.replace(committed, sets=sets), path)
    assert [line.partition(" has ")[2] for line in relock.uncovered(tmp_path, catalog)] == [
        "no set 'python3.13' for riscv64"
    ]
    locks.write(structs.replace(committed, sets=sets, unavailable={"python3.13": {"riscv64": REASON}}), path)
    assert relock.uncovered(tmp_path, catalog) == []


def test_a_lock_without_gaps_does_not_mention_them(tmp_path: Path) -> None:
    committed = locks.path_of(ROOT, "debian-trixie")
    locks.write(locks.read(committed), tmp_path / "lock.json")
    assert (tmp_path / "lock.json").read_bytes() == committed.read_bytes()
