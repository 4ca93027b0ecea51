"""Two whole releases on this machine: the steps of the workflows, as their make targets, and what has to come of them.

Two builders with stores of their own make a share each. A registry with TLS and tokens and a notary with PostgreSQL
take what is published, signed with a key that the maintainer's root and repository keys, which stay at home, have let
sign. Docker, cosign and crane are asked afterwards. `make release-rehearsal` runs it, and so do the tests.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from docker_judge import Docker, daemon, has_trust
from places import Place

import copies
from imagemill.trust import keyfiles

ROOT = Path(__file__).parents[2]

FIRST, SECOND = "20260105", "20260112"
PASSPHRASE = "passphrase of a rehearsal"
SOURCE = "https://example.com/acme/imagemill"
_OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")
_ROLES = ("ROOT", "TARGETS", "RELEASE")


class Failed(Exception):
    """A step that did not come to what it has to."""


@dataclass
class Rehearsal:
    """A checkout to release from, where to, and the seconds that each step took."""

    top: Path
    place: Place
    notary: str
    runtime: str = "provided.al2023"
    say: Callable[[str], None] = print
    seconds: dict[str, float] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    """All that commands have printed."""

    @property
    def images(self) -> str:
        """The two images that are released."""
        return f"{self.runtime} serve-{self.runtime}"

    @property
    def repository(self) -> str:
        """Where they go."""
        return f"{self.place.host}/acme/lambda"

    @property
    def record(self) -> dict[str, Any]:
        """The images of the newest record."""
        newest = max((self.top / "releases").glob("*.json"))
        found: dict[str, Any] = json.loads(newest.read_text(encoding="utf-8"))["images"]
        return found

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Something that is done, and told with the time that it took."""
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started
        self.say(f"{self.seconds[name]:6.1f} s  {name}")

    def run(self, *argv: str, code: int = 0, environ: Mapping[str, str] | None = None) -> str:
        """What a command prints. Failed when it ends otherwise than with `code`."""
        done = subprocess.run(
            argv, cwd=self.top, env={**self._environ, **(environ or {})}, capture_output=True, text=True, check=False
        )
        self.told += [done.stdout, done.stderr]
        if done.returncode != code:
            raise Failed(f"{' '.join(argv)}: {done.returncode} instead of {code}\n{done.stdout}{done.stderr}")
        return done.stdout if code == 0 else done.stdout + done.stderr

    def make(self, target: str, *settings: str, code: int = 0, store: str = "one", **words: str) -> str:
        """A step of the workflows. What sets up the checkout is there."""
        argv = ["make", "-o", ".venv/images.stamp", "-o", ".venv/dev.stamp", target, *settings]
        argv += [f"{name}={value}" for name, value in words.items()]
        state = {"IMAGEMILL_STATE": str(self.top / "stores" / store), "IMAGES": self.images}
        done = self.run(*argv, code=2 if code else 0, environ=state)  # make's own code for any that fails
        if code and f"Error {code}" not in done:
            raise Failed(f"make {target} ends otherwise than with {code}:\n{done}")
        return done

    def mill(self, *words: str, code: int = 0, store: str = "one") -> str:
        """A command of imagemill."""
        state = {"IMAGEMILL_STATE": str(self.top / "stores" / store)}
        return self.run(str(ROOT / ".venv/bin/python"), "-m", "imagemill", *words, code=code, environ=state)

    @property
    def _environ(self) -> dict[str, str]:
        me = {"GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x@example.com"}
        me |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in me.items()}
        words = {f"IMAGEMILL_TRUST_PASSPHRASE_{role}": PASSPHRASE for role in _ROLES}
        # what a make that runs the tests was told is not meant for those that are run here
        files = (one.read_text(encoding="utf-8") for one in (ROOT / "Makefile", ROOT / "build" / "release.mk"))
        told = {name for text in files for name in re.findall(r"^(\w+) \?=", text, re.MULTILINE)}
        known = {**os.environ, **self.place.environ, **me, **words, "PYTHONPATH": str(self.top / "build")}
        return {name: value for name, value in known.items() if name not in {*told, *_OF_MAKE}}


