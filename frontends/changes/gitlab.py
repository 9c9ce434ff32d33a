"""GitLab's webhooks: with the secret token of the hook (X-Gitlab-Token), or signed as Standard Webhooks are.

https://docs.gitlab.com/user/project/integrations/webhook_events/
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from datetime import datetime

from middlewatch.frontends.changes.pushes import Push, commits_of, heard_of
from middlewatch.frontends.changes.told import Heard, Json, Told, moment, table, text
from middlewatch.records import ChangeKind
from middlewatch.senders import SenderEntry


def decode(body: Json, _headers: Mapping[str, str], sender: SenderEntry, now: datetime) -> Heard:
    """What an event tells; events that are no changes are ignored, and said to be."""
    kind = text(body.get("object_kind"))
    if kind == "deployment":
        return _deployed(body, sender, now)
    if kind == "release":
        return _released(body, now)
    if kind == "push":
        return _pushed(body, sender, now)
    return Heard(ignored=("an event that tells of no change",))


def _deployed(body: Json, sender: SenderEntry, now: datetime) -> Heard:
    if text(body.get("status")) != "success":
        return Heard(ignored=("a deployment that is not done, or failed",))
    environment = text(body.get("environment"))
    if sender.environments and not any(fnmatch.fnmatchcase(environment, glob) for glob in sender.environments):
        return Heard(ignored=("a deployment to an environment that does not count",))
    ref, sha = text(body.get("ref")), text(body.get("short_sha"))
    told = Told(
        reference=f"deployment:{text(body.get('deployment_id')) or text(body.get('deployable_id'))}",
        time=moment(body.get("status_changed_at"), now),
        kind=ChangeKind.DEPLOY,
        called=_called(body, environment=environment),
        version=ref if ref and ref not in {"main", "master"} else sha,
        actor=text(table(body, "user").get("username")),
        description=text(body.get("commit_title")),
        url=text(body.get("deployable_url")),
    )
    return Heard((told,))


def _released(body: Json, now: datetime) -> Heard:
    if text(body.get("action")) != "create":
        return Heard(ignored=("a release that is not published now",))
    told = Told(
        reference=f"release:{text(body.get('id')) or text(body.get('tag'))}",
        time=moment(body.get("released_at"), now),
        kind=ChangeKind.DEPLOY,
        called=_called(body),
        version=text(body.get("tag")),
        description=text(body.get("name")),
        url=text(body.get("url")),
    )
    return Heard((told,))


def _pushed(body: Json, sender: SenderEntry, now: datetime) -> Heard:
    push = Push(
        ref=text(body.get("ref")),
        default_branch=text(table(body, "project").get("default_branch")),
        after=text(body.get("after")),
        commits=commits_of(body),
        called=_called(body),
        time=now,  # it tells when commits were made, not when they were pushed
        actor=text(body.get("user_username")),
        url=text(table(body, "project").get("web_url")),
    )
    return heard_of(push, sender)


def _called(body: Json, **more: str) -> dict[str, str]:
    found = {"repository": text(table(body, "project").get("path_with_namespace")), **more}
    return {name: value for name, value in found.items() if value}
