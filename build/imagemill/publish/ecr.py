"""Amazon ECR: repositories that are made before anything is pushed, kept in order, and logged in to.

ECR takes no push to a repository that nobody made, and its logins are tokens of the AWS API that end after hours. The
AWS API is boto3's, an extra of this package, which is not imported where no destination is in ECR.

Sources: the API references of Amazon ECR (2015-09-21) and Amazon ECR Public (2020-10-30).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from imagemill.errors import PublishError
from imagemill.publish import aws, upkeep
from imagemill.publish.settings import Destination, Ecr

PUBLIC = "public.ecr.aws"
_PUBLIC_REGION = "us-east-1"  # the only one whose API makes public repositories
_LEAST_LIFE = 60.0  # seconds that a token is kept, whatever the clocks say
_AT_ONCE = 8

_PRIVATE = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(-fips)?\.(?P<region>[a-z]{2}[a-z0-9-]*)\.(?P<domain>[a-z0-9.-]+)(:\d+)?"
)
_DOMAINS = ("amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "on.aws", "on.amazonwebservices.com.cn")


class Hosting(Protocol):
    """What a registry wants of who publishes, beyond OCI's protocol."""

    def prepare(self, destination: Destination, repositories: Iterable[str]) -> None:
        """Have repositories, `host/path`, at a destination. Nothing where its registry makes them by itself."""

    def login(self, host: str) -> str:
        """The header for a registry, `Basic …`, good for now: ask again before long. Empty for others' registries."""


@dataclass(frozen=True)
class Account:
    """Whose registry it is: `account` is empty for that of the credentials, `region` for that of the configuration."""

    host: str
    account: str
    region: str
    endpoint: str = ""

    @property
    def public(self) -> bool:
        """Whether it is ECR Public's."""
        return self.host == PUBLIC

    @property
    def names(self) -> dict[str, str]:
        """What calls of the API say of it."""
        return {"registryId": self.account} if self.account else {}


def account_of(host: str, settings: Ecr | None) -> Account | None:
    """Whose ECR a registry is; None where it is none. With `settings` every registry is one.

    Raises PublishError where the settings contradict the name.
    """
    endpoint = (settings.endpoint if settings else None) or ""
    if host == PUBLIC:
        return Account(host, "", _PUBLIC_REGION, endpoint)
    found = _PRIVATE.fullmatch(host)
    if settings is None and (found is None or found["domain"] not in _DOMAINS):
        return None
    region = settings.region if settings else ""
    if found is None:
        return Account(host, "", region, endpoint)
    if region and region != found["region"]:
        raise PublishError(
            f"publish.yaml: {host} is in {found['region']}, and its ecr.region says {region}", "remove ecr.region"
        )
    return Account(host, found["account"], found["region"], endpoint)


@dataclass(frozen=True)
class _Token:
    header: str = field(repr=False)
    renew: float  # by the monotonic clock


