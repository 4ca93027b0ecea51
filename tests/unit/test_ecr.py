"""Amazon ECR by its API, as moto plays it: repositories made and mended, logins, and what is refused."""

from __future__ import annotations

import base64
import builtins
import datetime
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from imagemill.errors import ManifestError, PublishError, RegistryError
from imagemill.publish import ecr, settings, upkeep
from imagemill.publish.settings import Destination, Ecr

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
TO = Destination(f"{HOST}/acme/lambda")
INDEX = "application/vnd.oci.image.index.v1+json"


SESSION = boto3.Session("AKIAEXAMPLE", "s3cret-key", region_name="us-east-1")  # one: each reads the API's description


def clients(service: str, region: str, endpoint: str) -> Any:
    return SESSION.client(service, region_name=region, endpoint_url=endpoint or None)


class Said(list[str]):
    """What a run said."""

    def __call__(self, line: str) -> None:
        self.append(line)


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def api() -> Iterator[Any]:
    """ECR of an account in which nothing is, as a client sees it."""
    with mock_aws():
        yield clients("ecr", "eu-west-1", "")


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A machine on which nobody is logged in to AWS."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_REGION",
                 "AWS_REGION"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def registries(said: Said, to: Destination = TO) -> ecr.Registries:
    return ecr.Registries([to], clients, said)


def repository(api: Any, name: str = "acme/lambda") -> Mapping[str, Any]:
    found: Mapping[str, Any] = api.describe_repositories(repositoryNames=[name])["repositories"][0]
    return found


def rules(api: Any, name: str = "acme/lambda") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(api.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"])[
        "rules"
    ]
    return found


def put(api: Any, tag: str, number: int) -> None:
    text = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"n": str(number)}})
    api.put_image(repositoryName="acme/lambda", imageManifest=text, imageTag=tag, imageDigest=f"sha256:{number:064x}")


# --- whose registry it is ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "given", "expected"),
    [
        (HOST, None, ("123456789012", "eu-west-1")),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", None, ("123456789012", "cn-north-1")),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", None, ("123456789012", "us-gov-west-1")),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", None, ("123456789012", "eu-west-1")),
        ("public.ecr.aws", None, ("", "us-east-1")),
        ("000000000000.dkr.ecr.us-east-1.localhost.localstack.cloud:4566", Ecr(), ("000000000000", "us-east-1")),
        ("000000000000.dkr.ecr.us-east-1.localhost.localstack.cloud:4566", None, None),
        ("127.0.0.1:5000", Ecr(region="us-east-1"), ("", "us-east-1")),
        ("127.0.0.1:5000", None, None),
        ("ghcr.io", None, None),
        (f"{HOST}.example.net", None, None),
        ("12345.dkr.ecr.eu-west-1.amazonaws.com", None, None),
    ],
)
def test_whose_registry_it_is_follows_from_its_name(
    host: str, given: Ecr | None, expected: tuple[str, str] | None
) -> None:
    found = ecr.account_of(host, given)
    assert (found and (found.account, found.region)) == expected


@pytest.mark.parametrize(
    ("endpoint", "good"),
    [
        ("http://localhost:4566", True),
        ("https://vpce-1.api.ecr.eu-west-1.vpce.amazonaws.com", True),
        ("localhost:4566", False),
        ("https://me:password@host", False),
    ],
)
def test_endpoints_are_addresses_without_logins(endpoint: str, good: bool, tmp_path: Path) -> None:
    (tmp_path / "publish.yaml").write_text(f"destinations:\n- to: {TO.to}\n  ecr: {{endpoint: '{endpoint}'}}\n")
    if good:
        (found,) = settings.read(tmp_path).destinations
        assert ecr.account_of(found.host, found.ecr) == ecr.Account(HOST, "123456789012", "eu-west-1", endpoint)
    else:
        with pytest.raises(ManifestError, match="endpoint"):
            settings.read(tmp_path)


def test_a_wrong_region_is_refused() -> None:
    with pytest.raises(PublishError, match=r"is in eu-west-1, and its ecr.region says us-east-1"):
        ecr.account_of(HOST, Ecr(region="us-east-1"))


