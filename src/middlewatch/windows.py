"""Whose telemetry a question is about, and of which time.

A window that reaches past what may be read is cut there, and the answer says so; one that is nonsense is refused with what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from middlewatch.agents.briefing import LEAD_SECONDS, ROUNDS, History, brief
from middlewatch.records import Alert, Brief, ImportedRecording, Investigation, Scope, Tenant, UtcDatetime, Window
from middlewatch.records.errors import BadInput, WindowError
from middlewatch.records.question import Asked

USUAL = timedelta(minutes=15)
"""The window where none is given. Chosen: what somebody asks about without a time is going on."""
OLDEST = timedelta(days=3660)
"""Nobody keeps telemetry for longer; and moments much further back cannot be told in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a question is about."""

    scope: Scope
    horizon: UtcDatetime
    """Nothing at or after it is read."""
    window: Window
    notes: tuple[str, ...] = ()
    investigation: Investigation | None = None


class Windows:
    """Finds out what questions are about. The tenant is always its own."""

    def __init__(
        self,
        tenant: Tenant,
        investigation: Callable[[str], Investigation],
        recordings: Callable[[], tuple[ImportedRecording, ...]],
        history: Callable[[], History],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tenant = tenant
        self._investigation = investigation
        self._recordings = recordings
        self._history = history
        self._clock = clock

    def place(self, asked: Asked, *, most: timedelta, usual: timedelta | None = None) -> Place:
        """What a question is about.

        Args:
            asked: the question.
            most: the longest window that is answered.
            usual: how long the window up to the horizon is where none is given; without it, an investigation's is its incident.

        Raises:
            BadInput: what is asked contradicts itself, or there is no such recording.
            WindowError: the window is empty, too long, or nothing of it may be read.
            UnknownInvestigation: there is none.
        """
        scope, horizon, investigation = self._whose(asked)
        default = Window(start=horizon - (usual or USUAL), end=horizon)
        if investigation is not None and usual is None:
            default = self.incident(investigation)
        try:
            start, end = _asked_window(asked, default, horizon)
        except OverflowError:
            raise WindowError("The window lies outside of all time.", remedy="Give times of this century.") from None
        if end <= start:
            raise WindowError(f"The window from {start} to {end} is empty.", remedy="Give an end after its start.")
        if start >= horizon:
            raise WindowError(
                f"The window begins at {start}, and nothing after {horizon} may be read.", remedy="Choose an earlier one."
            )
        if start < horizon - OLDEST:
            raise WindowError(f"The window begins at {start}: there is no telemetry so old.", remedy="Give a later start.")
        notes = (
            () if end <= horizon else (f"the window was cut at {horizon:%Y-%m-%d %H:%M:%S} UTC: nothing after that may be read",)
        )
        window = Window(start=start, end=min(end, horizon))
        if window.seconds > most.total_seconds():
            hours = most.total_seconds() / 3600
            raise WindowError(f"The window is longer than {hours:g} h.", remedy=f"Ask about at most {hours:g} h at once.")
        return Place(scope=scope, horizon=horizon, window=window, notes=notes, investigation=investigation)

    def incident(self, investigation: Investigation) -> Window:
        """The window that the agents look at first."""
        return brief(investigation, 1, self._history()).incident

    def widest(self, investigation: str) -> Window:
        """The window that the agents of an investigation look at in its last round: what it is about.

        Raises:
            UnknownInvestigation: there is none.
        """
        return brief(self._investigation(investigation), ROUNDS, self._history()).incident

    def brief(self, place: Place) -> Brief:
        """What an agent is asked about a window: of an investigation's incident, what its agents were asked in the first round."""
        history = self._history()
        if place.investigation is not None:
            asked = brief(place.investigation, 1, history)
            if asked.incident == place.window:
                return asked
        start, end = place.window.start, place.window.end
        detected = start + min(timedelta(seconds=LEAD_SECONDS), (end - start) / 2)
        alert = Alert(
            tenant=self._tenant, source="question", source_id="question", title="A question", detected_at=detected, window_end=end
        )
        if place.investigation is not None:
            known = place.investigation.alert
            alert = alert.model_copy(update={"symptom": known.symptom, "earlier_incidents": known.earlier_incidents})
        baseline = Window(start=start - timedelta(hours=history.first_hours), end=start)
        return Brief(scope=place.scope, alert=alert, incident=place.window, baseline=baseline)

    def _whose(self, asked: Asked) -> tuple[Scope, UtcDatetime, Investigation | None]:
        if asked.investigation is not None:
            found = self._investigation(asked.investigation)
            if asked.recording not in (None, found.scope.recording):
                raise BadInput(
                    f"The investigation {found.id} is not of the recording {asked.recording!r}.", remedy="Name one of the two."
                )
            return found.scope, found.alert.window_end, found
        if asked.recording is None:
            return Scope(tenant=self._tenant), self._clock().replace(microsecond=0), None
        known = {recording.name: recording for recording in self._recordings()}
        if asked.recording not in known:
            names = ", ".join(sorted(known)[:10]) or "none"
            raise BadInput(f"There is no recording {asked.recording!r}.", remedy=f"Imported are: {names}.")
        return Scope(tenant=self._tenant, recording=asked.recording), known[asked.recording].info.end, None


def _asked_window(asked: Asked, default: Window, horizon: UtcDatetime) -> tuple[UtcDatetime, UtcDatetime]:
    length = USUAL if asked.minutes is None else timedelta(minutes=asked.minutes)
    if asked.around is not None:
        if asked.start is not None or asked.end is not None:
            raise BadInput("A window has a middle, or a start and an end.", remedy="Give `around` or `start` and `end`, not both.")
        return asked.around - length / 2, asked.around + length / 2
    if asked.start is not None and asked.end is not None:
        if asked.minutes is not None:
            raise BadInput("A window with a start and an end has a length.", remedy="Leave `minutes` out.")
        return asked.start, asked.end
    if asked.start is not None:
        return asked.start, horizon if asked.minutes is None else asked.start + length
    if asked.end is not None:
        return asked.end - length, asked.end
    return (default.start, default.end) if asked.minutes is None else (horizon - length, horizon)
