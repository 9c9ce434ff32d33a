"""Argo CD's notifications: a webhook with our template (docs/changes.md) and a bearer token.

https://argo-cd.readthedocs.io/en/stable/operator-manual/notifications/services/webhook/
"""

from __future__ import annotations

from middlewatch.frontends.changes.told import MOST, Heard, Json, Told, moment, text
from middlewatch.frontends.intake.delivery import Delivery
from middlewatch.records import ChangeKind


def decode(body: Json, delivery: Delivery) -> Heard:
    """What a notification tells: a sync that is done is a deploy, from when it began on."""
    application = text(body.get("application"))
    if not application:
        return Heard(ignored=("a notification without the application; see the template in docs/changes.md",))
    if text(body.get("phase")) != "Succeeded":
        return Heard(ignored=("a sync that is not done, or failed",))
    revision, images = text(body.get("revision")), body.get("images")
    tags = [text(image) for image in images[:MOST]] if isinstance(images, list) else []
    called = {name: text(body.get(name)) for name in ("application", "namespace", "project", "destination")}
    told = Told(
        reference=f"sync:{application}:{revision}:{text(body.get('started_at')) or text(body.get('finished_at'))}",
        time=moment(body.get("started_at") or body.get("finished_at"), delivery.now),
        kind=ChangeKind.DEPLOY,
        called={name: value for name, value in called.items() if value},
        version=_version(tags) or revision[:12],
        actor=text(body.get("initiated_by")),
        description=", ".join(tags[:5]) or text(body.get("message")),
        url=text(body.get("url")),
        cluster=text(body.get("cluster")),
    )
    return Heard((told,))


def _version(images: list[str]) -> str:
    """The tag of the only image; of several none is the application's version."""
    tags = {image.rsplit(":", 1)[-1] for image in images if ":" in image.rsplit("/", 1)[-1] and "@" not in image}
    return tags.pop() if len(tags) == 1 else ""