def rehearse(one: Rehearsal, state: Path) -> None:
    """Two releases, and what is to be refused. Raises Failed; `state` is where downloads are."""
    with one.step("a checkout, two stores"):
        _prepare(one, state)
    with one.step("root, repository and release keys; delegations"):
        keys = _keys(one)
    due = json.loads(one.make("unreleased"))
    if len(due) != 2 or one.make("release-date", DATE=FIRST).strip() != FIRST:
        raise Failed(f"what was never released is not due: {due}")
    _built(one, FIRST)
    with one.step("refused: what was not judged"):
        report = one.top / "dist/conformance.json"
        kept = report.read_bytes()
        report.write_text(json.dumps({**json.loads(kept), "findings": []}), encoding="utf-8")
        expect("no check of it that passes", one.make("publish", code=52, DATE=FIRST))
        report.write_bytes(kept)
        expect("or give --allow-unrun", one.make("publish", code=52, DATE=FIRST))
    with one.step("a dry run, which sends nothing"):
        one.make("publish", DATE=FIRST, ARGS="--dry-run --allow-unrun")
        expect("no tags", one.run("sh", "-c", f'crane ls "{one.repository}" >/dev/null 2>&1 || echo no tags'))
    _published(one, FIRST, keys)
    with one.step("no key, passphrase or password is in anything that was written or said"):
        _kept_secret(one, keys)
    first = one.record
    expect("2 images: 2 new", one.make("notes", DATE=FIRST))
    with one.step("docker, cosign and crane"):
        _judged(one, FIRST)
    one.mill("verify", f"{one.repository}:serve-{one.runtime}", "--key", str(one.top / "cosign.pub"), store="stranger")
    if json.loads(one.make("unreleased")) or one.make("release-date", DATE=FIRST).strip() != f"{FIRST}.1":
        raise Failed("what was released just now is due again")
    with one.step("one image changes"):
        _change(one)
    due = json.loads(one.make("unreleased"))
    if [row["tag"] for row in due] != [f"serve-{one.runtime}"]:
        raise Failed(f"what changed is not due: {due}")
    shutil.move(one.top / "dist", one.top / "old")
    _built(one, SECOND)
    _published(one, SECOND, keys)
    with one.step("notes of the second release"):
        notes = one.make("notes", DATE=SECOND)
        expect(f"2 images: 1 changed, 1 unchanged since {FIRST}.", notes)
        expect("| REHEARSED |  | yes |", notes)
    with one.step("refused: the release before, published again"):
        expect("was made from other inputs", one.make("publish", code=52, DATE="20260113", DIST="old"))
    with one.step("refused: a tag that somebody has moved back"):
        _moved_back(one, first)


def expect(words: str, text: str) -> None:
    """Failed where `words` are not in a text."""
    if words not in text:
        raise Failed(f"{words!r} is not in:\n{text}")


def _prepare(one: Rehearsal, state: Path) -> None:
    """A checkout in git, and two stores that share nothing but verified downloads and compilers."""
    copies.copied(one.top, one.runtime)
    shutil.copy(ROOT / "Makefile", one.top)
    (one.top / ".venv").symlink_to(ROOT / ".venv")
    (one.top / ".gitignore").write_text(".venv\nstores\ndist\nold\n*.tar\nparts\n")
    trust = {"server": one.notary}
    settings = {"destinations": [{"to": one.repository, "aliases": False, "trust": trust}]}
    (one.top / "publish.yaml").write_text(json.dumps(settings))  # YAML takes JSON
    for store in ("one", "two"):
        folder = one.top / "stores" / store
        folder.mkdir(parents=True)
        for name in ("cache", "go", "python", "java", "tests"):
            if (state / name).exists():
                (folder / name).symlink_to(state / name)
    one.run("git", "init", "--quiet", "--initial-branch", "main")
    one.run("git", "remote", "add", "origin", SOURCE)
    _commit(one, "the beginning")


