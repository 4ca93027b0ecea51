"""Publishing: names, what is refused, and an order that leaves no tag unsigned or torn, whenever it is ended."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from msgspec import structs
from signed_images import Key

from imagemill.attest.publickey import PublicKey
from imagemill.attest.statement import PROVENANCE, Statement
from imagemill.conform.finding import Finding
from imagemill.dist import Artifact, Built, Dist
from imagemill.errors import ManifestError, PublishError, RegistryError
from imagemill.load import load
from imagemill.oci import INDEX, MANIFEST, Descriptor, sha256
from imagemill.plan import Image, plan, select
from imagemill.publish import gate, names, order, record, settings
from imagemill.publish.names import Place
from imagemill.reports.summary import Behaviour, Judged, Report

ROOT = Path(__file__).parents[2]
PLATFORMS = ("linux/amd64", "linux/arm64")


def image(name: str) -> Image:
    [found] = select(plan(load(ROOT)), [name])
    return found


def artifact(name: str, seed: str = "") -> Artifact:
    """What a build would have recorded of an image."""
    planned = image(name)
    built = {
        platform: Built(
            sha256(f"{name} {platform} {seed}".encode()), 1000, "sha256:" + "c" * 64,
            tuple(f"{tag}-{platform.partition('/')[2]}" for tag in planned.tags),
        )
        for platform in PLATFORMS
    }  # fmt: skip
    return Artifact(
        planned.name, planned.tags, sha256(f"{name} {seed}".encode()), 7, built, "inputs", "embedded", "exact"
    )


def placed(name: str, to: str = "ghcr.io/acme/lambda", *, seed: str = "", date: str = "20261121") -> list[Place]:
    destination = settings.destinations(settings.Settings(), (to,))[0]
    made = artifact(name, seed)
    platforms = [Descriptor(MANIFEST, built.digest, 5, platform) for platform, built in made.platforms.items()]
    return list(names.places(made, Descriptor(INDEX, made.digest, 7), platforms, image(name), destination, date))


# --- settings and names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("destinations: [{to: lambda}]", "write it as REGISTRY/REPOSITORY"),
        ("destinations: [{to: ghcr.io/acme/lambda:1}]", "write it as REGISTRY/REPOSITORY"),
        ("destinations: [{to: ghcr.io/acme/lambda, alias: true}]", "did you mean 'aliases'?"),
        ("destinations: [{to: g.io/a/b, trust: {server: 'https://n', static: d}}]", "keep one"),
        ("destinations: [{to: g.io/a/b, ecr: {keep_untagged_days: many}}]", "keep_untagged_days"),
    ],
)
def test_settings_that_are_wrong_are_told_by_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / settings.FILE).write_text(text)
    with pytest.raises(ManifestError, match=r"publish\.yaml") as caught:
        settings.read(tmp_path)
    assert message in str(caught.value)


def test_destinations_are_those_of_the_settings_or_those_asked_for(tmp_path: Path) -> None:
    assert settings.read(tmp_path) == settings.Settings()
    (tmp_path / settings.FILE).write_text(
        "destinations: [{to: ghcr.io/acme/lambda, aliases: false}, {to: docker.io/acme/lambda}]"
    )
    found = settings.read(tmp_path)
    assert [one.to for one in settings.destinations(found, ())] == ["ghcr.io/acme/lambda", "docker.io/acme/lambda"]
    [one] = settings.destinations(found, ("ghcr.io/acme/lambda",))
    assert not one.aliases
    [one] = settings.destinations(found, ("127.0.0.1:5000/lambda",))
    assert one.aliases
    with pytest.raises(PublishError, match="nowhere"):
        settings.destinations(settings.Settings(), ())
    with pytest.raises(PublishError, match="no repository"):
        settings.destinations(found, ("lambda:latest",))


def test_an_image_has_dated_tags_those_of_platforms_its_own_and_aliases_beside_it() -> None:
    own, *beside = placed("python3.13")
    assert [tag.name for tag in own.tags] == [
        "20261121-python3.13-debian",
        "20261121-python3.13",
        "python3.13-debian-amd64",
        "python3.13-amd64",
        "python3.13-debian-arm64",
        "python3.13-arm64",
        "python3.13-debian",
        "python3.13",
    ]
    assert [tag.fixed for tag in own.tags] == [True, True, *[False] * 6]
    assert {str(tag) for place in beside for tag in place.tags} == {
        "ghcr.io/acme/lambda-python:3.13",
        "ghcr.io/acme/lambda-python:20261121-3.13",
        "ghcr.io/acme/lambda/python:3.13",
        "ghcr.io/acme/lambda/python:20261121-3.13",
    }


def test_aliases_of_other_variants_say_so_and_the_hub_has_no_repositories_below_others() -> None:
    aliases = {str(tag) for place in placed("build-python3.13")[1:] for tag in place.tags}
    assert "ghcr.io/acme/lambda-python:build-3.13" in aliases
    assert {place.repository for place in placed("python3.13", "docker.io/acme/lambda")} == {
        "docker.io/acme/lambda",
        "docker.io/acme/lambda-python",
    }


@pytest.mark.parametrize("date", ["2026-11-21", "", "20261121.", "tomorrow"])
def test_a_date_is_one(date: str) -> None:
    with pytest.raises(PublishError, match="no date"):
        names.check_date(date)
    assert names.check_date("20261121.2") == "20261121.2"


# --- what is refused


def report_on(one: Artifact) -> Report:
    images = tuple(Judged(one.name, platform, built.digest) for platform, built in one.platforms.items())
    checks = [(platform, check) for platform in one.platforms for check in ("environment", "running.commands")]
    findings = tuple(Finding(one.name, platform, check, "pass", "", "", "a fact") for platform, check in checks)
    return Report(findings, images, "0.1.0")


@dataclass(frozen=True)
class Refused:
    """What is wrong with an artifact or a report, and the words for it."""

    words: str
    artifact: Callable[[Artifact], Artifact] = lambda one: one
    report: Callable[[Report], Report] = lambda one: one
    holds: bool = True


REFUSED = {
    "half an index": Refused(
        "has no linux/arm64", lambda one: replace(one, platforms={"linux/amd64": one.platforms["linux/amd64"]})
    ),
    "not in dist": Refused("is not in", holds=False),
    "old inputs": Refused("other inputs", lambda one: replace(one, input_hash="older")),
    "an aged lock": Refused("not made from the lock alone", lambda one: replace(one, lock="aged")),
    "no report": Refused("no report on", report=lambda one: structs.replace(one, images=())),
    "a report on other bytes": Refused(
        "no report on",
        report=lambda one: structs.replace(
            one, images=tuple(structs.replace(judged, digest="sha256:00") for judged in one.images)
        ),
    ),
    "a finding": Refused(
        "fails environment",
        report=lambda one: structs.replace(
            one, findings=(*one.findings[1:], structs.replace(one.findings[0], status="fail"))
        ),
    ),
    "nothing checked": Refused(
        "no check of it that passes",
        report=lambda one: structs.replace(
            one, findings=tuple(structs.replace(f, status="skip") for f in one.findings)
        ),
    ),
    "judged and never run": Refused(
        "was never run",
        report=lambda one: structs.replace(
            one,
            findings=tuple(
                structs.replace(f, status="skip") if f.check == "running.commands" else f for f in one.findings
            ),
        ),
    ),
    "a function that fails": Refused(
        "fails the function unicode",
        report=lambda one: structs.replace(
            one,
            behaviours=(
                Behaviour(
                    "python3.13", one.images[0].image, one.images[0].platform, one.images[0].digest, "unicode", "fail"
                ),
            ),
        ),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_may_not_be_published_is_refused_with_its_reason(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, good = REFUSED[case], artifact("python3.13")
    monkeypatch.setattr(Dist, "holds", lambda *_, **__: refused.holds)
    dist = Dist(tmp_path)
    changed = refused.artifact(good)
    dist.write({good.name: changed})
    report = refused.report(report_on(good))
    with pytest.raises(PublishError, match="nothing was sent") as caught:
        gate.admitted([image("python3.13")], dist, report, {good.name: "inputs"})
    assert refused.words in str(caught.value) and good.name in str(caught.value)


def test_what_is_whole_and_judged_is_admitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = artifact("python3.13")
    monkeypatch.setattr(Dist, "holds", lambda *_, **__: True)
    dist = Dist(tmp_path)
    dist.write({good.name: good})
    wanted = [image("python3.13")]
    assert gate.admitted(wanted, dist, report_on(good), {good.name: "inputs"}) == {good.name: good}
    unrun = REFUSED["judged and never run"].report(report_on(good))
    assert gate.admitted(wanted, dist, unrun, {good.name: "inputs"}, allow_unrun=True) == {good.name: good}
    with pytest.raises(PublishError, match="was not built"):
        gate.admitted([image("build-python3.13")], dist, report_on(good), {})


# --- the order


class Ended(BaseException):
    """The run is killed here."""


@dataclass
class World:
    """Registries, a notary, and a count of what is asked of them, which may end the run or break a step."""

    tags: dict[str, str] = field(default_factory=dict)
    manifests: set[tuple[str, str]] = field(default_factory=set)
    signed: set[tuple[str, str]] = field(default_factory=set)
    trusted: dict[str, str] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    steps: int = 0
    ends_at: int = -1
    broken: Callable[[str, str], bool] = lambda step, what: False
    moves: Callable[[World], None] | None = None

    def step(self, name: str, what: str) -> None:
        self.steps += 1
        if self.steps == self.ends_at:
            raise Ended
        if self.broken(name, what):
            raise RegistryError(f"{name} {what} fails", "try again")

    def means(self) -> order.Means:
        return order.Means(
            lambda name: Repository(self, name), self.push, self.sign, self.trust, self.check,
            lambda _, digest: (INDEX, digest.encode()), lambda _: None,
        )  # fmt: skip

    def push(self, place: Place, outcome: order.Outcome) -> None:
        for one in (*place.platforms, place.index):  # the index last, as registries want it
            self.step("push", place.index.digest)
            self.manifests.add((place.repository, one.digest))

    def sign(self, place: Place, outcome: order.Outcome) -> list[Statement]:
        for one in place.digests:
            self.step("sign", place.index.digest)
            assert (place.repository, one.digest) in self.manifests
            self.signed.add((place.repository, one.digest))
        return [Statement({place.index.digest: place.repository}, PROVENANCE, {})]

    def check(self, place: Place, said: Sequence[Statement]) -> None:
        assert place.index.digest in said[0].subjects
        self.step("check", place.index.digest)
        assert all((place.repository, one.digest) in self.signed for one in place.digests)

    def trust(self, repository: str, targets: Mapping[str, Descriptor]) -> None:
        self.step("trust", repository)
        self.trusted |= {f"{repository}:{tag}": one.digest for tag, one in targets.items()}

    def sound(self) -> None:
        """What must hold at every instant."""
        for name, digest in self.tags.items():
            repository = name.rpartition(":")[0]
            assert (repository, digest) in self.manifests, f"{name} points at nothing"
            assert (repository, digest) in self.signed, f"{name} is not signed"
            assert name in self.trusted, f"{name} is not signed for Docker Content Trust"


@dataclass(frozen=True)
class Repository:
    """One repository of a world."""

    world: World
    name: str

    def there(self, reference: str) -> Descriptor | None:
        digest = self.world.tags.get(f"{self.name}:{reference}", "")
        return Descriptor(INDEX, digest, 7) if digest else None

    def manifest(self, reference: str) -> bytes:
        raise AssertionError("worlds know when an image was made")

    def push_manifest(self, reference: str, media_type: str, data: bytes) -> Descriptor:
        assert media_type in (INDEX, MANIFEST)
        if self.world.moves is not None:
            self.world.moves(self.world)
        self.world.step("tag", f"{self.name}:{reference}")
        self.world.tags[f"{self.name}:{reference}"] = data.decode()
        return Descriptor(media_type, data.decode(), 7)


def run(world: World, places: list[Place], **options: bool) -> list[order.Outcome]:
    means = world.means()

    def made(digest: str) -> str:
        return world.made.get(digest, "2026-11-21T00:00:00Z")

    seen = order.look(places, means.repository, lambda _, digest: world.made.get(digest, ""), made, set(), **options)
    return order.publish(places, seen, means)


def test_a_run_that_is_killed_at_any_instant_leaves_no_unsigned_tag_and_the_next_one_finishes() -> None:
    places = [*placed("python3.13"), *placed("serve-python3.13")]
    whole = World()
    assert not order.failed(run(whole, places))
    whole.sound()
    assert set(whole.tags) == {str(tag) for place in places for tag in place.tags}
    for instant in range(1, whole.steps + 1):
        world = World(ends_at=instant)
        with pytest.raises(Ended):
            run(world, places)
        world.sound()
        world.ends_at = -1
        assert not order.failed(run(world, places))
        world.sound()
        assert world.tags == whole.tags


def test_a_second_run_moves_nothing() -> None:
    places, world = placed("python3.13"), World()
    assert {state for one in run(world, places) for state in one.tags.values()} == {"new"}
    world.broken = lambda step, _: step == "tag"
    outcomes = run(world, places)
    assert not order.failed(outcomes)
    assert {state for one in outcomes for state in one.tags.values()} == {"there"}


@pytest.mark.parametrize("step", ["push", "sign", "check"])
def test_what_fails_for_one_image_keeps_its_tags_only_from_moving(step: str) -> None:
    good, bad = placed("python3.13")[:1], placed("serve-python3.13")[:1]
    world = World(broken=lambda name, what: (name, what) == (step, bad[0].index.digest))
    outcomes = run(world, [*bad, *good])
    assert [bool(one.error) for one in outcomes] == [True, False]
    assert order.failed(outcomes)[0].startswith("ghcr.io/acme/lambda serve-python3.13-debian")
    world.sound()
    assert set(world.tags) == {str(tag) for tag in good[0].tags}


def test_a_notary_that_fails_keeps_all_tags_of_its_repository_from_moving() -> None:
    world = World(broken=lambda step, what: (step, what) == ("trust", "ghcr.io/acme/lambda-python"))
    outcomes = run(world, placed("python3.13"))
    assert {one.place.repository for one in outcomes if one.error} == {"ghcr.io/acme/lambda-python"}
    world.sound()
    assert not any(name.startswith("ghcr.io/acme/lambda-python") for name in world.tags)


def test_a_tag_that_somebody_else_moves_meanwhile_is_left_to_them() -> None:
    places, world = placed("python3.13")[:1], World()
    run(world, placed("python3.13", seed="older", date="20261120")[:1])
    world.made = {digest: "2026-11-20T00:00:00Z" for _, digest in world.manifests}
    theirs = sha256(b"theirs")

    def others(world: World) -> None:
        world.tags["ghcr.io/acme/lambda:python3.13"] = theirs
        world.manifests.add(("ghcr.io/acme/lambda", theirs))
        world.signed.add(("ghcr.io/acme/lambda", theirs))

    world.moves = others
    [outcome] = run(world, places)
    assert "somebody else publishes" in outcome.error
    assert world.tags["ghcr.io/acme/lambda:python3.13"] == theirs
    world.sound()


@pytest.mark.parametrize(
    ("made", "refused"),
    [
        ("2026-11-20T00:00:00Z", ""),
        ("2026-11-21T00:00:00Z", ""),
        ("2026-11-22T00:00:00Z", "later than ours"),
        ("", "not released from here"),
    ],
)
def test_a_tag_that_is_newer_is_moved_only_when_told(made: str, refused: str) -> None:
    world = World()
    run(world, placed("python3.13", seed="there", date="20261120"))
    world.made = {digest: made for _, digest in world.manifests}
    places = placed("python3.13")
    world.made |= {one.digest: "2026-11-21T00:00:00Z" for place in places for one in place.digests}
    if refused:
        with pytest.raises(PublishError, match=refused):
            run(world, places)
        assert not order.failed(run(world, places, newer=True))
    else:
        assert not order.failed(run(world, places))
    world.sound()
    assert world.tags["ghcr.io/acme/lambda:python3.13"] == places[0].index.digest


def test_dated_tags_are_never_moved() -> None:
    world = World()
    run(world, placed("python3.13", seed="morning"))
    with pytest.raises(PublishError, match="never moved") as caught:
        run(world, placed("python3.13", seed="evening"), newer=True)
    assert "20261121-python3.13-debian" in str(caught.value)
    assert not order.failed(run(world, placed("python3.13", seed="evening", date="20261121.1"), newer=True))


# --- the record


def released(digest: str, *tags: str) -> record.Released:
    return record.Released(digest, {"linux/amd64": "sha256:aa"}, {"linux/amd64": 5}, "inputs", "lock", tags)


def release(**images: record.Released) -> record.Release:
    return record.Release(record.FORMAT, "20261121", "0.1.0", "f00", images)


def test_a_record_is_added_to_and_its_signature_is_of_its_bytes(tmp_path: Path) -> None:
    key = Key()
    path = record.write(tmp_path, release(a=released("sha256:1", "r/x:a")), key)
    record.write(tmp_path, release(a=released("sha256:1", "q/x:a"), b=released("sha256:2")), key)
    found = record.read(path)
    assert found.images["a"].tags == ("q/x:a", "r/x:a") and set(found.images) == {"a", "b"}
    signature = base64.b64decode(path.with_name(f"{path.name}.sig").read_bytes())
    assert PublicKey(key.public_key).verifies(signature, path.read_bytes())
    assert record.known_digests(tmp_path) == {"sha256:1", "sha256:2"}
    assert json.loads(path.read_bytes())["format"] == record.FORMAT


def test_a_record_never_says_two_things_of_a_date(tmp_path: Path) -> None:
    path = record.write(tmp_path, release(a=released("sha256:1")), None)
    before = path.read_bytes()
    with pytest.raises(PublishError, match="give another --date"):
        record.write(tmp_path, release(a=released("sha256:2")), None)
    assert path.read_bytes() == before
    path.write_text("{")
    with pytest.raises(PublishError, match="no record of a release"):
        record.read(path)