def test_other_registries_are_left_alone_without_boto3(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    without_boto3(monkeypatch)
    to = Destination("ghcr.io/acme/lambda")
    found = ecr.registries([to], said)
    found.prepare(to, ["ghcr.io/acme/lambda"])
    assert found.login("ghcr.io") == "" and said == []


def without_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def importing(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] in ("boto3", "botocore"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", importing)


def test_without_boto3_the_error_says_what_to_install(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    without_boto3(monkeypatch)
    with pytest.raises(PublishError, match="pip install boto3"):
        ecr.registries([TO], said).login(HOST)


# --- repositories -----------------------------------------------------------------------------------------


def test_missing_repositories_are_made_in_the_registrys_region(api: Any, said: Said) -> None:
    registries(said).prepare(TO, [TO.to, f"{HOST}/lambda-python", TO.to])
    assert sorted(said)[-2:] == [f"made {HOST}/acme/lambda", f"made {HOST}/lambda-python"]
    for name in ("acme/lambda", "lambda-python"):
        found = repository(api, name)
        assert found["imageScanningConfiguration"] == {"scanOnPush": True}
        assert found["imageTagMutability"] == "MUTABLE_WITH_EXCLUSION"
        assert found["imageTagMutabilityExclusionFilters"] == [{"filterType": "WILDCARD", "filter": upkeep.DATED}]
        (rule,) = rules(api, name)
        assert rule["selection"] == {
            "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14,
        }  # fmt: skip


def test_what_is_as_wanted_is_kept(api: Any, said: Said) -> None:
    registries(said).prepare(TO, [TO.to])
    before = repository(api), rules(api)
    said.clear()
    registries(said).prepare(TO, [TO.to])
    assert said == [] and (repository(api), rules(api)) == before


def test_what_has_drifted_is_mended_and_said(api: Any, said: Said) -> None:
    registries(said).prepare(TO, [TO.to])
    said.clear()
    api.put_image_scanning_configuration(repositoryName="acme/lambda", imageScanningConfiguration={"scanOnPush": False})
    api.put_image_tag_mutability(
        repositoryName="acme/lambda",
        imageTagMutability="MUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "v*"}],
    )
    api.delete_lifecycle_policy(repositoryName="acme/lambda")
    registries(said, Destination(TO.to, ecr=Ecr(keep_untagged_days=3))).prepare(
        Destination(TO.to, ecr=Ecr(keep_untagged_days=3)), [TO.to]
    )
    assert said == [
        f"{TO.to}: scan on push is on",
        f"{TO.to}: dated tags are immutable",
        f"{TO.to}: what has no tag goes after 3 days",
    ]
    filters = repository(api)["imageTagMutabilityExclusionFilters"]
    assert [row["filter"] for row in filters] == ["v*", upkeep.DATED]  # the other one is its owner's
    assert rules(api)[0]["selection"]["countNumber"] == 3


def test_settings_that_are_not_wanted_are_not_made(api: Any, said: Said) -> None:
    to = Destination(TO.to, ecr=Ecr(scan_on_push=False, immutable_dates=False))
    registries(said, to).prepare(to, [to.to])
    assert repository(api)["imageTagMutability"] == "MUTABLE"
    assert not repository(api)["imageScanningConfiguration"]["scanOnPush"]


def test_who_arranged_immutable_tags_but_some_keeps_that(api: Any, said: Said) -> None:
    api.create_repository(
        repositoryName="acme/lambda",
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "*python*"}],
    )
    registries(said).prepare(TO, [TO.to])
    assert repository(api)["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"


def test_a_repository_whose_tags_cannot_be_moved_is_refused(api: Any, said: Said) -> None:
    api.create_repository(repositoryName="acme/lambda", imageTagMutability="IMMUTABLE")
    with pytest.raises(PublishError, match="lets no tag be moved"):
        registries(said).prepare(TO, [TO.to])


def test_dated_tags_are_refused_by_ecr_and_others_move(api: Any, said: Said) -> None:
    registries(said).prepare(TO, [TO.to])
    put(api, "20261121-python3.13", 1)
    with pytest.raises(ClientError, match="AlreadyExists"):
        put(api, "20261121-python3.13", 2)
    for tag in ("python3.13", "build-python3.13", "python3.13-amd64", "sha256-" + "20" * 32, "3.13"):
        put(api, tag, 3)
        put(api, tag, 4)


def test_a_service_that_knows_no_exclusions_is_told_of_and_used(api: Any, said: Said) -> None:
    class Old:
        """ECR as it was before."""

        def __getattr__(self, name: str) -> Any:
            if name == "put_image_tag_mutability":
                return lambda **words: api.put_image_tag_mutability(**{**words, "imageTagMutability": "NEW"})
            return getattr(api, name)

    ecr.Registries([TO], lambda *where: Old(), said).prepare(TO, [TO.to])
    assert "dated tags stay mutable in ECR" in "\n".join(said)
    assert repository(api)["imageTagMutability"] == "MUTABLE"


def test_somebody_elses_rules_keep_their_order_after_ours() -> None:
    other = {"rulePriority": 1, "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 9},
             "action": {"type": "expire"}}  # fmt: skip
    text = upkeep.with_rule(json.dumps({"rules": [other]}), 14)
    first, second = json.loads(text)["rules"]
    assert (first["description"], first["rulePriority"]) == (upkeep.RULE, 1)
    assert second == {**other, "rulePriority": 2}
    assert upkeep.with_rule(text, 14) == ""
    newer = json.loads(upkeep.with_rule(text, 7))["rules"]
    assert [rule["rulePriority"] for rule in newer] == [1, 2] and newer[0]["selection"]["countNumber"] == 7


def test_somebody_elses_rule_for_what_has_no_tag_stays_alone() -> None:
    other = {"rulePriority": 5, "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan",
             "countNumber": 1}, "action": {"type": "expire"}}  # fmt: skip
    assert upkeep.with_rule(json.dumps({"rules": [other]}), 14) == ""


# --- what may go wrong ------------------------------------------------------------------------------------


def refusing(code: str, *calls: str) -> Any:
    """A client of which some calls are answered with an error, and all others by moto."""
    client = clients("ecr", "eu-west-1", "")

    def refuse(params: Any, model: Any, **rest: Any) -> Any:
        class Answer:
            status_code = 400

        return Answer(), {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 400}}

    for call in calls:
        client.meta.events.register(f"before-call.ecr.{call}", lambda model, params, **rest: refuse(params, model))
    return client


