"""Past alerts, and what a team recorded as their causes: JSON lines of its own, or the labelled incidents of a recording."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, StringConstraints, ValidationError

from middlewatch.alerts import EARLIER_INCIDENT_LEAD_SECONDS, EARLIEST, SHORTEST_WINDOW_SECONDS
from middlewatch.evals.labels import read_labels
from middlewatch.records import Alert, Record, Symptom, Tenant, UtcDatetime, Window, digest_of
from middlewatch.records.errors import BadInput
from middlewatch.records.misfit import misfit_words
from middlewatch.telemetry.recordings import read_recording

SOURCE: Final = "shadow"
LONGEST_LINE: Final = 64 * 1024
MOST_LINES: Final = 100_000
REMEDY: Final = "docs/shadow.md has the format of a line."
_Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class PastAlert(Record):
    """An alert of the past."""

    id: str = Field(min_length=1, max_length=256, description="its name in what is answered")
    time: UtcDatetime = Field(description="when it fired")
    asked_at: UtcDatetime = Field(description="nothing at or after it is read")
    service: str | None = Field(default=None, max_length=256, description="that alarmed; null where nobody said so")
    metric: str | None = Field(default=None, max_length=512)
    title: str = Field(max_length=1024)
    causes: tuple[str, ...] | None = Field(
        default=None, description="the services that the team recorded; none: nothing was wrong; null: it recorded nothing"
    )
    note: str = Field(default="", max_length=2000, description="what else the team recorded, in its words")
    ended: UtcDatetime | None = Field(default=None, description="when it was over; left out of the baselines of later ones")

    def alert(self, tenant: Tenant, others: Iterable[PastAlert]) -> Alert:
        """With what it is investigated. Of what was over before, it is known that it was; what the cause was, is not."""
        lead = timedelta(seconds=EARLIER_INCIDENT_LEAD_SECONDS)
        over = [one for one in others if one.id != self.id and one.ended is not None and one.ended <= self.time]
        return Alert(
            tenant=tenant,
            source=SOURCE,
            source_id=self.id,
            title=self.title,
            detected_at=self.time,
            window_end=self.asked_at,
            symptom=Symptom(service=self.service, metric=self.metric) if self.service else None,
            earlier_incidents=tuple(Window(start=one.time - lead, end=one.ended) for one in over if one.ended is not None),
        )

    def key(self, telemetry: str) -> str:
        """The same for the same question about the same telemetry."""
        asked = self.model_dump(mode="json", exclude={"causes", "note"})
        return digest_of(asked, telemetry)


class _Line(Record):
    """A line of a team's file."""

    time: UtcDatetime
    service: _Name
    metric: str | None = Field(default=None, min_length=1, max_length=512)
    title: str = Field(default="", max_length=1024)
    id: str = Field(default="", max_length=256)
    cause: _Name | tuple[_Name, ...] | None = None
    note: str = Field(default="", max_length=2000)
    ended: UtcDatetime | None = None


def read_alerts(file: Path, now: datetime, *, after_seconds: float) -> tuple[PastAlert, ...]:
    """The alerts of a team's file, in its order.

    Args:
        file: JSON lines.
        now: none may be younger.
        after_seconds: how long after each alert it is asked.

    Raises:
        BadInput: the file cannot be read, or a line is wrong; the message names it.
    """
    found: dict[str, PastAlert] = {}
    try:
        with file.open(encoding="utf-8") as lines:
            for number, text in enumerate(lines, start=1):
                if number > MOST_LINES or len(text) > LONGEST_LINE:
                    raise BadInput(
                        f"{file}, line {number}: there are too many lines, or it is too long.", remedy="Ask about fewer."
                    )
                if not text.strip():
                    continue
                past = _past(_line(file, number, text), number, after_seconds)
                if past.id in found:
                    raise BadInput(f"{file}, line {number}: the id {past.id!r} is there already.", remedy=REMEDY)
                if not EARLIEST <= past.time < past.asked_at <= now:
                    raise BadInput(
                        f"{file}, line {number}: the alert is not {after_seconds:g} s ago yet, or too old.", remedy=REMEDY
                    )
                found[past.id] = past
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.", remedy="Name a file of JSON lines.") from None
    except UnicodeDecodeError:
        raise BadInput(f"{file} is not UTF-8.", remedy="Name a file of JSON lines.") from None
    return tuple(found.values())


def _line(file: Path, number: int, text: str) -> _Line:
    try:
        return _Line.model_validate_json(text)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, detail["loc"])) or "the line"
        raise BadInput(f"{file}, line {number}: {where}: {misfit_words(detail)}.", remedy=REMEDY) from None


def _past(line: _Line, number: int, after_seconds: float) -> PastAlert:
    causes = (line.cause,) if isinstance(line.cause, str) else line.cause or ()
    return PastAlert(
        id=line.id or f"line-{number}",
        time=line.time,
        asked_at=line.time + timedelta(seconds=max(after_seconds, SHORTEST_WINDOW_SECONDS)),
        service=line.service,
        metric=line.metric,
        title=line.title or f"{line.service} alarmed",
        causes=causes if "cause" in line.model_fields_set else None,
        note=line.note,
        ended=line.ended,
    )


def recorded_alerts(recording: Path) -> tuple[PastAlert, ...]:
    """The incidents of a recording; its labels, where there are any, are what was recorded of their causes.

    Raises:
        RecordingError: it is none, or a line of it is wrong.
    """
    _, incidents = read_recording(recording)
    labels = read_labels(recording)
    return tuple(
        PastAlert(
            id=one.id,
            time=one.detected_at,
            asked_at=one.window_end,
            service=one.symptom.service if one.symptom else None,
            metric=one.symptom.metric if one.symptom else None,
            title=one.title[:1024],
            causes=labels[one.id].services if one.id in labels else None,
            note=labels[one.id].root_cause_kind if one.id in labels else "",
            ended=one.window_end,
        )
        for one in incidents
    )
