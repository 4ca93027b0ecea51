"""Whatever a reference leads to is judged as the same image: layouts, archives of all kinds, engines, registries."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import zstandard
from conform_images import IMAGES, good_config, good_tree, subject, write_layout
from mirror import Server

from imagemill import dockerconfig, export
from imagemill.cache import Cache
from imagemill.conform import Layers, conform
from imagemill.conform.guess import guessed, named
from imagemill.conform.image import DOCKER_LIST, DOCKER_MANIFEST, images
from imagemill.conform.view import Config, view
from imagemill.errors import IntegrityError, LayoutError, MirrorError, RegistryError, SelectionError
from imagemill.mirrors import Mirrors
from imagemill.oci import INDEX, Layout, canonical, sha256, write_index
from imagemill.references import Places, open_reference
from imagemill.registry.names import HUB, Name, parse
from imagemill.web import Web

NAMES: dict[str, Name | None] = {
    "python": Name(HUB, "library/python", "latest"),
    "lambci/lambda:python3.8": Name(HUB, "lambci/lambda", "python3.8"),
    "docker.io/library/python:3": Name(HUB, "library/python", "3"),
    "public.ecr.aws/lambda/python:3.13": Name("public.ecr.aws", "lambda/python", "3.13"),
    "localhost/x": Name("localhost", "x", "latest"),
    "localhost:5000/a/b:c": Name("localhost:5000", "a/b", "c"),
    "127.0.0.1:5000/a": Name("127.0.0.1:5000", "a", "latest"),
    f"x.y/z:t@sha256:{'0' * 64}": Name("x.y", "z", f"sha256:{'0' * 64}"),
    "UPPER/case": None,
    "a//b": None,
    "a:b:c": None,
    "../up": None,
    "x.y/z@sha256:12": None,
    "": None,
}


@pytest.mark.parametrize("text", NAMES)
def test_names_mean_what_they_mean_to_docker(text: str) -> None:
    assert parse(text) == NAMES[text]


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index over the good image for two platforms."""
    folder = tmp_path_factory.mktemp("images")
    parts = []
    for name in ("linux/amd64", "linux/arm64"):
        about = subject(platform=name)
        place = folder / about.platform.arch
        place.mkdir()
        tree = good_tree(about.image, about.platform)
        made = write_layout(place, good_config(about.image, about.platform), [tree, {}])
        parts.append((made, Layout(made).images()[0]))
    write_index(folder / "index", parts, "both")
    return folder / "index"


def single(layout: Path) -> Path:
    return layout.parent / "amd64" / "layout"


def oci_archive(layout: Path, out: Path) -> Path:
    export.oci(layout, out, ["a/b:c"])
    return out


def docker_archive(layout: Path, out: Path) -> Path:
    export.docker(single(layout), out, ["a/b:c"])
    return out


def packed(make: Callable[[Path, Path], Path], compress: Callable[[bytes], bytes]) -> Callable[[Path, Path], Path]:
    def write(layout: Path, out: Path) -> Path:
        out.write_bytes(compress(make(layout, out).read_bytes()))
        return out

    return write


