"""Ask every agent about every incident once: whatever the votes of any of them add up to follows from what they found.

An investigation asks the agents of a round at the same time; here they are asked one after the other, so that their seconds are
theirs alone. Both rounds are asked where all sets of agents are to be scored, because each set may need the second one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from middlewatch.agents.briefing import ROUNDS
from middlewatch.alerts import incident_alert
from middlewatch.app import App, open_app
from middlewatch.evals.assessments import AgentSet, Assessed, Found, began, predicted
from middlewatch.evals.degradations import named
from middlewatch.evals.degrade import degraded
from middlewatch.evals.jobs import Failure, answer_all
from middlewatch.evals.labels import Label, read_labels
from middlewatch.records import AgentName, ImportedRecording, Incident, Investigation, Scope, digest_of
from middlewatch.records.errors import BadInput
from middlewatch.settings import Settings
from middlewatch.telemetry.recordings import recording_digest

BEFORE = "-before"
"""Ends the id of the moment before an incident's fault."""
MOMENT_SECONDS = 30.0
"""From the detection to the window's end at the moment before a fault. Chosen: recordings of injected faults often keep
little more than a minute from before each."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of each recording."""

    agents: AgentSet = tuple(AgentName)
    every_set: bool = True
    """Whether all subsets of them are to be scored, or only all of them together."""
    degradations: tuple[str, ...] = ()
    """Names of what is done to the recording before, in order."""
    seed: int = 0
    """What degradations draw is drawn from it."""
    moments_before: bool = False
    """Whether to ask about the moment before each fault too, where nothing is wrong yet and the right answer is none."""

    def identity(self, recording: Path) -> str:
        """A name for the recording as it is asked about: the same files and degradations give the same one."""
        return f"{recording.name}-{digest_of(recording_digest(recording), self.degradations, self.seed)[:12]}"

    def wanted(self, recording: Path) -> frozenset[str]:
        """The ids of the moments that are asked about: only those with a label, since no other can be scored."""
        labels = read_labels(recording)
        before = {name + BEFORE for name, label in labels.items() if self.moments_before and label.started_at is not None}
        return frozenset(labels) | before

    def is_answered_by(self, known: Assessed) -> bool:
        """Whether what is known of an incident is enough."""
        if not all(set(self.agents) <= set(found) for found in known.rounds):
            return False
        return len(known.rounds) == ROUNDS or (not self.every_set and not predicted(known, self.agents).inconclusive)


def assessed(recording: Path, settings: Settings, *, asked: Asked) -> Iterator[Assessed]:
    """Ask the agents about every labelled incident of a recording.

    Args:
        recording: the folder.
        settings: the back ends and bounds to use.
        asked: what to ask.
    """
    identity = asked.identity(recording)
    with (
        degraded(recording, named(asked.degradations), seed=asked.seed, near=settings.data_dir.parent) as folder,
        open_app(settings) as app,
    ):
        wanted, labels = asked.wanted(folder), read_labels(folder)
        imported = app.import_recording(folder)
        for incident in imported.incidents:
            for moment, label in _moments(incident, labels):
                if moment.id in wanted:
                    yield _assessed(app, imported, moment, label, asked).model_copy(update={"recording": identity})


def _moments(incident: Incident, labels: Mapping[str, Label]) -> Iterator[tuple[Incident, Label]]:
    """The incident and the moment before its fault, as far as they have labels."""
    label = labels.get(incident.id)
    if label is None:
        return
    yield incident, label
    if label.started_at is not None:
        detected = label.started_at - timedelta(seconds=MOMENT_SECONDS)
        changed = {"id": incident.id + BEFORE, "detected_at": detected, "window_end": label.started_at}
        yield incident.model_copy(update=changed), Label(incident=incident.id + BEFORE, root_cause_service=None)


def _assessed(app: App, imported: ImportedRecording, incident: Incident, label: Label, asked: Asked) -> Assessed:
    alert = incident_alert(app.settings.tenant, imported.name, incident, imported.incidents)
    scope = Scope(tenant=alert.tenant, recording=imported.name)
    investigation = Investigation(tenant=alert.tenant, id="evaluation", scope=scope, alert=alert)
    rounds: list[dict[AgentName, Found]] = []
    for number in range(1, ROUNDS + 1):
        rounds.append({name: _found(app, investigation, name, number) for name in asked.agents})
        known = Assessed(
            recording=imported.name,
            system=imported.info.system,
            incident=incident.id,
            detected_at=incident.detected_at,
            label=label,
            rounds=tuple(rounds),
        )
        if not asked.every_set and not predicted(known, asked.agents).inconclusive:
            break
    return known


def _found(app: App, investigation: Investigation, name: AgentName, number: int) -> Found:
    started = time.monotonic()
    assessment = app.specialists.assess(app.specialists.agents[name], investigation, number)
    seconds = round(time.monotonic() - started, 3)
    return Found(assessment=assessment.model_copy(update={"anomalies": ()}), began=began(assessment.anomalies), seconds=seconds)


def assess_all(
    recordings: Sequence[Path],
    settings: Settings,
    asked: Asked,
    *,
    kept: Sequence[Assessed] = (),
    jobs: int,
    on_answer: Callable[[Path, Assessed], None],
) -> tuple[tuple[Assessed, ...], tuple[Failure, ...]]:
    """Ask the agents about every recording of which not all is known already.

    Args:
        recordings: folders.
        settings: everything but `data_dir`, `clickhouse_url` and `redis_url` is used.
        asked: what to ask of each.
        kept: what is known.
        jobs: processes at a time.
        on_answer: called for every incident that was asked about, as soon as it is done.

    Returns:
        Every incident in the order of the recordings, and the recordings that could not be answered in full.

    Raises:
        BadInput: no incident has a label.
    """
    identities = {recording: asked.identity(recording) for recording in recordings}
    wanted = {identities[recording]: asked.wanted(recording) for recording in recordings}
    if not any(wanted.values()):
        raise BadInput("No incident has a label.", remedy="Add labels.jsonl beside incidents.jsonl (docs/recordings.md).")
    known = {(each.recording, each.incident): each for each in kept if asked.is_answered_by(each)}

    def keep(recording: Path, incident: Assessed) -> None:
        known[incident.recording, incident.incident] = incident
        on_answer(recording, incident)

    missing = [r for r in recordings if not all((identities[r], incident) in known for incident in wanted[identities[r]])]
    failures = answer_all(missing, settings, partial(assessed, asked=asked), jobs=jobs, on_answer=keep)
    order = {identity: number for number, identity in enumerate(wanted)}
    found = [each for (recording, incident), each in known.items() if incident in wanted.get(recording, ())]
    return tuple(sorted(found, key=lambda each: (order[each.recording], each.incident))), failures
