"""Every change before an incident, judged: suspect with a weight, or cleared with the reason in words.

Constants without a source are chosen, not measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from middlewatch.records import Brief, ChangeKind, Onset, Window
from middlewatch.tools.change_behaviour import Behaviour
from middlewatch.tools.change_records import Change, History
from middlewatch.tools.change_timing import LATE_SECONDS, MOST_DENSE, SLOW_SECONDS, OnsetBelief
from middlewatch.tools.wording import clock, duration, listed, quoted

LOOKBACK_SECONDS = 1800.0
"""Changes are suspects from this long before the incident: by then the chance that a bad one has not shown yet is a fifteenth."""
CHANGE_ODDS = 0.7 / 0.3
"""Odds that an incident stems from a change at all: roughly 70 % of outages do (Beyer et al., Site Reliability Engineering, 2016,
chapter 1)."""
KIND_WEIGHTS = {
    ChangeKind.DEPLOY: 1.0,
    ChangeKind.MIGRATION: 1.0,
    ChangeKind.CONFIG: 31 / 37,
    ChangeKind.FLAG: 31 / 37,
    ChangeKind.SCALE: 5 / 37,
}
"""Outage triggers at Google, 2010-2017: binary push 37 %, configuration push 31 %, capacity management 5 % (Beyer et al., The Site
Reliability Workbook, 2018, appendix C). A flag is configuration; a migration is not listed and counts as what it ships with."""
UNREACHABLE_WEIGHT = 0.1
"""Weight of a change to a service that the symptom's does not depend on, as far as the service map shows: trouble travels along
calls, rarely through what services share without calling one another."""
CLUSTERED_SECONDS = 3600.0
"""Changes come together, as releases do: just before an incident a service is taken to be changed by chance no more rarely than
this, however seldom it is on the whole. Chosen."""
ROUTINE = 3
"""So many earlier changes of a service are worth a word."""
FOLLOWED_SECONDS = 900.0
"""An incident that began so soon after an earlier change may have come from it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one change."""

    change: Change
    weight: float
    """How well it explains that its service is in trouble, from 0, where it is cleared, to 1."""
    remarks: tuple[str, ...]
    """What speaks for or against it."""

    def cleared(self, reason: str) -> Verdict:
        """The same change, innocent for one more reason."""
        return replace(self, weight=0.0, remarks=(*self.remarks, reason))

    def remarked(self, remark: str) -> Verdict:
        """The same with one more remark."""
        return replace(self, remarks=(*self.remarks, remark))


@dataclass(frozen=True, slots=True)
class Scene:
    """What changes are held against."""

    brief: Brief
    history: History
    behaviour: Behaviour
    symptom: Onset | None = None
    """When the symptom's metric changed its level; None where that is not known."""
    dependencies: Mapping[str, int] | None = None
    """What the symptom's service depends on, see `reachable`; None where that is not known."""

    def judge(self, change: Change) -> Verdict:
        """Clear a change or say how suspect it is.

        With f the density of a harmful change's effect at the moment when the trouble of its service began, see
        `OnsetBelief.density`, the odds that the change is the trigger rather than a chance companion are ``7/3 kind f / rate``,
        rate being how often the service is changed. Below 1 it is cleared; otherwise its weight is ``kind f / f at once``.
        """
        detected = self.brief.alert.detected_at
        if change.time >= detected:
            return Verdict(
                change, 0.0, (f"came {duration(change.time - detected)} after the detection, so it cannot be the cause",)
            )
        verdict = Verdict(change, 0.0, (f"{duration(detected - change.time)} before the detection",))
        belief = self.belief(change.service)
        if reason := self._innocence(change, belief):
            return verdict.cleared(reason)
        kind = KIND_WEIGHTS[change.known or ChangeKind.CONFIG]
        share, remark = self._dependence(change.service)
        weight = share * kind * belief.density(change.time) / MOST_DENSE
        remarks = [*verdict.remarks, *([remark] if remark else []), *self._history_of(change)]
        if (belief.middle - change.time).total_seconds() > SLOW_SECONDS:
            remarks.append("long for a change to take effect")
        if CHANGE_ODDS * weight * MOST_DENSE <= self.rate(change.service):
            return Verdict(change, 0.0, (*remarks, "so it came then by chance, more likely"))
        return Verdict(change, weight, tuple(remarks))

    def belief(self, service: str) -> OnsetBelief:
        """When the trouble of a service began, as far as its own telemetry shows; at the detection at the latest."""
        start, end = self.brief.incident.start, self.brief.alert.detected_at
        return OnsetBelief.of(self.behaviour.onsets(service), Window(start=min(start, end - timedelta(seconds=1)), end=end))

    def rate(self, service: str) -> float:
        """Changes of a service per second, as far as the history goes."""
        return len(self.history.by_service.get(service, ())) / self._history_seconds

    @property
    def _history_seconds(self) -> float:
        return (self.brief.incident.end - history_start(self.brief)).total_seconds()

    def odds(self, change: Change, known_seconds: float | None = None) -> float:
        """Of being the trigger rather than a chance companion, where its service is the cause: ``7/3 kind f / rate``.

        Here f is `OnsetBelief.sharp_density`, and the rate that of its service's changes, this one included, and at least one in
        `CLUSTERED_SECONDS`: ``(changes + 1/2) / time``, the mean under Jeffreys' prior for a Poisson process. What took another one
        back comes by no chance.

        Args:
            change: one that is not cleared.
            known_seconds: how long its service has been known, where that is less than the history.
        """
        seconds = known_seconds or self._history_seconds
        since = self.brief.incident.end - timedelta(seconds=seconds)
        others = [c for c in self.history.by_service.get(change.service, ()) if c != change and c.time >= since]
        count = 1 + sum(c not in self.history.taken_back for c in others)
        rate = max((count + 0.5) / seconds, 1 / CLUSTERED_SECONDS)
        share, _ = self._dependence(change.service)
        kind = KIND_WEIGHTS[change.known or ChangeKind.CONFIG]
        return CHANGE_ODDS * share * kind * self.belief(change.service).sharp_density(change.time) / rate

    def to_explain(self, change: Change) -> tuple[str, ...]:
        """What a change would have to explain, in words, and what it does not explain.

        The first is what deviates most in its service; the second, the other services with something unusual that do not depend on
        it, as far as the service map shows.
        """
        facts = self.behaviour.facts(change.service)
        left = [service for service in self.behaviour.unusual() if not self.behaviour.depends(service, change.service)]
        return (
            *(f"it would explain that {fact.summary.rstrip('.')}" for fact in facts[:1]),
            *([f"it would not explain {listed(left)}"] if left else []),
        )

    def harmless(self, change: Change) -> tuple[Change, ...]:
        """Earlier changes of the same kind and service that no known incident followed."""
        return tuple(c for c in self._earlier(change) if not self._followed(c))

    def _innocence(self, change: Change, belief: OnsetBelief) -> str:
        undone = self.history.undone_by(change, belief.middle)
        if undone is not None:
            return f"it was undone at {clock(undone.time)}, before the trouble began"
        if self.symptom is not None and change.time - timedelta(seconds=LATE_SECONDS) >= self.symptom.latest:
            return f"the symptom had begun before, at about {clock(self.symptom.at)}"
        usual = self.behaviour.usual(change.service)
        if usual:
            return f"its service behaves as before, by its {_and(usual)}"
        if belief.shown and belief.precedes(change.time) < 0.5:  # noqa: PLR2004  more likely than not
            return f"its service was in trouble before, since about {clock(belief.middle)}"
        replaced = self.history.undoes(change)
        if replaced is not None:
            return f"it took back {replaced.done} {quoted(replaced.version)}"
        return ""

    def _dependence(self, service: str) -> tuple[float, str]:
        symptom = self.brief.alert.symptom
        if symptom is None or self.dependencies is None or len(self.dependencies) < 2:  # noqa: PLR2004  itself is always there
            return 1.0, ""
        distance = self.dependencies.get(service)
        if distance is None:
            return UNREACHABLE_WEIGHT, f"{quoted(symptom.service)} does not depend on it as far as the service map shows"
        return 1.0, f"{quoted(symptom.service)} depends on it" if distance else "it is the service with the symptom"

    def _history_of(self, change: Change) -> list[str]:
        """What is known of earlier changes of the same kind and service."""
        earlier = self._earlier(change)
        remarks = []
        if change.version and any(c.version == change.version and self.history.undone_by(c, change.time) for c in earlier):
            remarks.append("the same version had been taken back before")
        followed = [c for c in earlier if self._followed(c)]
        if followed:
            remarks.append(f"the one at {clock(followed[-1].time)} was followed by an incident, too")
        if len(earlier) >= ROUTINE:
            remarks.append(f"a routine, {len(earlier)} of its kind went before it")
        undone = self.history.undone_by(change, self.brief.incident.end)
        if undone is not None:
            remarks.append(f"undone at {clock(undone.time)}")
        return remarks

    def _earlier(self, change: Change) -> list[Change]:
        return [c for c in self.history.by_service.get(change.service, ()) if c.time < change.time and c.kind == change.kind]

    def _followed(self, change: Change) -> bool:
        reach = timedelta(seconds=FOLLOWED_SECONDS)
        return any(change.time < known.end and known.start < change.time + reach for known in self.brief.alert.earlier_incidents)


def history_start(brief: Brief) -> datetime:
    """From when on changes are read."""
    return min(brief.baseline.start, brief.incident.start - timedelta(seconds=LOOKBACK_SECONDS))


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