def _commit(one: Rehearsal, message: str) -> None:
    one.run("git", "add", "--all")
    one.run("git", "commit", "--quiet", "--message", message)


def _keys(one: Rehearsal) -> str:
    """The maintainer's keys, and one for releases. Returns the backup that a release gets, of that one alone."""
    folder = one.top / "stores" / "maintainer"
    folder.mkdir()
    trust = ("trust", "--trust", str(folder / "trust"))
    key = one.mill(*trust, "key", "release", "--out", str(folder / "release.pub")).strip()
    one.mill(*trust, "init", one.repository, "--server", one.notary)
    one.mill(
        *trust, "delegate", "add", "release", one.repository, "--server", one.notary,
        "--key", str(folder / "release.pub"),
    )  # fmt: skip
    backup = folder / "backup"
    one.mill(*trust, "export", str(backup), "--key", Path(key).stem)
    shutil.copy(folder / "release.pub", one.top / "cosign.pub")
    _commit(one, "the key that releases are signed with")
    return backup.read_text(encoding="utf-8")


def _built(one: Rehearsal, date: str) -> None:
    """Each architecture by a builder of its own, both at once, judged there, packed, and joined."""

    def share(number: int, found: Mapping[str, str]) -> str:
        dist = f"parts/{date}/{found['arch']}"
        where = (f"DIST={dist}", f"PLATFORM={found['platform']}")
        store = ("one", "two")[number % 2]
        with one.step(f"{date}: build and judge {found['platform']}, share {found['shard']}"):
            one.make("shard", *where, store=store, SHARD=found["shard"])
            one.make("judge", *where, store=store, ARGS="--no-run")
            one.make("pack", DIST=dist, OUT=f"{dist}.tar")
            shutil.rmtree(one.top / dist)
        return f"{dist}.tar"

    shares = json.loads(one.make("matrix", SHARDS="1"))["include"]
    with ThreadPoolExecutor(2) as builders:
        parts = list(builders.map(share, range(len(shares)), shares))
    with one.step(f"{date}: merge, and for the first release bills of materials"):
        one.make("merge", FROM=" ".join(parts))
        if date == FIRST:
            one.make("sboms")
        one.make("pack", OUT="images.tar")  # as it goes to the machine that publishes
        shutil.rmtree(one.top / "dist")
        one.make("unpack", IN="images.tar")
        shutil.rmtree(one.top / "parts")


def _published(one: Rehearsal, date: str, keys: str) -> None:
    """Publish with the release's key alone, which is gone afterwards; then verify without any."""
    folder = one.top / "stores" / "release-keys"
    with one.step(f"{date}: publish"):
        one.run("make", "-o", ".venv/images.stamp", "release-keys", f"KEYS={folder}", environ={"RELEASE_KEYS": keys})
        one.make("publish", DATE=date, KEYS=str(folder), ARGS="--allow-unrun")
        shutil.rmtree(folder)
    with one.step(f"{date}: verify"):
        one.make("verify", DATE=date)


def _kept_secret(one: Rehearsal, keys: str) -> None:
    """Look for what must stay secret in the checkout, the stores, the registry with its log, and all output."""
    secrets = {"the passphrase": PASSPHRASE.encode(), "the password": one.place.users["publisher"].encode()}
    for pem in keyfiles.parse_all(keys, "the backup"):
        number = keyfiles.decrypted(pem, PASSPHRASE, "the backup").private_numbers().private_value
        raw = number.to_bytes(32, "big")
        for name, spelled in (("raw", raw), ("hex", raw.hex().encode()), ("base64", base64.b64encode(raw)[:40]),
                              ("decimal", str(number).encode())):  # fmt: skip
            secrets[f"the private key, {name}"] = spelled
    secrets["the backup"] = keys.splitlines()[5].encode()
    at_home = one.top / "stores" / "maintainer"
    written = [path for top in (one.top, one.place.folder) for path in top.rglob("*") if path.is_file()]
    texts = [
        (str(path), path.read_bytes()) for path in written if not path.is_symlink() and at_home not in path.parents
    ]
    logins = re.compile(r"docker-\w+/config\.json$")  # where docker itself keeps a login
    for where, data in [*texts, ("what commands said", "\n".join(one.told).encode())]:
        for name, secret in secrets.items():
            if secret in data and not logins.search(where):
                raise Failed(f"{name} is in {where}")
    if len(texts) < 100:
        raise Failed(f"only {len(texts)} files were looked at")


