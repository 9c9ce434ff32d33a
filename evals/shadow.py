"""Shadow mode: what would have been said of past alerts, beside what the team recorded. Nobody is told of anything.

Each part of the alerts is asked in a process and a store of its own, which are thrown away (`middlewatch.shadow`).
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from pydantic import Field, ValidationError

from middlewatch.app import App
from middlewatch.evals.evaluation import prediction_of
from middlewatch.evals.jobs import Failure, answer_all
from middlewatch.evals.past_alerts import PastAlert
from middlewatch.evals.scoring import strict_rank
from middlewatch.intervals import Share
from middlewatch.records import KindChance, Outcome, Record, Report
from middlewatch.records.errors import BadInput, MiddlewatchError
from middlewatch.settings import Settings
from middlewatch.shadow import answering, open_shadow, telemetry_at_hand
from middlewatch.telemetry.recordings import recording_digest

FIRST = 3
"""A cause among so many is one that a person would have looked at soon. Chosen."""
SUSPECTS = 10
"""That an answer keeps: enough to count the first of them, ties included."""


class Agreement(StrEnum):
    """What was said, beside what the team recorded."""

    AGREES = "agrees"
    """The first cause is one that the team recorded."""
    DIFFERS = "differs"
    """Another one."""
    SILENT = "silent"
    """No cause was named, and there was one."""
    QUIET = "quiet"
    """None was named, and nothing was wrong."""
    FALSE_ALARM = "false_alarm"
    """One was named, and nothing was wrong."""
    NOT_RECORDED = "not_recorded"
    """The team recorded nothing."""


class Said(Record):
    """What would have been said of one alert."""

    key: str = Field(description="of the question: asked again about the same telemetry, it is the same")
    alert: PastAlert
    answer: str = Field(default="", description="one sentence")
    causes: tuple[str, ...] = Field(default=(), description="services that would have been named, surest first")
    kind: KindChance | None = Field(default=None, description="of the first of them, or of the best guess")
    confidence: float = Field(default=0.0, ge=0.0, le=1.0)
    inconclusive: bool = True
    seconds: float = Field(ge=0.0, description="that the answer took")
    ranking: tuple[tuple[str, float], ...] = Field(default=(), description="the most suspected services, with their scores")
    agreement: Agreement = Agreement.NOT_RECORDED
    problem: str = Field(default="", description="why there is no answer, in words; empty where there is one")


class Summary(Record):
    """All of them together."""

    alerts: int = Field(ge=0)
    answered: int = Field(ge=0)
    failed: int = Field(ge=0)
    findings: int = Field(ge=0, description="answers that name a cause")
    named: Share = Field(description="of the alerts with a recorded cause, those whose cause was named first")
    first_three: Share = Field(description="of the same, those whose cause was among the first three suspects")
    right: Share = Field(description="of the findings that the team recorded anything of, those that agree")
    false_alarms: Share = Field(description="of the alerts of which nothing was wrong, those for which a service was blamed")
    not_recorded: int = Field(ge=0, description="answered alerts of which the team recorded nothing")
    seconds_median: float | None = None
    seconds_longest: float | None = None


class Shadowed(Record):
    """Everything of one run."""

    summary: Summary
    answers: tuple[Said, ...] = Field(description="in the order of the alerts")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked."""

    alerts: tuple[PastAlert, ...]
    everything: tuple[PastAlert, ...]
    """Those as well that are not asked about: what was over before belongs in nobody's baseline."""
    recording: Path | None
    """Whose telemetry is read; the tables that the settings name where it is None."""

    def telemetry(self, settings: Settings) -> str:
        """A name of what is read: an answer about other telemetry is another one."""
        if self.recording is not None:
            return f"recording {recording_digest(self.recording)}"
        return f"tables of {settings.tenant}"


def compared(alert: PastAlert, key: str, report: Report, seconds: float) -> Said:
    """What a report says, beside what was recorded."""
    answer = prediction_of(alert.id, report, seconds)
    causes = answer.causes if report.outcome is Outcome.FINDING else ()
    return Said(
        key=key,
        alert=alert,
        answer=report.answer,
        causes=causes,
        kind=answer.kind,
        confidence=answer.confidence,
        inconclusive=answer.inconclusive,
        seconds=answer.seconds,
        ranking=answer.ranking[:SUSPECTS],
        agreement=agreement(alert.causes, causes),
    )


def compared_again(said: Said, alert: PastAlert) -> Said:
    """The same answer beside what is recorded now: causes may be filled in later, and nothing is asked again for it."""
    if said.alert == alert or said.problem:
        return said
    return said.model_copy(update={"alert": alert, "agreement": agreement(alert.causes, said.causes)})


def agreement(recorded: Sequence[str] | None, named: Sequence[str]) -> Agreement:
    """What was named, surest first, beside what was recorded."""
    if recorded is None:
        return Agreement.NOT_RECORDED
    if not recorded:
        return Agreement.FALSE_ALARM if named else Agreement.QUIET
    if not named:
        return Agreement.SILENT
    return Agreement.AGREES if named[0] in recorded else Agreement.DIFFERS


