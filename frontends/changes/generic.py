"""Changes of whatever can send JSON (docs/changes.md), and feature flags in the form of LaunchDarkly's audit log."""

from __future__ import annotations

import re
from datetime import datetime

from middlewatch.change_mapping import counts
from middlewatch.frontends.changes.told import Heard, Json, Told, moment, rows, table, text
from middlewatch.frontends.intake.delivery import Delivery
from middlewatch.records import ChangeKind
from middlewatch.records.errors import BadInput

_RESOURCE = re.compile(r"proj/([^:;]{1,256})(?:;[^:]*)?:env/([^:;]{1,256})(?:;[^:]*)?:flag/([^:;]{1,256})")


def decode(body: Json, delivery: Delivery) -> Heard:
    """The changes of a message: one, or several in `changes`.

    Raises:
        BadInput: one has no service, or another kind than those that there are.
    """
    if "_id" in body and isinstance(body.get("target"), dict):
        return _flag(body, delivery)
    several = body.get("changes")
    if several is not None and not isinstance(several, list):
        raise BadInput("`changes` is no list.", remedy="Send one change, or several as a list in `changes`.")
    own = delivery.headers.get("webhook-id", "") or delivery.headers.get("idempotency-key", "")
    parts = rows(several) if several is not None else [body]
    if several is not None and len(parts) != len(several):
        raise BadInput("`changes` has too many entries, or some that are no change.", remedy="Send at most 200 at once.")
    return Heard(tuple(_told(part, number, own, delivery.now) for number, part in enumerate(parts)))


def _told(part: Json, number: int, message: str, now: datetime) -> Told:
    service, kind = text(part.get("service")), text(part.get("kind")) or ChangeKind.DEPLOY.value
    if not service.strip():
        raise BadInput(f"Change {number + 1} has no `service`.", remedy="Name the service as the telemetry has it.")
    if kind not in {*ChangeKind}:
        raise BadInput(f"Change {number + 1} is of a kind that there is not.", remedy=f"The kinds are {', '.join(ChangeKind)}.")
    version, time = text(part.get("version")), moment(part.get("time"), now)
    own = f"{message}:{number}" if message else f"{kind}:{version}:{time.isoformat()}"
    return Told(
        reference=text(part.get("id")) or own,
        time=time,
        kind=ChangeKind(kind),
        called={"service": service},
        version=version,
        **{name: text(part.get(name)) for name in ("actor", "description", "url", "region", "cluster")},
    )


def _flag(body: Json, delivery: Delivery) -> Heard:
    resources = table(body, "target").get("resources")
    for resource in resources[:10] if isinstance(resources, list) else ():
        found = _RESOURCE.match(text(resource))
        if found is None:
            continue
        project, environment, flag = found.groups()
        if not counts(delivery.entry, environment):
            return Heard(ignored=("a flag of an environment that does not count",))
        told = Told(
            reference=f"flag:{text(body.get('_id'))}",
            time=moment(body.get("date"), delivery.now),
            kind=ChangeKind.FLAG,
            called={"flag": flag, "project": project, "environment": environment},
            version=flag,
            actor=text(table(body, "member").get("email")) or text(table(body, "member").get("_id")),
            description=" ".join(filter(None, (text(body.get("titleVerb")), text(body.get("name"))))) or text(body.get("title")),
        )
        return Heard((told,))
    return Heard(ignored=("an entry that is about no flag",))
