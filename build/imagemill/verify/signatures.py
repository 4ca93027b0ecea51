"""Checks of who signed an image, under which name, for which platforms, and when it was made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from imagemill.errors import LayoutError
from imagemill.verify.case import Case, plain
from imagemill.verify.claims import provenance_of
from imagemill.verify.verdict import Row

_AHEAD = timedelta(days=1)  # that clocks may differ


def signed(case: Case) -> Iterator[Row]:
    """The index and every platform's manifest are signed by a key that is trusted."""
    for digest, evidence in case.evidence.items():
        about = case.told(digest)
        if evidence.repositories:
            yield Row("signature", about, "pass", f"{digest[:19]} is signed with the key {_shown(case)}")
        else:
            reasons = "; ".join(evidence.reasons) or "nothing is signed"
            remedy = "do not use it, or give the key that its publisher names"
            yield Row("signature", about, "fail", f"{digest} is not signed: {reasons}", remedy)


def named(case: Case) -> Iterator[Row]:
    """It is signed for the repository that was asked for, so that none with a similar name can offer it."""
    for digest, evidence in case.evidence.items():
        names = {plain(name) for name in evidence.repositories}
        if not names:
            continue  # `signed` said so
        about = case.told(digest)
        if plain(case.repository) in names:
            yield Row("name", about, "pass", f"signed for {case.repository}")
        else:
            found = f"signed for {', '.join(sorted(names - {''}))}, not for {case.repository}"
            if names == {""}:
                found = "its signature does not say for which repository it is"
            yield Row("name", about, "fail", found, "ask for it there; for a mirror, set 'signed_as' in the policy")


def complete(case: Case) -> Iterator[Row]:
    """The tag has the image and the platforms that it was published with."""
    platforms = sorted(image.platform for image in case.images)
    wanted: tuple[str, ...] | None = case.policy.platforms or None
    provenance, said = provenance_of(case, case.root.digest)
    if case.tag and provenance is not None:
        published = provenance.tags.get(case.undated)
        if published is None:
            found = f"was published as {', '.join(sorted(provenance.tags)) or 'nothing'}, not as {case.undated}"
            yield Row("tag", case.tag, "fail", found, "the tag points at another image: do not use it")
            return
        yield Row("tag", case.tag, "pass", f"{provenance.image} was published as {case.undated}")
        wanted = published if len(published) == 1 else wanted or published
    elif case.is_index and provenance is not None:
        wanted = wanted or provenance.platforms
    if wanted is None and not case.is_index:
        yield Row("platforms", "", "none", f"{platforms[0]} alone was asked for")
    elif wanted is None:
        remedy = "name them in the policy under 'platforms'"
        yield Row("platforms", "", "fail", f"nothing says which there should be: {said}", remedy)
    elif missing := sorted(set(wanted) - set(platforms)):
        remedy = "somebody has taken them away: do not use it"
        yield Row("platforms", "", "fail", f"{', '.join(missing)} missing, of {', '.join(wanted)}", remedy)
    elif extra := sorted(set(platforms) - set(wanted)) if not case.policy.platforms else []:
        yield Row("platforms", "", "fail", f"{', '.join(extra)} was not published", "do not use it")
    else:
        yield Row("platforms", "", "pass", ", ".join(platforms))


def fresh(case: Case) -> Iterator[Row]:
    """It was not made too long ago, nor in the future."""
    for image in case.images:
        made = created(case, image.digest)
        age = case.now - made
        found = f"made {made:%Y-%m-%d}, {max(age.days, 0)} days ago"
        if age < -_AHEAD:
            yield Row("age", image.platform, "fail", f"made {made:%Y-%m-%d}, in the future", "set the clock right")
        elif case.policy.days is None:
            yield Row("age", image.platform, "none", f"{found}; the policy sets no limit")
        elif age > timedelta(days=case.policy.days):
            remedy = f"take a newer one: the policy takes what is {case.policy.days} days old at most"
            yield Row("age", image.platform, "fail", found, remedy)
        else:
            yield Row("age", image.platform, "pass", found)


def created(case: Case, digest: str) -> datetime:
    """When an image says that it was made. LayoutError where it does not say."""
    image = next(one for one in case.images if one.digest == digest)
    try:
        found = datetime.fromisoformat(str(case.config(image)["created"]))
    except (KeyError, ValueError):
        raise LayoutError(
            f"{image.platform}: the image does not say when it was made", "it is not to be dated"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _shown(case: Case) -> str:
    return " or ".join(key.id[:12] for key in case.keys)