def is_among_first(said: Said) -> bool:
    """Whether a recorded cause is among the first suspects; ties count against it. A suspect with nothing against it is none."""
    ranking = [(name, score) for name, score in said.ranking if score > 0.0]
    ranks = [strict_rank(ranking, name) for name in said.alert.causes or ()]
    return any(rank is not None and rank <= FIRST for rank in ranks)


def summed(said: Sequence[Said], alerts: int) -> Summary:
    """The shares, each with its interval."""
    answered = [one for one in said if not one.problem]
    caused = [one for one in answered if one.alert.causes]
    nothing = [one for one in answered if one.alert.causes is not None and not one.alert.causes]
    judged = [one for one in answered if one.causes and one.alert.causes is not None]
    seconds = [one.seconds for one in answered]
    agrees = [one for one in caused if one.agreement is Agreement.AGREES]
    return Summary(
        alerts=alerts,
        answered=len(answered),
        failed=len(said) - len(answered),
        findings=sum(not one.inconclusive for one in answered),
        named=Share.counted(len(agrees), len(caused)),
        first_three=Share.counted(sum(map(is_among_first, caused)), len(caused)),
        right=Share.counted(len(agrees), len(judged)),
        false_alarms=Share.counted(sum(one.agreement is Agreement.FALSE_ALARM for one in nothing), len(nothing)),
        not_recorded=sum(one.alert.causes is None for one in answered),
        seconds_median=round(statistics.median(seconds), 3) if seconds else None,
        seconds_longest=max(seconds, default=None),
    )


def answers(part: Path, own: Settings, *, asked: Asked, telemetry: Settings | None, name: str) -> Iterator[Said]:
    """Ask about some of the alerts, one after the other, in this process and in a store of its own.

    Args:
        part: a file with their ids, one on a line.
        own: with the store's data directory.
        asked: what is asked of all.
        telemetry: whose tables are read; None for the recording.
        name: of the telemetry.
    """
    wanted = set(part.read_text(encoding="utf-8").split("\n"))
    with open_shadow(own, telemetry) as app, answering(app) as ended:
        recording = app.import_recording(asked.recording).name if asked.recording is not None else ""
        for alert in asked.alerts:
            if _mark(alert) in wanted:
                yield _answer(app, alert, asked, recording, alert.key(name), ended=ended)


def _answer(app: App, alert: PastAlert, asked: Asked, recording: str, key: str, *, ended: threading.Event) -> Said:
    started = time.monotonic()
    try:
        opened = app.investigate(alert.alert(app.settings.tenant, asked.everything), recording=recording, models=False)
        for _ in app.follow(opened.id, stopped=ended.is_set):
            pass
        report = app.report(opened.id)
    except MiddlewatchError as error:
        if error.retryable:  # the telemetry or the store is gone, for the next one too
            raise
        return Said(key=key, alert=alert, seconds=round(time.monotonic() - started, 3), problem=error.message)
    assert report is not None  # noqa: S101  nobody cancels it
    return compared(alert, key, report, time.monotonic() - started)


def ask(
    asked: Asked, settings: Settings, *, known: Mapping[str, Said], jobs: int, on_answer: Callable[[Said], None]
) -> tuple[Failure, ...]:
    """Ask about every alert that is not known.

    Args:
        asked: about what.
        settings: of the user; nothing of theirs but the telemetry is opened.
        known: by key; what has a problem is asked again.
        jobs: processes at a time; each takes a core and about 1 GB.
        on_answer: called in this process as soon as one is answered.

    Returns:
        Why some could not be answered.
    """
    name = asked.telemetry(settings)
    left = [one for one in asked.alerts if (found := known.get(one.key(name))) is None or found.problem]
    if not left:
        return ()
    telemetry = None if asked.recording is not None else settings
    work = partial(answers, asked=asked, telemetry=telemetry, name=name)
    with (
        tempfile.TemporaryDirectory(prefix="middlewatch-shadow-") as folder,
        telemetry_at_hand(settings) if telemetry else nullcontext(),
    ):
        parts = []
        for number in range(min(jobs, len(left))):
            parts.append(Path(folder) / f"part-{number}")
            parts[-1].write_text("\n".join(map(_mark, left[number::jobs])), encoding="utf-8")
        return answer_all(parts, settings, work, jobs=jobs, on_answer=lambda _part, said: on_answer(said))


def _mark(alert: PastAlert) -> str:
    return alert.key("")


def read_said(file: Path) -> dict[str, Said]:
    """What a file of an earlier run holds, by key. A last line that was not written whole does not count.

    Raises:
        BadInput: it is no such file.
    """
    if not file.exists():
        return {}
    found: dict[str, Said] = {}
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            said = Said.model_validate_json(text)
        except ValidationError:
            if number == len(lines):
                continue
            raise BadInput(
                f"{file}, line {number}: it was not written by this version of the command.",
                remedy="Name another file for --output.",
            ) from None
        found[said.key] = said
    return found
