"""Which service an alert is about: by rules, by labels that name one, or by a name that occurs in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from middlewatch.records import AlertMessage
from middlewatch.records.quoting import quoted
from middlewatch.senders import SERVICE_LABELS, MapRule

POD_LABELS: Final = (
    "pod",
    "pod_name",
    "k8s.pod.name",
    "kubernetes_pod_name",
    "replicaset",
    "k8s.replicaset.name",
    "container",
    "host",
)
MOST_NAMED: Final = 5
"""Services that are named where they are too many to choose from."""
_SAFE: Final = "[bcdfghjklmnpqrstvwxz2456789]"
_HASHES: Final = re.compile(rf"(?P<name>.+?)(?:-(?:[0-9a-f]{{6,10}}|{_SAFE}{{8,10}}))?(?:-{_SAFE}{{5}}|-\d{{1,4}})")
"""A pod is called after its deployment with one or two suffixes, of the template and of the pod, or with a number. Kubernetes makes
them of these letters (apimachinery's rand.SafeEncodeString), older ones of hexadecimal digits."""
_WORD: Final = re.compile(r"[^\s\"'`(){}\[\]<>,;:=|!?]+")


@dataclass(frozen=True, slots=True)
class NamingRules:
    """What a sender's configuration says."""

    map: Sequence[MapRule] = ()
    labels: Sequence[str] = SERVICE_LABELS


def _nothing(_text: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class KnownServices:
    """The services that there are."""

    seen: AbstractSet[str] = frozenset()
    """By telemetry."""
    named: Callable[[str], str] = field(default=_nothing)
    """The declared service of a name or alias; empty where there is none."""

    def of(self, text: str) -> str:
        """The one that a text names; empty where it names none."""
        return (self.named(text) or (text if text in self.seen else "")) if text else ""


def service_of(message: AlertMessage, rules: NamingRules, known: KnownServices) -> tuple[str, str]:
    """The service that an alert is about.

    Args:
        message: what its sender says of it.
        rules: of that sender.
        known: which services there are.

    Returns:
        The service, and why that one; an empty one where it maps to none or to several, and why not.
    """
    for number, rule in enumerate(rules.map, start=1):
        if all(label in message.labels and fnmatchcase(message.labels[label], pattern) for label, pattern in rule.match.items()):
            return known.of(rule.service) or rule.service, f"rule {number} of its sender: {', '.join(sorted(rule.match))}"
    unknown: list[str] = []
    for label in rules.labels:
        if value := message.labels.get(label, ""):
            if found := known.of(value) or known.of(value.rpartition("/")[2]):  # job is namespace/name by OpenTelemetry's rules
                return found, f"the label {label}"
            unknown.append(f"{label} says {quoted(value[:64])}")
    for why, services in _inferred(message, known):
        if len(services) == 1:
            return services[0], why
        if services:
            more = f" and {len(services) - MOST_NAMED} more" if len(services) > MOST_NAMED else ""
            return "", f"{why} names several services: {', '.join(map(quoted, services[:MOST_NAMED]))}{more}"
    said = f"; {'; '.join(unknown[:2])}" if unknown else ""
    return "", f"it names no service that telemetry or services.toml knows{said}"


def _inferred(message: AlertMessage, known: KnownServices) -> Iterator[tuple[str, list[str]]]:
    """Where a name may occur, and the services that are named there; the surest place first."""
    labels = message.labels
    for label in POD_LABELS:
        yield f"the label {label}, without its suffix", _known((_owner(labels.get(label, "")),), known)
    by_label = _by_label(labels, known)
    several = sorted({one for found in by_label.values() for one in found})
    yield f"the label {min(by_label)}" if len(several) == 1 else "a label", several
    yield "its title", _known((word.strip(".") for word in _WORD.findall(message.title)), known)


def _by_label(labels: Mapping[str, str], known: KnownServices) -> dict[str, list[str]]:
    found = {label: _known((value,), known) for label, value in labels.items()}
    return {label: services for label, services in found.items() if services}


def _known(texts: Iterable[str], known: KnownServices) -> list[str]:
    return sorted({found for text in texts if (found := known.of(text))})


def _owner(pod: str) -> str:
    """What a pod is called after."""
    found = _HASHES.fullmatch(pod)
    return found["name"] if found else pod