@pytest.mark.parametrize(
    ("code", "call", "told"),
    [
        ("AccessDeniedException", "CreateRepository", r"making it: AccessDeniedException: no\n  allow the action"),
        ("ExpiredTokenException", "DescribeRepositories", "log in to AWS again"),
        ("UnrecognizedClientException", "DescribeRepositories", "log in to AWS again"),
        ("LimitExceededException", "CreateRepository", "try again later"),
    ],
)
def test_refusals_say_what_to_do(api: Any, said: Said, code: str, call: str, told: str) -> None:
    client = refusing(code, call)
    with pytest.raises(RegistryError, match=told) as error:
        ecr.Registries([TO], lambda *where: client, said).prepare(TO, [TO.to])
    assert "s3cret-key" not in str(error.value) and "AKIAEXAMPLE" not in str(error.value)
    assert error.value.transient is (code == "LimitExceededException")


def test_who_may_only_push_is_told_and_goes_on(api: Any, said: Said) -> None:
    client = refusing("AccessDeniedException", "DescribeRepositories")
    ecr.Registries([TO], lambda *where: client, said).prepare(TO, [TO.to])
    assert said == [f"{TO.to}: its settings may not be seen (ecr:DescribeRepositories), and are left alone"]


def test_settings_that_may_not_be_changed_are_left(api: Any, said: Said) -> None:
    client = refusing("AccessDeniedException", "PutLifecyclePolicy")
    ecr.Registries([TO], lambda *where: client, said).prepare(TO, [TO.to])
    assert f"{TO.to}: left as it is: ecr:PutLifecyclePolicy: AccessDeniedException: no" in said


def test_two_that_make_the_same_repository_at_once_both_go_on(api: Any, said: Said) -> None:
    class Slow:
        """Sees no repository the first time that it looks."""

        looked = False

        def __getattr__(self, name: str) -> Any:
            if name == "describe_repositories" and not self.looked:
                self.looked = True
                return lambda **words: api.describe_repositories(repositoryNames=["not-yet"])
            return getattr(api, name)

    api.create_repository(repositoryName="acme/lambda")
    slow = Slow()
    ecr.Registries([TO], lambda *where: slow, said).prepare(TO, [TO.to])
    assert f"made {TO.to}" not in said and f"{TO.to}: dated tags are immutable" in said


def test_no_credentials(nowhere: None, said: Said) -> None:
    with pytest.raises(RegistryError, match=r"a login for 1234.*\n  log in to AWS"):
        ecr.registries([TO], said).login(HOST)


def test_no_region(nowhere: None, said: Said) -> None:
    to = Destination("registry.example.net/lambda", ecr=Ecr())
    with pytest.raises(RegistryError, match=r"no region is known\n  write the ecr.region"):
        ecr.registries([to], said).login("registry.example.net")