def old_docker_archive(layout: Path, out: Path) -> Path:
    """As Docker wrote it up to 24: plain layers in folders, one of them a link to another's."""
    found = Layout(single(layout))
    manifest = found.read_json(found.images()[0].digest)
    config = found.read_blob(manifest["config"]["digest"])
    first, second = (gzip.decompress(found.read_blob(row["digest"])) for row in manifest["layers"])
    with tarfile.open(out, "w") as tar:
        for name, data in (("1/layer.tar", first), ("2/layer.tar", second), ("c0nf1g.json", config)):
            add(tar, name, data)
        link = tarfile.TarInfo("3/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../2/layer.tar"
        tar.addfile(link)
        rows = [{"Config": "c0nf1g.json", "RepoTags": None, "Layers": ["1/layer.tar", "3/layer.tar"]}]
        add(tar, "manifest.json", json.dumps(rows).encode())
    return out


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


ARCHIVES: dict[str, tuple[Callable[[Path, Path], Path], int]] = {
    "an oci-archive": (oci_archive, 2),
    "an oci-archive in gzip": (packed(oci_archive, gzip.compress), 2),
    "an oci-archive in zstd": (packed(oci_archive, zstandard.ZstdCompressor().compress), 2),
    "a docker-archive": (docker_archive, 1),
    "a docker-archive in gzip": (packed(docker_archive, gzip.compress), 1),
    "a docker-archive as Docker 24 wrote it": (old_docker_archive, 1),
    "a layout": (lambda layout, out: layout, 2),
}


def places(tmp_path: Path, **other: Any) -> Places:
    web = other.pop("web", None) or Web(Mirrors({}))
    settings = {"login": lambda name: "", "save": None, "say": lambda text: None} | other
    return Places(tmp_path / "scratch", Cache(tmp_path / "cache"), web, **settings)


def failing(layout: Path, scratch: Path) -> list[tuple[str, set[str]]]:
    """The failing checks of each image in a layout."""
    found = []
    with Layers(scratch) as layers:
        for manifest in images(layout):
            about = subject(platform=manifest.platform)
            rows = conform(view(Layout(layout), manifest, layers), about)
            found.append((manifest.platform, {row.check for row in rows if row.status == "fail"}))
    return sorted(found)


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_image_is_the_same_in_every_wrapping(case: str, layout: Path, tmp_path: Path) -> None:
    make, count = ARCHIVES[case]
    opened = open_reference(str(make(layout, tmp_path / "file.tar")), places(tmp_path))
    assert failing(opened, tmp_path / "layers") == [("linux/amd64", set()), ("linux/arm64", set())][:count]


DAMAGED: dict[str, tuple[Mapping[str, Any], str]] = {
    "nothing of ours": ({"readme": "x"}, "neither an oci-archive nor a docker-archive"),
    "a manifest.json that is no JSON": ({"manifest.json": "{"}, "'manifest.json' is not JSON"),
    "a manifest.json of another kind": ({"manifest.json": "{}"}, "no list of images"),
    "an image without a configuration": ({"manifest.json": [{"Layers": []}]}, "names no configuration"),
    "a configuration that is missing": ({"manifest.json": [{"Config": "c", "Layers": []}]}, "has no 'c'"),
    "a configuration above the archive": (
        {"manifest.json": [{"Config": "../../etc/passwd", "Layers": []}]},
        "has no '../../etc/passwd'",
    ),
    "a layer that is missing": ({"manifest.json": [{"Config": "c", "Layers": ["l"]}], "c": {}}, "no layer 'l'"),
    "an index.json that is no JSON": ({"index.json": "x", "oci-layout": "{}"}, "not JSON"),
    "JSON in itself without end": ({"manifest.json": "[" * 100_000}, "not JSON"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_archive_is_an_error_that_says_what(case: str, tmp_path: Path) -> None:
    files, message = DAMAGED[case]
    with tarfile.open(tmp_path / "file.tar", "w") as tar:
        for name, data in files.items():
            add(tar, name, (data if isinstance(data, str) else json.dumps(data)).encode())
    with pytest.raises(LayoutError, match=message):
        open_reference(str(tmp_path / "file.tar"), places(tmp_path))


@pytest.mark.parametrize("data", [b"", b"\x1f\x8b\x08\x00", b"no tar" * 200], ids=["empty", "cut short", "text"])
def test_a_file_that_is_no_archive_is_an_error(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(LayoutError):
        open_reference(str(tmp_path / "file"), places(tmp_path))


def test_a_name_in_the_local_engine_is_saved_from_it(layout: Path, tmp_path: Path) -> None:
    asked = []

    def save(name: str, out: Path) -> bool:
        asked.append(name)
        docker_archive(layout, out)
        return True

    opened = open_reference("mine", places(tmp_path, save=save))
    assert failing(opened, tmp_path / "layers") == [("linux/amd64", set())]
    assert asked == ["mine"]
    assert not list(opened.glob("*.tar"))


def test_what_is_nowhere_is_an_error_that_names_the_ways(tmp_path: Path) -> None:
    for text in ("pyhton3.13", "./missing.tar", "/nowhere", "A"):
        with pytest.raises(SelectionError) as error:
            open_reference(text, places(tmp_path, save=lambda name, out: False))
        assert "imagemill plan" in str(error.value)


class Registry:
    """A registry on loopback with the good image in it."""

    def __init__(self, mirror: Server, layout: Path, listed: str = INDEX) -> None:
        self.mirror = mirror
        self.name = f"{mirror.url.partition('//')[2]}/team/lambda"
        found = Layout(layout)
        rows = []
        for image in found.images():
            manifest = found.read_json(image.digest)
            for row in (manifest["config"], *manifest["layers"]):
                self.put("blobs", found.read_blob(row["digest"]))
            self.put("manifests", found.read_blob(image.digest))
            system, _, arch = image.platform.partition("/")
            platform = {"os": system, "architecture": arch}
            rows.append(
                {"mediaType": image.media_type, "digest": image.digest, "size": image.size, "platform": platform}
            )
        self.single = rows[0]["digest"]
        nobody = {"os": "unknown", "architecture": "unknown"}
        rows.append({"mediaType": DOCKER_MANIFEST, "digest": sha256(b"attested"), "size": 8, "platform": nobody})
        self.index = self.put("manifests", canonical({"schemaVersion": 2, "mediaType": listed, "manifests": rows}))
        mirror.files["/v2/team/lambda/manifests/3"] = mirror.files[f"/v2/team/lambda/manifests/{self.index}"]

    def put(self, kind: str, content: bytes) -> str:
        digest = sha256(content)
        self.mirror.files[f"/v2/team/lambda/{kind}/{digest}"] = content
        return digest

    def places(self, tmp_path: Path, login: str = "") -> Places:
        header = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""
        return places(tmp_path, web=Web(self.mirror.mirrors()), login=lambda name: header)


BOTH = [("linux/amd64", set[str]()), ("linux/arm64", set[str]())]


@pytest.mark.parametrize("listed", [INDEX, DOCKER_LIST])
def test_every_platform_of_a_tag_is_pulled(listed: str, mirror: Server, layout: Path, tmp_path: Path) -> None:
    registry = Registry(mirror, layout, listed)
    opened = open_reference(f"{registry.name}:3", registry.places(tmp_path))
    assert failing(opened, tmp_path / "layers") == BOTH


def test_an_image_is_pulled_by_its_digest(mirror: Server, layout: Path, tmp_path: Path) -> None:
    registry = Registry(mirror, layout)
    opened = open_reference(f"{registry.name}@{registry.single}", registry.places(tmp_path))
    assert [image.digest for image in images(opened)] == [registry.single]


def test_the_registry_is_asked_though_the_engine_has_the_name(mirror: Server, layout: Path, tmp_path: Path) -> None:
    registry = Registry(mirror, layout)
    opened = open_reference(f"docker://{registry.name}:3", registry.places(tmp_path))
    assert failing(opened, tmp_path / "layers") == BOTH


@pytest.mark.parametrize("way", ["basic", "token"])
def test_a_login_goes_where_it_is_asked_for(way: str, mirror: Server, layout: Path, tmp_path: Path) -> None:
    registry = Registry(mirror, layout)
    if way == "basic":
        mirror.logins["/v2/"] = "me:pass"
    else:
        mirror.tokens["/v2/"] = "t0ken"
        mirror.logins["/token"] = "me:pass"
        mirror.files["/token?scope=repository%3Ateam%2Flambda%3Apull&service=here"] = b'{"token": "t0ken"}'
    opened = open_reference(f"{registry.name}:3", registry.places(tmp_path, "me:pass"))
    assert failing(opened, tmp_path / "layers") == BOTH
    with pytest.raises(RegistryError, match="docker login 127"):
        open_reference(f"{registry.name}:3", registry.places(tmp_path / "other", "me:wrong"))


def test_what_a_registry_does_not_have_is_an_error(mirror: Server, layout: Path, tmp_path: Path) -> None:
    registry = Registry(mirror, layout)
    with pytest.raises(SelectionError, match=r"lambda 9 is not there"):
        open_reference(f"{registry.name}:9", registry.places(tmp_path))


@pytest.mark.parametrize("kind", ["manifests", "blobs"])
def test_other_bytes_than_the_digest_s_are_refused(kind: str, mirror: Server, layout: Path, tmp_path: Path) -> None:
    registry = Registry(mirror, layout)
    wanted = f"{registry.name}@{registry.single}"
    manifest = json.loads(mirror.files[f"/v2/team/lambda/manifests/{registry.single}"])
    digest = registry.single if kind == "manifests" else manifest["layers"][0]["digest"]
    mirror.files[f"/v2/team/lambda/{kind}/{digest}"] += b" "
    with pytest.raises(IntegrityError):
        open_reference(wanted, registry.places(tmp_path))


def test_indexes_without_end_are_refused(mirror: Server, layout: Path, tmp_path: Path) -> None:
    registry = Registry(mirror, layout)
    digest, size = registry.single, 1
    for _ in range(8):
        rows = [{"mediaType": INDEX, "digest": digest, "size": size}]
        digest = registry.put("manifests", canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}))
    with pytest.raises(LayoutError, match="too many indexes"):
        open_reference(f"{registry.name}@{digest}", registry.places(tmp_path))


LOGIN = base64.b64encode(b"me:pass").decode()
CONFIGS: dict[str, tuple[Any, str, str]] = {
    "a login": ({"auths": {"r.example.org": {"auth": LOGIN}}}, "r.example.org", f"Basic {LOGIN}"),
    "a login with an address": (
        {"auths": {"https://r.example.org": {"auth": LOGIN}}},
        "r.example.org",
        f"Basic {LOGIN}",
    ),
    "a login for a path": ({"auths": {"r.example.org/a": {"auth": LOGIN}}}, "r.example.org", f"Basic {LOGIN}"),
    "a login for another path": ({"auths": {"r.example.org/b": {"auth": LOGIN}}}, "r.example.org", ""),
    "a login for another host": ({"auths": {"example.org": {"auth": LOGIN}}}, "r.example.org", ""),
    "the Hub's": ({"auths": {"https://index.docker.io/v1/": {"auth": LOGIN}}}, HUB, f"Basic {LOGIN}"),
    "a helper for a host": ({"credHelpers": {"r.example.org": "safe"}}, "r.example.org", f"Basic {LOGIN}"),
    "a store for all": ({"auths": {"r.example.org": {}}, "credsStore": "safe"}, "r.example.org", f"Basic {LOGIN}"),
    "an identity token": (
        {"auths": {"r.example.org": {"auth": "MDAwMDo=", "identitytoken": "abc.def"}}},
        "r.example.org",
        "Refresh abc.def",
    ),
    "an identity token in a helper": ({"credHelpers": {"r.example.org": "token"}}, "r.example.org", "Refresh abc.def"),
    "a helper that knows nothing": ({"credHelpers": {"r.example.org": "none"}}, "r.example.org", ""),
    "nothing": ({}, "r.example.org", ""),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_logins_are_those_of_docker(case: str, tmp_path: Path) -> None:
    data, host, header = CONFIGS[case]
    (tmp_path / "config.json").write_text(json.dumps(data))
    for name, user, secret in (("safe", "me", "pass"), ("token", "<token>", "abc.def")):
        helper = tmp_path / f"docker-credential-{name}"
        helper.write_text(f'#!/bin/sh\ncat > /dev/null\necho \'{{"Username": "{user}", "Secret": "{secret}"}}\'\n')
        helper.chmod(0o755)
    environ = {"DOCKER_CONFIG": str(tmp_path), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert dockerconfig.login(environ, tmp_path, host, "a/b", dockerconfig.helper(environ)) == header


def test_logins_are_those_of_podman_without_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagemill.dockerconfig._RUN", tmp_path)
    file = tmp_path / str(os.getuid()) / "auth.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"auths": {"r.example.org": {"auth": LOGIN}}}))
    assert dockerconfig.login({}, tmp_path, "r.example.org", "a", lambda name, place: {}) == f"Basic {LOGIN}"
    session = {"XDG_RUNTIME_DIR": str(tmp_path / "session")}
    assert dockerconfig.login(session, tmp_path, "r.example.org", "a", lambda name, place: {}) == ""


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (["notary.example.org:4443", "r.example.org"], "notary.example.org:4443"),
        (["https://notary.example.org:4443", "r.example.org"], "https://notary.example.org:4443"),
        (["notary.example.org", "r.example.org"], "r.example.org"),
        (["other.example.org"], ""),
    ],
)
def test_a_notary_may_have_a_login_of_its_own(kept: list[str], expected: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {name: {"auth": f"of {name}"} for name in kept}}))
    environ = {"DOCKER_CONFIG": str(tmp_path), "PATH": "/nonexistent"}
    found = dockerconfig.login_for_notary(environ, "https://notary.example.org:4443", "r.example.org/a/b")
    assert found == (f"Basic of {expected}" if expected else "")


