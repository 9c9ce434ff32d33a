"""What the rules answer is kept while language models look at it, and gives way to the report."""

from __future__ import annotations

import pytest

from middlewatch.context_store.store import ContextStore
from middlewatch.records import Claim, Completion, FanOut, InvestigationState, TaskKind
from middlewatch.records.errors import BadInput
from tests.store_data import make_investigation, make_report, make_task

REASON = make_task("reason", kind=TaskKind.REASON)
RULES = make_report()


@pytest.fixture
def concluded(store: ContextStore) -> Claim:
    store.open(make_investigation(), make_task("conclude", kind=TaskKind.CONCLUDE))
    claim = claimed(store)
    store.finish(claim, Completion(preliminary=RULES, fan_out=FanOut(tasks=(REASON,))))
    return claim


def claimed(store: ContextStore) -> Claim:
    claim = store.claim("ann")
    assert claim is not None
    return claim


def kinds(store: ContextStore) -> list[str]:
    return [event.kind for event in store.events("acme", "inv-1")]


def test_it_is_there_while_the_investigation_goes_on(store: ContextStore, concluded: Claim) -> None:
    snapshot = store.snapshot("acme", "inv-1")
    assert (snapshot.preliminary, snapshot.report, snapshot.investigation.headline) == (RULES, None, None)
    assert snapshot.investigation.state is InvestigationState.OPEN
    assert not store.finish(concluded, Completion(preliminary=RULES, fan_out=FanOut(tasks=(REASON,)))), "said again, it is the same"
    assert kinds(store).count("report.preliminary") == 1


def test_the_report_takes_its_place(store: ContextStore, concluded: Claim) -> None:
    store.finish(claimed(store), Completion(report=make_report()))
    snapshot = store.snapshot("acme", "inv-1")
    assert (snapshot.preliminary, snapshot.report) == (None, make_report())
    assert concluded.task.id in {status.task.id for status in snapshot.tasks}


def test_it_stays_where_the_investigation_is_cancelled(store: ContextStore, concluded: Claim) -> None:
    store.cancel(concluded.task.tenant, concluded.task.investigation)
    assert store.snapshot("acme", "inv-1").preliminary == RULES


def test_without_one_nothing_is_told(store: ContextStore) -> None:
    store.open(make_investigation(), make_task("conclude", kind=TaskKind.CONCLUDE))
    store.finish(claimed(store), Completion(report=make_report()))
    assert "report.preliminary" not in kinds(store)


def test_one_of_another_investigation_is_refused(store: ContextStore) -> None:
    store.open(make_investigation(), make_task("conclude", kind=TaskKind.CONCLUDE))
    with pytest.raises(BadInput, match="another investigation"):
        store.finish(claimed(store), Completion(preliminary=RULES.model_copy(update={"investigation": "inv-2"})))