def test_a_region_that_does_not_answer_may_pass(said: Said) -> None:
    to = Destination(TO.to, ecr=Ecr(endpoint="http://127.0.0.1:9"))
    client = SESSION.client("ecr", endpoint_url="http://127.0.0.1:9", config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(RegistryError, match="see whether there is such a region") as error:
        ecr.Registries([to], lambda *where: client, said).login(HOST)
    assert error.value.transient


# --- logins -----------------------------------------------------------------------------------------------


class Clock:
    """A clock that is set by hand: `at` is seconds."""

    at = 1000.0

    def __call__(self) -> float:
        return self.at


class Issuer:
    """A client that gives logins that end after some hours, and counts them."""

    def __init__(self, clock: Clock, hours: float = 12, public: bool = False) -> None:
        self.clock, self.hours, self.public, self.given = clock, hours, public, 0

    def get_authorization_token(self) -> dict[str, Any]:
        self.given += 1
        ends = datetime.datetime.fromtimestamp(self.clock.at + self.hours * 3600, datetime.UTC)
        row = {"authorizationToken": base64.b64encode(f"AWS:{self.given}".encode()).decode(), "expiresAt": ends}
        return {"authorizationData": row if self.public else [row]}


@pytest.mark.parametrize("host", [HOST, ecr.PUBLIC])
def test_a_login_is_renewed_long_before_it_ends(said: Said, host: str) -> None:
    clock = Clock()
    issuer = Issuer(clock, public=host == ecr.PUBLIC)
    found = ecr.Registries([Destination(f"{host}/a/b")], lambda *where: issuer, said, clock, clock)
    first = found.login(host)
    assert base64.b64decode(first.removeprefix("Basic ")) == b"AWS:1"
    clock.at += 8.9 * 3600
    assert found.login(host) == first
    clock.at += 0.2 * 3600
    assert base64.b64decode(found.login(host).removeprefix("Basic ")) == b"AWS:2"
    assert first not in repr(found.__dict__)


def test_a_login_that_seems_to_be_over_is_used_for_a_minute(said: Said) -> None:
    """Clocks differ; and moto's logins ended in 2015."""
    clock = Clock()
    issuer = Issuer(clock, hours=-3)
    found = ecr.Registries([TO], lambda *where: issuer, said, clock, clock)
    assert found.login(HOST) == found.login(HOST) and issuer.given == 1


def test_the_login_is_the_one_that_the_api_gives(api: Any, said: Said) -> None:
    header = registries(said).login(HOST)
    assert base64.b64decode(header.removeprefix("Basic ")) == b"AWS:123456789012-auth-token"


# --- ECR Public -------------------------------------------------------------------------------------------


def public(answers: list[tuple[str, dict[str, Any] | str]]) -> tuple[Any, Stubber]:
    """A client of ECR Public that gives these answers, in order; a text is the code of an error."""
    client = clients("ecr-public", "us-east-1", "")
    stub = Stubber(client)
    for call, answer in answers:
        if isinstance(answer, str):
            stub.add_client_error(call, answer)
        else:
            stub.add_response(call, answer)
    stub.activate()
    return client, stub


def _registry(*aliases: str) -> dict[str, Any]:
    rows = [
        {"name": name, "status": "ACTIVE", "primaryRegistryAlias": True, "defaultRegistryAlias": False}
        for name in aliases
    ]
    one = {"registryId": "123456789012", "registryArn": "a", "registryUri": "u", "verified": False, "aliases": rows}
    return {"registries": [one]}


def test_a_public_repository_is_made_below_an_alias_of_ones_own(said: Said) -> None:
    to = Destination("public.ecr.aws/acme/lambda")
    client, stub = public([
        ("describe_repositories", "RepositoryNotFoundException"),
        ("describe_registries", _registry("acme")),
        ("create_repository", {}),
    ])  # fmt: skip
    ecr.Registries([to], lambda *where: client, said).prepare(to, [to.to])
    assert said == ["made public.ecr.aws/acme/lambda"]
    stub.assert_no_pending_responses()


def test_a_public_repository_of_others_is_refused(said: Said) -> None:
    to = Destination("public.ecr.aws/others/lambda")
    client, _ = public([
        ("describe_repositories", "RepositoryNotFoundException"),
        ("describe_registries", _registry("acme", "x1y2z3")),
    ])  # fmt: skip
    with pytest.raises(PublishError, match="is not of this AWS account, whose public registry is acme or x1y2z3"):
        ecr.Registries([to], lambda *where: client, said).prepare(to, [to.to])


def test_a_public_repository_that_is_there_is_kept(said: Said) -> None:
    to = Destination("public.ecr.aws/acme/lambda")
    answer = {"repositories": [{"repositoryName": "lambda", "repositoryUri": "public.ecr.aws/acme/lambda"}]}
    client, stub = public([("describe_repositories", answer)])
    ecr.Registries([to], lambda *where: client, said).prepare(to, [to.to])
    assert said == []
    stub.assert_no_pending_responses()


def test_public_repositories_are_below_an_alias(said: Said) -> None:
    to = Destination("public.ecr.aws/lambda")
    with pytest.raises(PublishError, match=r"write it as public\.ecr\.aws/ALIAS/REPOSITORY"):
        ecr.Registries([to], lambda *where: None, said).prepare(to, [to.to])


def test_public_repositories_are_made_in_their_one_region(said: Said) -> None:
    asked: list[tuple[str, str, str]] = []
    to = Destination("public.ecr.aws/acme/lambda")
    found = ecr.Registries([to], lambda *where: asked.append(where) or Issuer(Clock(), public=True), said)  # type: ignore[func-returns-value]
    found.login(ecr.PUBLIC)
    assert asked == [("ecr-public", "us-east-1", "")]
