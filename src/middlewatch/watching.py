"""Looking at a symptom after an action was executed, with the measures that the investigation used."""

from __future__ import annotations

from collections.abc import Callable

from middlewatch.agents.briefing import History, brief
from middlewatch.agents.specialist import OpenSources
from middlewatch.approval.timers import LOOK_SECONDS, Sight
from middlewatch.records import ApprovalRequest, Evidence, Investigation, Recovery, Snapshot, UtcDatetime
from middlewatch.records.errors import MiddlewatchError, UnknownInvestigation
from middlewatch.tools.recovery import Verdict, symptom_now
from middlewatch.tools.recovery_reading import LEAST_SAMPLES

Snapshots = Callable[[str, str], Snapshot]
"""(tenant, investigation) -> all that is kept of it."""

OF_A_RECORDING = "The investigation is of a recording, which ends before the action."


def foreseen(request: ApprovalRequest, investigation: Investigation) -> ApprovalRequest:
    """A request as the first look will leave it, where that is known before: in a recording there is nothing to watch."""
    execution = request.execution
    if execution is None or execution.recovery is not Recovery.WATCHING or not investigation.scope.recording:
        return request
    unseen = execution.model_copy(update={"recovery": Recovery.NOT_SEEN, "recovery_note": OF_A_RECORDING})
    return request.model_copy(update={"execution": unseen})


def foreseen_in(investigations: Callable[[str], Investigation], request: ApprovalRequest) -> ApprovalRequest:
    """The same where the investigation has to be looked up; a request whose investigation is gone stays as it is."""
    if request.execution is None:  # then nothing is being watched
        return request
    try:
        return foreseen(request, investigations(request.remediation.investigation))
    except UnknownInvestigation:
        return request


def look_at_symptom(
    snapshots: Snapshots,
    open_sources: OpenSources,
    history: History,
    request: ApprovalRequest,
    now: UtcDatetime,
    least_seconds: float,
) -> Sight:
    """How the symptom stands that an executed request was to mend.

    Args:
        snapshots: where the investigation is.
        open_sources: live telemetry.
        history: with which the investigation compared.
        request: executed.
        now: the horizon.
        least_seconds: how long a symptom must have been over.
    """
    execution = request.execution
    if execution is None or execution.ended_at is None:
        return Sight(Recovery.NOT_SEEN, "It was not executed.")
    try:
        snapshot = snapshots(request.tenant, request.remediation.investigation)
    except UnknownInvestigation:
        return Sight(Recovery.NOT_SEEN, "There is no investigation whose symptom could be looked at.")
    investigation = snapshot.investigation
    if investigation.scope.recording:
        return Sight(Recovery.NOT_SEEN, OF_A_RECORDING)
    facts = _facts(snapshot, request)
    number = max((fact.round for fact in facts), default=1)
    try:
        state = symptom_now(
            open_sources(investigation.scope, now),
            brief(investigation, number, history),
            execution.ended_at,
            facts,
            least_seconds=least_seconds,
        )
    except MiddlewatchError as error:  # a source that is away may be back at the next look
        return Sight(Recovery.WATCHING, f"The symptom could not be looked at: {error.message}", at_the_end=Recovery.NOT_SEEN)
    again = min(LOOK_SECONDS, least_seconds / LEAST_SAMPLES)
    if state.verdict is Verdict.RECOVERED:
        return Sight(Recovery.RECOVERED, state.sentence, at=state.recovered_at)
    unseen = state.verdict is Verdict.CANNOT_TELL
    end = Recovery.NOT_SEEN if unseen else Recovery.NOT_RECOVERED
    return Sight(Recovery.WATCHING, state.sentence, at_the_end=end, again_seconds=again)


def _facts(snapshot: Snapshot, request: ApprovalRequest) -> tuple[Evidence, ...]:
    """The facts that the remediation rests on."""
    return tuple(fact for fact in snapshot.evidence if fact.id in request.remediation.evidence)
