"""Logins that end while something is pushed, and identity tokens in place of passwords."""

from __future__ import annotations

from pathlib import Path

import pytest
from registry_images import NAME, Make, basic, layout_in, whole_in
from small_registry import LOGIN, Fault, Request, SmallRegistry

from imagemill.mirrors import Mirrors
from imagemill.registry.faults import Denied
from imagemill.registry.login import Given
from imagemill.registry.push import push
from imagemill.registry.repository import Repository
from imagemill.web import Web

_WEB = Web(Mirrors({}))


def repository(registry: SmallRegistry, login: Given) -> Repository:
    return Repository(_WEB, f"{registry.host}/{NAME}", login, lambda _: None)


def ending(registry: SmallRegistry, after: int) -> None:
    """Have the password change after so many uploads, and all tokens end."""

    def count(request: Request) -> Fault | None:
        if request.method == "PUT" and len(registry.asked("PUT")) >= after and registry.login == LOGIN:
            registry.login = "me:new"
            registry.expire()
        return None

    registry.fault = count


@pytest.mark.parametrize("auth", ["basic", "token"])
def test_a_login_that_ends_amid_a_push_is_asked_for_again(auth: str, make: Make, tmp_path: Path) -> None:
    registry, (layout, entry) = make(auth), layout_in(tmp_path)
    ending(registry, 3)
    push(layout, entry, repository(registry, lambda: basic(registry.login)))
    assert whole_in(registry, layout) and registry.login == "me:new"


@pytest.mark.parametrize("auth", ["basic", "token"])
def test_a_login_that_ends_and_cannot_be_renewed_is_an_error(auth: str, make: Make, tmp_path: Path) -> None:
    registry, (layout, entry) = make(auth), layout_in(tmp_path)
    ending(registry, 3)
    with pytest.raises(Denied):
        push(layout, entry, repository(registry, basic(registry.login)))


def test_an_identity_token_is_exchanged_for_tokens(make: Make, tmp_path: Path) -> None:
    registry, (layout, entry) = make("token"), layout_in(tmp_path)
    registry.refresh = "abc+/=&def"
    push(layout, entry, repository(registry, "Refresh abc+/=&def"))
    assert whole_in(registry, layout)
    assert registry.asked("GET", "/token") == []
    asked = registry.asked("POST", "/token")
    assert asked and not any("abc" in row for row in asked)  # it is in no address
    assert not any("abc" in one.headers.get("Authorization", "") for one in registry.requests)


def test_a_wrong_identity_token_is_an_error_that_does_not_show_it(make: Make, tmp_path: Path) -> None:
    registry, (layout, entry) = make("token"), layout_in(tmp_path)
    registry.refresh = "right"
    with pytest.raises(Denied) as caught:
        push(layout, entry, repository(registry, "Refresh s3cret"))
    assert "s3cret" not in str(caught.value)


def test_an_identity_token_is_no_password(make: Make, tmp_path: Path) -> None:
    registry, (layout, entry) = make("basic"), layout_in(tmp_path)
    with pytest.raises(Denied):
        push(layout, entry, repository(registry, "Refresh s3cret"))
    assert not any("s3cret" in one.headers.get("Authorization", "") for one in registry.requests)