def _judged(one: Rehearsal, date: str) -> None:
    """What the programs of others say."""
    tag = f"{one.repository}:{one.runtime}"
    digest = one.record[f"{one.runtime}-debian"]["digest"]
    expect(digest, one.run("crane", "digest", tag))
    for row in json.loads(one.mill("tags", one.repository, "--format", "json")):
        if row["signatures"] != ["cosign", "notary"] or not row["platforms"]:
            raise Failed(f"imagemill tags: {row}")
    key = str(one.top / "cosign.pub")
    expect(digest, one.run("cosign2", "verify", "--key", key, "--insecure-ignore-tlog=true", tag))
    expect(digest, one.run("cosign3", "verify", "--key", key, "--private-infrastructure", tag))
    record = one.top / "releases" / f"{date}.json"
    one.run(
        "cosign2", "verify-blob", "--key", key, "--insecure-ignore-tlog=true",
        "--signature", f"{record}.sig", str(record),
    )  # fmt: skip
    if has_trust() or os.geteuid() != 0:
        one.say("          docker is not asked: this is not root, or there is no `docker trust`")
        return
    environ = {**one.place.environ, "DOCKER_CONTENT_TRUST_SERVER": one.notary}
    docker = Docker(environ, Path(one.place.as_user("reader", one.top / "stores")["DOCKER_CONFIG"]))
    if docker.tags(one.repository).get(one.runtime) != (digest.removeprefix("sha256:"), ["release"]):
        raise Failed(f"docker trust inspect: {docker.tags(one.repository)}")
    with daemon() as host:
        pulled = Docker({**environ, "DOCKER_HOST": host}, docker.config).run("pull", tag)
        expect(digest, pulled.stdout + pulled.stderr)


def _change(one: Rehearsal) -> None:
    """A variable in serve images."""
    runtime = yaml.safe_load((one.top / "runtimes" / f"{one.runtime}.yaml").read_text(encoding="utf-8"))
    path = one.top / "runtimes/bases" / f"{runtime['bases']['debian']['base']}.yaml"
    before, serve, after = path.read_text(encoding="utf-8").partition("\nserve:\n")
    path.write_text(before + serve + after.replace("  env:\n", '  env:\n    REHEARSED: "yes"\n', 1), encoding="utf-8")
    _commit(one, "serve images say that this was rehearsed")


def _moved_back(one: Rehearsal, first: Mapping[str, Any]) -> None:
    """A registry that serves an old image under a tag of a new one: each of its signatures is good."""
    name = f"serve-{one.runtime}"
    verify = ("verify", f"{one.repository}:{name}", "--key", str(one.top / "cosign.pub"))
    maintainer = ("trust", "--trust", str(one.top / "stores/maintainer/trust"))
    state = one.mill(*maintainer, "status", one.repository, "--server", one.notary, "--format", "json")
    pinned = (*verify, "--trust-server", one.notary, "--root-key", json.loads(state)["root_key"][0])
    one.mill(*verify, store="stranger")
    one.mill(*pinned, store="another")
    one.run("crane", "tag", f"{one.repository}@{first[f'{name}-debian']['digest']}", name)
    expect("FAIL  rollback", one.mill(*verify, code=53, store="stranger"))  # who has seen both
    expect("FAIL  ", one.mill(*pinned, code=53, store="nobody yet"))  # and who knows the root key alone
    one.run("crane", "tag", f"{one.repository}@{one.record[f'{name}-debian']['digest']}", name)
    one.mill(*pinned, store="nobody yet")