class Registries:
    """The registries of some destinations that are in ECR; a Hosting that is silent about all others.

    `clients` makes a client of the AWS API, `say` is told what was made or changed. Threads may share it.
    """

    def __init__(
        self,
        destinations: Iterable[Destination],
        clients: aws.Clients,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._accounts: dict[str, Account] = {}
        for one in destinations:
            account = account_of(one.host, one.ecr)
            if account is not None:
                self._accounts.setdefault(one.host, account)
        self._make = clients
        self._clients: dict[str, Any] = {}
        self._say = say
        self._clock = clock
        self._now = now
        self._prepared: set[str] = set()
        self._tokens: dict[str, _Token] = {}
        self._lock = threading.RLock()

    def prepare(self, destination: Destination, repositories: Iterable[str]) -> None:
        """Make the repositories that are missing, and mend settings of others that have drifted; once each.

        Raises RegistryError where the API refuses, and PublishError for a repository that tags cannot be moved in.
        """
        account = self._accounts.get(destination.host)
        if account is None:
            return
        wanted = destination.ecr or Ecr()
        paths = sorted({name.partition("/")[2] for name in repositories if name not in self._prepared})
        client = self.client(account)
        if account.public:
            for path in paths:
                self._public(client, account, path)
        else:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(lambda path: self._private(client, account, path, wanted), paths))
        self._prepared.update(f"{account.host}/{path}" for path in paths)

    def login(self, host: str) -> str:
        """The header for a registry; empty for one that is not in ECR. It is renewed long before it ends."""
        account = self._accounts.get(host)
        if account is None:
            return ""
        with self._lock:
            token = self._tokens.get(host)
            if token is None or token.renew < self._clock():
                token = self._tokens[host] = self._token(account)
            return token.header

    def client(self, account: Account) -> Any:
        """The client of the AWS API for an account."""
        with self._lock:
            if account.host not in self._clients:
                service = "ecr-public" if account.public else "ecr"
                self._clients[account.host] = self._make(service, account.region, account.endpoint)
            return self._clients[account.host]

    def place(self, destination: Destination) -> tuple[Any, dict[str, str]]:
        """The client for a destination, and how its calls name the repository. PublishError where it is not in ECR."""
        account, path = self._accounts.get(destination.host), destination.to.partition("/")[2]
        if account is None:
            raise PublishError(
                f"{destination.host} is not Amazon ECR, and other registries do not tell what they have without a tag",
                "see its own documentation for how to remove that; never remove all that has no tag: indexes need it",
            )
        name = path.partition("/")[2] if account.public else path
        return self.client(account), {"repositoryName": name, **account.names}

    def _token(self, account: Account) -> _Token:
        client, asked = self.client(account), self._clock()
        with aws.told(f"a login for {account.host}"):
            data = client.get_authorization_token()["authorizationData"]
        found = data if account.public else data[0]  # a private one's is a list
        life = found["expiresAt"].timestamp() - self._now()
        # Base64 of `AWS:password`, which is what the header wants. What is pushed for long asks again in time.
        return _Token(f"Basic {found['authorizationToken']}", asked + max(life * 3 / 4, _LEAST_LIFE))

    def _public(self, client: Any, account: Account, path: str) -> None:
        """ECR Public knows neither scans nor immutable tags nor policies. The first part of a path is an account's."""
        alias, _, name = path.partition("/")
        if not name:
            raise PublishError(f"{account.host}/{path}: no repository", f"write it as {PUBLIC}/ALIAS/REPOSITORY")
        try:
            with aws.told(f"{account.host}/{path}"):
                found = client.describe_repositories(repositoryNames=[name])["repositories"][0]
        except aws.NotFound:
            self._owned(client, alias)
            with aws.told(f"{account.host}/{path}: making it (ecr-public:CreateRepository)"):
                client.create_repository(repositoryName=name)
            self._say(f"made {account.host}/{path}")
            return
        except aws.Denied:
            self._say(f"{account.host}/{path}: whether it is there may not be asked (ecr-public:DescribeRepositories)")
            return
        if not found["repositoryUri"].startswith(f"{PUBLIC}/{alias}/"):
            self._owned(client, alias)

    def _owned(self, client: Any, alias: str) -> None:
        """Raises PublishError for an alias of somebody else: a repository would be made, but under another name."""
        with aws.told(f"aliases of {PUBLIC} (ecr-public:DescribeRegistries)"):
            rows = [
                row for page in client.get_paginator("describe_registries").paginate() for row in page["registries"]
            ]
        mine = sorted({alias["name"] for row in rows for alias in row["aliases"]})
        if mine and alias not in mine:  # none at all: the first repository brings one, which nobody knows before
            raise PublishError(
                f"{PUBLIC}/{alias} is not of this AWS account, whose public registry is {' or '.join(mine)}",
                "correct --to, or use the credentials of the other account",
            )

    def _private(self, client: Any, account: Account, path: str, wanted: Ecr) -> None:
        name = f"{account.host}/{path}"
        words = {"repositoryName": path, **account.names}
        try:
            found = _described(client, account, path)
        except aws.Denied:  # so it is for who may only push; where it is missing, the push says so
            self._say(f"{name}: its settings may not be seen (ecr:DescribeRepositories), and are left alone")
            return
        if found is None:
            self._made(client, name, words)
            found = _described(client, account, path) or {}
        for step in (upkeep.scanning, upkeep.mutability, upkeep.lifecycle):
            try:
                done = step(client, words, found, wanted)
            except aws.Denied as error:
                done = f"left as it is: {error.message}"
            if done:
                self._say(f"{name}: {done}")

    def _made(self, client: Any, name: str, words: dict[str, str]) -> None:
        try:
            with aws.told(f"{name}: making it"):
                client.create_repository(**words)
        except aws.AlreadyThere:  # somebody else was quicker
            return
        self._say(f"made {name}")


def _described(client: Any, account: Account, path: str) -> dict[str, Any] | None:
    try:
        with aws.told(f"{account.host}/{path}"):
            return dict(client.describe_repositories(repositoryNames=[path], **account.names)["repositories"][0])
    except aws.NotFound:
        return None


def registries(destinations: Iterable[Destination], say: Callable[[str], None]) -> Hosting:
    """The ones of destinations, with the credentials that boto3 finds: environment, profile, role."""
    return Registries(destinations, aws.clients(), say)