def test_a_damaged_docker_configuration_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(MirrorError, match=r"config\.json is not JSON"):
        dockerconfig.login({"DOCKER_CONFIG": str(tmp_path)}, tmp_path, "h", "p", lambda name, place: {})


def config(entrypoint: str = "", user: str = "", labels: Mapping[str, str] | None = None, **env: str) -> Config:
    words = (entrypoint,) if entrypoint else ()
    return Config("linux", "amd64", env, words, (), user, "/var/task", labels or {}, ())


OURS = {"io.imagemill.runtime": "python3.13", "io.imagemill.variant": "build", "io.imagemill.base": "debian-trixie"}
GUESSES: dict[str, tuple[str, Config, str]] = {
    "by labels": ("x", config(labels=OURS), "build-python3.13-debian"),
    "by the environment": (
        "x",
        config("/var/rapid/init", AWS_EXECUTION_ENV="AWS_Lambda_nodejs24.x"),
        "nodejs24.x-debian",
    ),
    "AWS's own by its name": (
        "public.ecr.aws/lambda/python:3.13",
        config("/lambda-entrypoint.sh"),
        "serve-python3.13-debian",
    ),
    "AWS's for one architecture": (
        "public.ecr.aws/lambda/nodejs:24-arm64",
        config("/lambda-entrypoint.sh", AWS_EXECUTION_ENV="AWS_Lambda_nodejs24.x"),
        "serve-nodejs24.x-debian",
    ),
    "docker-lambda's by its tag": ("lambci/lambda:python3.13", config("/var/rapid/init"), "python3.13-debian"),
    "docker-lambda's for builds": ("lambci/lambda:build-python3.13", config(), "build-python3.13-debian"),
}


