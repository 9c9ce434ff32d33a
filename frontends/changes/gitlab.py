"""GitLab's webhooks: with the secret token of the hook (X-Gitlab-Token), or signed as Standard Webhooks are.

https://docs.gitlab.com/user/project/integrations/webhook_events/
"""

from __future__ import annotations

from middlewatch.change_mapping import counts
from middlewatch.frontends.changes.pushes import Push, commits_of, heard_of
from middlewatch.frontends.changes.told import Heard, Json, Told, moment, table, text
from middlewatch.frontends.intake.delivery import Delivery
from middlewatch.records import ChangeKind


def decode(body: Json, delivery: Delivery) -> Heard:
    """What an event tells; events that are no changes are ignored, and said to be."""
    kind = text(body.get("object_kind"))
    if kind == "deployment":
        return _deployed(body, delivery)
    if kind == "release":
        return _released(body, delivery)
    if kind == "push":
        return _pushed(body, delivery)
    return Heard(ignored=("an event that tells of no change",))


def _deployed(body: Json, delivery: Delivery) -> Heard:
    if text(body.get("status")) != "success":
        return Heard(ignored=("a deployment that is not done, or failed",))
    environment = text(body.get("environment"))
    if not counts(delivery.entry, environment):
        return Heard(ignored=("a deployment to an environment that does not count",))
    ref, sha = text(body.get("ref")), text(body.get("short_sha"))
    told = Told(
        reference=f"deployment:{text(body.get('deployment_id')) or text(body.get('deployable_id'))}",
        time=moment(body.get("status_changed_at"), delivery.now),
        kind=ChangeKind.DEPLOY,
        called=_called(body, environment=environment),
        version=ref if ref and ref not in {"main", "master"} else sha,
        actor=text(table(body, "user").get("username")),
        description=text(body.get("commit_title")),
        url=text(body.get("deployable_url")),
    )
    return Heard((told,))


def _released(body: Json, delivery: Delivery) -> Heard:
    if text(body.get("action")) != "create":
        return Heard(ignored=("a release that is not published now",))
    told = Told(
        reference=f"release:{text(body.get('id')) or text(body.get('tag'))}",
        time=moment(body.get("released_at"), delivery.now),
        kind=ChangeKind.DEPLOY,
        called=_called(body),
        version=text(body.get("tag")),
        description=text(body.get("name")),
        url=text(body.get("url")),
    )
    return Heard((told,))


def _pushed(body: Json, delivery: Delivery) -> Heard:
    push = Push(
        ref=text(body.get("ref")),
        default_branch=text(table(body, "project").get("default_branch")),
        after=text(body.get("after")),
        commits=commits_of(body),
        called=_called(body),
        time=delivery.now,  # it tells when commits were made, not when they were pushed
        actor=text(body.get("user_username")),
        url=text(table(body, "project").get("web_url")),
    )
    return heard_of(push, delivery.entry)


def _called(body: Json, **more: str) -> dict[str, str]:
    found = {"repository": text(table(body, "project").get("path_with_namespace")), **more}
    return {name: value for name, value in found.items() if value}
