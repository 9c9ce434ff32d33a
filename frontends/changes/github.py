"""GitHub's webhooks: signed with HMAC-SHA256 over the body (X-Hub-Signature-256).

https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

from middlewatch.change_mapping import counts
from middlewatch.frontends.changes.pushes import Push, commits_of, heard_of
from middlewatch.frontends.changes.told import Heard, Json, Told, moment, table, text
from middlewatch.frontends.intake.delivery import Delivery
from middlewatch.records import ChangeKind


def decode(body: Json, delivery: Delivery) -> Heard:
    """What an event tells; events that are no changes are ignored, and said to be."""
    event = delivery.headers.get("x-github-event", "")
    if event == "deployment_status":
        return _deployed(body, delivery)
    if event == "release":
        return _released(body, delivery)
    if event == "push":
        return _pushed(body, delivery)
    if event == "deployment":
        return Heard(ignored=("a deployment that was asked for; its status says when it is done",))
    return Heard(ignored=("an event that tells of no change",))


def _deployed(body: Json, delivery: Delivery) -> Heard:
    status, deployment = table(body, "deployment_status"), table(body, "deployment")
    if text(status.get("state")) != "success":
        return Heard(ignored=("a deployment that is not done, or failed",))
    environment = text(status.get("environment")) or text(deployment.get("environment"))
    if not counts(delivery.entry, environment):
        return Heard(ignored=("a deployment to an environment that does not count",))
    told = Told(
        reference=f"deployment:{text(deployment.get('id')) or text(status.get('id'))}",
        time=moment(status.get("created_at"), delivery.now),
        kind=ChangeKind.DEPLOY,
        called=_called(body, environment=environment, task=text(deployment.get("task"))),
        version=_version(deployment),
        actor=text(table(deployment, "creator").get("login")) or text(table(body, "sender").get("login")),
        description=text(deployment.get("description")) or text(status.get("description")),
        url=text(status.get("log_url")) or text(status.get("target_url")),
    )
    return Heard((told,))


def _released(body: Json, delivery: Delivery) -> Heard:
    release = table(body, "release")
    if text(body.get("action")) != "published":
        return Heard(ignored=("a release that is not published now",))
    told = Told(
        reference=f"release:{text(release.get('id')) or text(release.get('tag_name'))}",
        time=moment(release.get("published_at"), delivery.now),
        kind=ChangeKind.DEPLOY,
        called=_called(body),
        version=text(release.get("tag_name")),
        actor=text(table(release, "author").get("login")),
        description=text(release.get("name")),
        url=text(release.get("html_url")),
    )
    return Heard((told,))


def _pushed(body: Json, delivery: Delivery) -> Heard:
    repository = table(body, "repository")
    push = Push(
        ref=text(body.get("ref")),
        default_branch=text(repository.get("default_branch")),
        after=text(body.get("after")),
        commits=commits_of(body),
        called=_called(body),
        time=moment(repository.get("pushed_at"), delivery.now),
        actor=text(table(body, "pusher").get("name")),
        url=text(body.get("compare")),
    )
    return heard_of(push, delivery.entry)


def _called(body: Json, **more: str) -> dict[str, str]:
    found = {"repository": text(table(body, "repository").get("full_name")), **more}
    return {name: value for name, value in found.items() if value}


def _version(deployment: Json) -> str:
    """What a team puts into the payload, else the branch or tag, else the commit."""
    given, ref, sha = table(deployment, "payload").get("version"), text(deployment.get("ref")), text(deployment.get("sha"))
    return text(given) or (ref if ref and ref not in {sha, "main", "master"} else sha[:12])
