"""Kubernetes events, as `kubectl get events -o json`, a watch or an exporter gives them: one event, a list, or watch events.

Rollouts of Deployments are deploys, scaling and autoscaling are scale, upgrades of Helm releases by Flux are deploys. What a pod
goes through (back-off, probes, kills) is an effect and no change, and is ignored.
https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from middlewatch.frontends.changes.told import MOST, Heard, Json, Told, moment, rows, table, text
from middlewatch.frontends.intake.delivery import Delivery
from middlewatch.records import ChangeKind

_SCALED = re.compile(
    r"Scaled (up|down) replica set ([a-z0-9.-]{1,253}) (?:from ([0-9]{1,9}) )?to ([0-9]{1,9})(?: from ([0-9]{1,9}))?", re.ASCII
)
_RESIZED = re.compile(r"New size: ([0-9]{1,9})", re.ASCII)
_RELEASED = frozenset({"UpgradeSucceeded", "InstallSucceeded", "RollbackSucceeded"})


def decode(body: Json, delivery: Delivery) -> Heard:
    """What the events of a message tell."""
    found, ignored = [], 0
    for event in _events(body):
        told = _told(event, delivery.now)
        if told is None:
            ignored += 1
        else:
            found.append(told)
    why = (f"{ignored} that tell of no change",) if ignored else ()
    return Heard(tuple({told.reference: told for told in reversed(found)}.values())[::-1], why)


def _events(body: Json) -> Iterator[Json]:
    items = rows(body.get("items")) if isinstance(body.get("items"), list) else [body]
    for item in items[:MOST]:
        yield table(item, "object") or item


class _Change(Protocol):
    """Makes a change of an event."""

    def __call__(self, sort: ChangeKind, reference: str, version: str = "") -> Told: ...


def _told(event: Json, now: datetime) -> Told | None:
    about = table(event, "involvedObject") or table(event, "regarding")
    kind, reason, name = text(about.get("kind")), text(event.get("reason")), text(about.get("name"))
    message = text(event.get("message")) or text(event.get("note"))
    series = table(event, "series").get("lastObservedTime")
    when = series or event.get("lastTimestamp") or event.get("eventTime") or event.get("deprecatedLastTimestamp")
    time = moment(when or table(event, "metadata").get("creationTimestamp"), now)
    uid = text(about.get("uid")) or f"{text(about.get('namespace'))}/{name}"
    called = {kind.lower() or "object": name, "namespace": text(about.get("namespace")), "name": name}
    called = {key: value for key, value in called.items() if value}

    def change(sort: ChangeKind, reference: str, version: str = "") -> Told:
        controller = text(table(event, "source").get("component")) or text(event.get("reportingComponent"))
        return Told(reference, time, sort, called, version=version, actor=controller, description=message)

    if not name:
        return None
    if kind == "Deployment" and reason == "ScalingReplicaSet" and (scaled := _SCALED.match(message)):
        return _scaling(scaled, f"{uid}:{time:%Y-%m-%dT%H}", change, name)
    if kind == "HorizontalPodAutoscaler" and reason == "SuccessfulRescale" and (resized := _RESIZED.match(message)):
        return change(ChangeKind.SCALE, f"{uid}:{time.isoformat()}", resized[1])
    if kind == "HelmRelease" and reason in _RELEASED:
        return change(ChangeKind.DEPLOY, f"{uid}:{reason}:{time.isoformat()}")
    return None


def _scaling(scaled: re.Match[str], at: str, change: _Change, deployment: str) -> Told | None:
    """A set of replicas that begins is a new version; one that ends is the old one's end, and is told with it."""
    way, replicas, before, size, before_last = scaled.groups()
    began = before if before is not None else before_last
    if way == "up" and began in {None, "0"}:
        return change(ChangeKind.DEPLOY, f"rollout:{at}:{replicas}", replicas.removeprefix(f"{deployment}-"))
    if size == "0":
        return None
    return change(ChangeKind.SCALE, f"scale:{at}:{replicas}:{size}", size)
