"""A card shows the latest executions of the same action, those on the same target first, and what came of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from middlewatch.approval.similar import SHOWN, outcome_in_words, similar_actions
from middlewatch.context_store.approvals import Kept
from middlewatch.records import ApprovalRequest, Execution, Recovery, RequestState
from tests.approval_data import remediation
from tests.unit.approval.test_binding import REQUEST

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
S = RequestState


def past(name: str, *, target: str = "checkout", action: str = "roll_back", state: S = S.SUCCEEDED, **execution: Any) -> Kept:
    made = Execution(executor="executor:1", fence=1, began_at=NOON).model_copy(update=execution)
    request = REQUEST.model_copy(
        update={"id": name, "state": state, "remediation": remediation(action, target=target), "execution": made}
    )
    return Kept(request, 1, NOON)


def test_the_same_target_comes_first_and_then_the_newest() -> None:
    rows = [
        past("apr-5", target="basket"),
        past("apr-4"),
        past("apr-3", action="drain"),
        past("apr-2"),
        past("apr-1", target="basket"),
    ]
    assert [found.request for found in similar_actions(rows, remediation())] == ["apr-4", "apr-2", "apr-5"]
    assert [found.request for found in similar_actions([*rows[1:2], *rows], remediation())] == ["apr-4", "apr-2", "apr-5"]
    assert len(similar_actions([past(f"apr-{n}") for n in range(9)], remediation())) == SHOWN


def test_only_what_was_executed_counts() -> None:
    rows = [past(f"apr-{state}", state=state) for state in S]
    assert {found.request for found in similar_actions(rows, remediation())} <= {"apr-succeeded", "apr-failed", "apr-unknown"}
    asked = Kept(REQUEST.model_copy(update={"state": S.SUCCEEDED, "remediation": remediation()}), 1, NOON)
    assert similar_actions([asked], remediation()) == ()


@pytest.mark.parametrize(
    ("state", "execution", "words"),
    [
        (S.FAILED, {}, "failed"),
        (S.UNKNOWN, {}, "nobody knows what became of it"),
        (S.EXECUTING, {}, "executing"),
        (
            S.SUCCEEDED,
            {"recovery": Recovery.RECOVERED, "ended_at": NOON, "recovered_at": NOON + timedelta(seconds=310)},
            "recovered after 310 s",
        ),
        (S.SUCCEEDED, {"recovery": Recovery.RECOVERED}, "recovered"),
        (S.SUCCEEDED, {"recovery": Recovery.NOT_RECOVERED}, "done, and the symptom stayed"),
        (S.SUCCEEDED, {"recovery": Recovery.NOT_SEEN}, "done; whether the symptom went away could not be seen"),
        (S.SUCCEEDED, {"recovery": Recovery.WATCHING}, "done"),
        (S.SUCCEEDED, {}, "done"),
    ],
)
def test_what_came_of_it_in_words(state: S, execution: dict[str, Any], words: str) -> None:
    request: ApprovalRequest = past("apr-1", state=state, **execution).request
    assert outcome_in_words(request) == words
    shown = similar_actions([past("apr-1", state=state, **execution)], remediation())
    assert [found.recovered for found in shown] == [words.startswith("recovered")] * len(shown)
