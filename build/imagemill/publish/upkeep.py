"""The settings of a repository in Amazon ECR: what is not as wanted is mended, what others arranged is left to them.

Each function looks at one setting, changes it where need be, and returns what it did in words; empty for nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from imagemill.errors import PublishError
from imagemill.publish import aws
from imagemill.publish.settings import Ecr

DATED = "20*-*"
"""Tags that begin with a date, `20261121-python3.13`: what ECR matches with `*` knows no digits."""
RULE = "imagemill: what no tag points at"
_MOST_FILTERS = 5


def scanning(client: Any, words: Mapping[str, str], repository: Mapping[str, Any], wanted: Ecr) -> str:
    """Whether ECR looks for known vulnerabilities in what is pushed. A registry's own rules for that come first."""
    there = bool((repository.get("imageScanningConfiguration") or {}).get("scanOnPush"))
    if there == wanted.scan_on_push:
        return ""
    with aws.told("ecr:PutImageScanningConfiguration"):
        client.put_image_scanning_configuration(**words, imageScanningConfiguration={"scanOnPush": wanted.scan_on_push})
    return f"scan on push is {'on' if wanted.scan_on_push else 'off'}"


def mutability(client: Any, words: Mapping[str, str], repository: Mapping[str, Any], wanted: Ecr) -> str:
    """Which tags ECR itself refuses to move: with `immutable_dates` those of dates.

    Raises PublishError where it refuses to move any: publishing moves tags, and to allow that is the owner's to do.
    """
    kind = repository.get("imageTagMutability", "MUTABLE")
    filters = [row["filter"] for row in repository.get("imageTagMutabilityExclusionFilters") or []]
    if kind == "IMMUTABLE":
        raise PublishError(
            f"{repository['repositoryUri']} lets no tag be moved (IMMUTABLE), so only dated ones could be published",
            "set it to MUTABLE in ECR: dated tags are made immutable then",
        )
    if not wanted.immutable_dates or kind == "IMMUTABLE_WITH_EXCLUSION" or DATED in filters:
        return ""  # who made all tags immutable but some knows which
    if len(filters) == _MOST_FILTERS:
        return "dated tags stay mutable in ECR: all of its filters are in use"
    rows = [{"filterType": "WILDCARD", "filter": one} for one in (*filters, DATED)]
    try:
        with aws.told("ecr:PutImageTagMutability"):
            client.put_image_tag_mutability(
                **words, imageTagMutability="MUTABLE_WITH_EXCLUSION", imageTagMutabilityExclusionFilters=rows
            )
    except aws.Unknown:
        return "dated tags stay mutable in ECR, which does not know otherwise here; imagemill does not move them"
    return "dated tags are immutable"


def lifecycle(client: Any, words: Mapping[str, str], repository: Mapping[str, Any], wanted: Ecr) -> str:
    """The rule by which ECR removes leftovers of images that were published again.

    ECR keeps what an index names, and what has a subject, as long as those are there.
    Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html
    """
    try:
        with aws.told("ecr:GetLifecyclePolicy"):
            before = client.get_lifecycle_policy(**words)["lifecyclePolicyText"]
    except aws.NotFound:
        before = '{"rules": []}'
    after = with_rule(before, wanted.keep_untagged_days)
    if not after:
        return ""
    with aws.told("ecr:PutLifecyclePolicy"):
        client.put_lifecycle_policy(**words, lifecyclePolicyText=after)
    return f"what has no tag goes after {wanted.keep_untagged_days} days"


def with_rule(policy: str, days: int) -> str:
    """A lifecycle policy with our rule in it; empty where it is, or another rule for what has no tag.

    The rules of others keep their order, and come after it: one for everything has to be the last.
    """
    rules = json.loads(policy)["rules"]
    others = [rule for rule in rules if rule.get("description") != RULE]
    if any(rule["selection"]["tagStatus"] == "untagged" for rule in others):
        return ""
    selection = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": days}
    mine = {"rulePriority": 1, "description": RULE, "selection": selection, "action": {"type": "expire"}}
    if any(rule["selection"] == selection for rule in rules if rule not in others):
        return ""
    free = 0 if all(rule["rulePriority"] > 1 for rule in others) else 1
    moved = [{**rule, "rulePriority": rule["rulePriority"] + free} for rule in others]
    return json.dumps({"rules": [mine, *sorted(moved, key=lambda rule: int(rule["rulePriority"]))]})
