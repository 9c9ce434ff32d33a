"""Invariant: an investigation has one state, and one that needs a person is never hidden behind one that does not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from middlewatch.records import ApprovalRequest, Execution, Headline, InvestigationState, Outcome, Recovery, RequestState
from middlewatch.standing import Standing, by_investigation, standing_of
from tests.store_data import NOW, make_investigation, make_request

FOUND = make_investigation().model_copy(
    update={
        "state": InvestigationState.CLOSED,
        "headline": Headline(outcome=Outcome.FINDING, answer="it is so", confidence=0.9),
    }
)
S = RequestState


def made(state: RequestState, recovery: Recovery | None = None, *, minutes: int = 0) -> ApprovalRequest:
    began = NOW + timedelta(minutes=minutes)
    execution = Execution(executor="one", fence=1, began_at=began, recovery=recovery) if recovery else None
    return make_request(f"apr-{minutes}").model_copy(update={"state": state, "execution": execution})


@pytest.mark.parametrize(
    ("state", "outcome", "expected"),
    [
        (InvestigationState.OPEN, None, Standing.INVESTIGATING),
        (InvestigationState.CLOSED, Outcome.FINDING, Standing.FINDING),
        (InvestigationState.CLOSED, Outcome.INCONCLUSIVE, Standing.INCONCLUSIVE),
        (InvestigationState.CANCELLED, None, Standing.CANCELLED),
    ],
)
def test_without_a_request_it_stands_where_its_answer_does(
    state: InvestigationState, outcome: Outcome | None, expected: Standing
) -> None:
    headline = Headline(outcome=outcome, answer="", confidence=0.5) if outcome else None
    assert standing_of(FOUND.model_copy(update={"state": state, "headline": headline}), []) is expected


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        ([made(S.PENDING)], Standing.AWAITING_APPROVAL),
        ([made(S.PREPARING)], Standing.AWAITING_APPROVAL),
        ([made(S.EXECUTING)], Standing.ACTING),
        ([made(S.UNKNOWN), made(S.PENDING)], Standing.UNKNOWN),
        ([made(S.SUCCEEDED, Recovery.RECOVERED), made(S.PENDING)], Standing.AWAITING_APPROVAL),
        ([made(S.SUCCEEDED, Recovery.WATCHING)], Standing.VERIFYING),
        ([made(S.SUCCEEDED, Recovery.NOT_RECOVERED), made(S.SUCCEEDED, Recovery.RECOVERED, minutes=5)], Standing.RECOVERED),
        ([made(S.SUCCEEDED, Recovery.RECOVERED), made(S.SUCCEEDED, Recovery.NOT_RECOVERED, minutes=5)], Standing.NOT_RECOVERED),
        ([made(S.SUCCEEDED, Recovery.NOT_SEEN)], Standing.FINDING),
        ([made(S.DENIED), made(S.EXPIRED), made(S.FAILED)], Standing.FINDING),
    ],
)
def test_what_presses_most_is_what_it_is_called(requests: list[ApprovalRequest], expected: Standing) -> None:
    assert standing_of(FOUND, requests) is expected
    assert standing_of(FOUND, requests[::-1]) is expected


def test_requests_are_of_the_investigation_that_they_were_made_of() -> None:
    other = make_request("apr-9", investigation=make_investigation(identifier="inv-2"))
    assert by_investigation([made(S.DENIED), other, made(S.FAILED, minutes=1)]) == {
        "inv-1": [made(S.DENIED), made(S.FAILED, minutes=1)],
        "inv-2": [other],
    }
