"""The AWS API: clients of boto3, and its errors as ours."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from imagemill.errors import PublishError, RegistryError

Clients = Callable[[str, str, str], Any]
"""Makes a client of a service, in a region (empty: the one that is configured), at an endpoint (empty: AWS's)."""

_NOT_FOUND = {"RepositoryNotFoundException", "LifecyclePolicyNotFoundException"}
_DENIED = {"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"}
_UNKNOWN = {"InvalidParameterException", "ValidationException", "SerializationException", "UnsupportedCommandException"}
_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_PASSING = {"ServerException", "InternalFailure", "LimitExceededException", "RequestTimeout", "ServiceUnavailable",
            "ThrottlingException", "Throttling", "TooManyRequestsException"}  # fmt: skip


class NotFound(RegistryError):
    """What was asked for is not there."""


class AlreadyThere(RegistryError):
    """What was to be made is there."""


class Denied(RegistryError):
    """The credentials are good, but not for this."""


class Unknown(RegistryError):
    """A service that does not take what was asked of it, because it is older or only resembles AWS's."""


def clients() -> Clients:
    """Clients of boto3, with its credentials, configuration and retries."""
    lock = threading.Lock()
    sessions: list[Any] = []

    def make(service: str, region: str, endpoint: str) -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ImportError:
            raise PublishError(
                "Amazon ECR is reached with boto3, which is not installed",
                "run `.venv/bin/python -m pip install boto3` (it is this package's extra `ecr`)",
            ) from None
        config = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5})
        with lock, told(f"the AWS API for {service}"):
            if not sessions:
                sessions.append(boto3.Session())
            return sessions[0].client(service, region_name=region or None, endpoint_url=endpoint or None, config=config)

    return make


@contextmanager
def told(what: str) -> Iterator[None]:
    """Errors of boto3 inside the block become RegistryErrors that begin with `what`; they never hold credentials."""
    from botocore import exceptions as boto  # whoever has a client has it

    try:
        yield
    except boto.ClientError as error:
        raise _of(what, error.response) from None
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError,
            boto.TokenRetrievalError, boto.ProfileNotFound) as error:  # fmt: skip
        raise RegistryError(
            f"{what}: {error}", "log in to AWS (`aws sso login`, a role, AWS_PROFILE or AWS_ACCESS_KEY_ID …)"
        ) from None
    except boto.NoRegionError:
        raise RegistryError(
            f"{what}: no region is known", "write the ecr.region of the destination into publish.yaml"
        ) from None
    except (
        boto.EndpointConnectionError,
        boto.ConnectTimeoutError,
        boto.ReadTimeoutError,
        boto.HTTPClientError,
    ) as error:
        raise RegistryError(
            f"{what}: {error}", "see whether there is such a region, and a way to it", transient=True
        ) from None
    except boto.BotoCoreError as error:
        raise RegistryError(f"{what}: {error}", "see the configuration of AWS (~/.aws/config)") from None


def _of(what: str, response: dict[str, Any]) -> RegistryError:
    """The error of an answer. Its text is AWS's, which names who asked and what for, and no secrets."""
    error = response.get("Error", {})
    code, words = str(error.get("Code", "")), str(error.get("Message", ""))
    message = f"{what}: {code}: {words}" if words else f"{what}: {code}"
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _NOT_FOUND:
        return NotFound(message, "see whether the repository's name is right")
    if code == "RepositoryAlreadyExistsException":
        return AlreadyThere(message)
    if code in _DENIED:
        return Denied(message, "allow the action to who publishes, or do it by hand")
    if code in _CREDENTIALS:
        return RegistryError(message, "log in to AWS again; see whether the clock is right, too")
    if code in _UNKNOWN:
        return Unknown(message, "see whether the destination is written as its registry wants it")
    transient = code in _PASSING or status >= 500
    return RegistryError(message, "try again later" if transient else "see AWS's own words", transient=transient)