@pytest.mark.parametrize("case", GUESSES)
def test_what_an_image_wants_to_be_is_guessed(case: str) -> None:
    name, found, expected = GUESSES[case]
    assert guessed(name, found, list(IMAGES.values())).name == expected


VAGUE: dict[str, tuple[str, Config, str]] = {
    "no runtime": ("alpine", config("/lambda-entrypoint.sh"), "which runtime it is"),
    "no variant": ("lambci/lambda:python3.13", config("/bin/app"), "whether it is for run, build or serve"),
    "a runtime that is not planned": (
        "x",
        config("/var/rapid/init", AWS_EXECUTION_ENV="AWS_Lambda_cobol85"),
        "what cobol85/run should be",
    ),
}


@pytest.mark.parametrize("case", VAGUE)
def test_what_cannot_be_guessed_is_asked_for(case: str) -> None:
    name, found, message = VAGUE[case]
    with pytest.raises(SelectionError, match=message) as error:
        guessed(name, found, list(IMAGES.values()))
    assert "--as python3.13/serve" in str(error.value)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("python3.13/serve", "serve-python3.13-debian"),
        ("python3.13", "python3.13-debian"),
        ("build-nodejs24.x", "build-nodejs24.x-debian"),
    ],
)
def test_what_it_is_can_be_said(word: str, name: str) -> None:
    assert named(word, list(IMAGES.values())).name == name
    with pytest.raises(SelectionError, match="--as"):
        named(f"{word}/x", list(IMAGES.values()))
