"""Pushes to a real registry: it is killed at any instant, tokens end, others judge what came of it."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import Place
from pushing import index_in, repository

from certificates import issue
from imagemill.errors import RegistryError
from imagemill.oci import INDEX, Descriptor, Layout, sha256
from imagemill.registry.faults import Denied
from imagemill.registry.push import push
from registry import registry
from tokens import Tokens

pytestmark = pytest.mark.engine
KILLS = 12


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Layout, Descriptor]:
    return index_in(tmp_path_factory.mktemp("image"), 48)


@pytest.fixture
def mortal(judges: Path, authorities: Path, tokens: Tokens, place: Place, tmp_path: Path) -> Iterator[Place]:
    """A registry with TLS and tokens that nobody else uses."""
    with registry(
        judges / "docker-registry", tmp_path / "registry", pair=issue(authorities, "mortal", "127.0.0.1"), tokens=tokens
    ) as service:
        yield Place(service, place.environ, tmp_path, tokens, place.users)


def judged(place: Place, name: str, entry: Descriptor, folder: Path) -> None:
    """oras has a copy of all of an index, and finds that everything is what its digest says."""
    argv = ["oras", "cp", "--to-oci-layout", f"{place.host}/{name}@{entry.digest}", f"{folder}/copy:1"]
    done = subprocess.run(argv, env=place.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Layout(folder / "copy").entries()[0].digest == entry.digest


def whole(place: Place, name: str, layout: Layout, entry: Descriptor) -> None:
    """Everything that the layout has is in the repository, byte for byte."""
    found = repository(place, name, "")
    assert found.manifest(entry.digest) == layout.read_blob(entry.digest)
    for image in layout.images():
        manifest = layout.read_json(image.digest)
        assert found.manifest(image.digest) == layout.read_blob(image.digest)
        for row in (manifest["config"], *manifest["layers"]):
            assert sha256(b"".join(found.blob(row["digest"]))) == row["digest"]


def test_what_is_pushed_is_found_and_not_sent_again(
    place: Place, image: tuple[Layout, Descriptor], tmp_path: Path
) -> None:
    layout, entry = image
    assert push(layout, entry, repository(place, "push/one")).sent == 10
    whole(place, "push/one", layout, entry)
    judged(place, "push/one", entry, tmp_path)
    assert push(layout, entry, repository(place, "push/one")).manifests == ()
    found = push(layout, entry, repository(place, "push/two"), mount_from=("push/one",))
    assert (found.mounted, found.sent) == (10, 0)
    whole(place, "push/two", layout, entry)


def test_a_registry_without_encryption_or_logins(plain_place: Place, image: tuple[Layout, Descriptor]) -> None:
    layout, entry = image
    push(layout, entry, repository(plain_place, "push/plain"))
    whole(plain_place, "push/plain", layout, entry)


@pytest.mark.parametrize("user", ["", "reader"])
def test_others_may_not_push(user: str, place: Place, image: tuple[Layout, Descriptor]) -> None:
    with pytest.raises(Denied, match="push/denied") as caught:
        push(*image, repository(place, "push/denied", user))
    assert f"docker login {place.host}" in caught.value.remedy


def test_tags_move_list_and_go(place: Place, image: tuple[Layout, Descriptor]) -> None:
    layout, entry = image
    mine = repository(place, "push/tags")
    push(layout, entry, mine)
    assert mine.tags() == []
    mine.push_manifest("1", INDEX, layout.read_blob(entry.digest))
    assert (mine.tags(), mine.head("1")) == (["1"], entry)
    assert mine.delete(entry.digest)
    assert (mine.tags(), mine.head("1")) == ([], None)


def test_a_token_that_ends_in_the_middle_is_renewed(
    mortal: Place, tokens: Tokens, image: tuple[Layout, Descriptor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "lifetime", 1)  # second; a registry lets it live for a minute longer
    mine = repository(mortal, "push/tokens")
    push(*image, mine)
    given = len(tokens.given)
    time.sleep(1)
    assert mine.tags() == []
    assert len(tokens.given) > given


def test_a_registry_that_is_killed_at_any_instant(mortal: Place, image: tuple[Layout, Descriptor]) -> None:
    layout, entry = image
    begun = time.monotonic()
    push(layout, entry, repository(mortal, "killed/first"))
    lasts = time.monotonic() - begun
    numbers, hit = random.Random(7), 0  # noqa: S311 - the same instants every time
    for number in range(KILLS):
        instant, name, pushed = numbers.random() * lasts, f"killed/{number}", threading.Event()

        def kill(instant: float = instant, pushed: threading.Event = pushed) -> None:
            nonlocal hit
            time.sleep(instant)
            hit += not pushed.is_set()
            mortal.service.kill()
            time.sleep(0.3)
            mortal.service.start()

        killing = threading.Thread(target=kill)
        killing.start()
        try:
            push(layout, entry, repository(mortal, name))
        finally:
            pushed.set()
            killing.join()
        whole(mortal, name, layout, entry)
        assert repository(mortal, name).tags() == []
    assert hit >= KILLS // 2


PUSHES = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[4:]
from imagemill.mirrors import Mirrors
from imagemill.oci import Layout
from imagemill.registry.push import push
from imagemill.registry.repository import Repository
from imagemill.web import Web
layout = Layout(Path(sys.argv[1]))
push(layout, layout.entries()[0], Repository(Web(Mirrors({})), sys.argv[2]))
"""


def test_a_push_that_is_killed_at_any_instant_is_finished_by_the_next(
    plain_place: Place, image: tuple[Layout, Descriptor]
) -> None:
    layout, entry = image
    numbers = random.Random(7)  # noqa: S311 - the same instants every time
    for number in range(KILLS // 2):
        name = f"{plain_place.host}/ended/{number}"
        process = subprocess.Popen([sys.executable, "-c", PUSHES, layout.path, name, "", *sys.path])
        time.sleep(0.2 + 0.5 * numbers.random())
        process.kill()
        process.wait()
        push(layout, entry, repository(plain_place, f"ended/{number}"))
        whole(plain_place, f"ended/{number}", layout, entry)


def test_a_registry_that_stays_away_is_an_error_in_the_end(
    mortal: Place, image: tuple[Layout, Descriptor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagemill.registry.session.ATTEMPTS", 2)
    mortal.service.kill()
    with pytest.raises(RegistryError, match="refused") as caught:
        push(*image, repository(mortal, "push/away"))
    assert caught.value.transient
    mortal.service.start()
