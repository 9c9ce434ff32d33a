"""Invariants: no execution takes longer than its place says, and no place says more than is waited for where nothing is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from middlewatch.approval.executor import LONGEST_ACTING_SECONDS
from middlewatch.records import Result
from middlewatch.records.errors import Refused
from middlewatch.tools.actions import github
from middlewatch.tools.actions.places import MOST_CALLS, CommandPlace, Place, SupervisorPlace
from tests.contract.actions.benches import BENCHES, Case

SUPERVISOR = {"socket": Path("/run/s"), "min_replicas": 1, "max_replicas": 1}


@pytest.mark.parametrize("place", [CommandPlace(command=("/bin/true",), seconds=3600), SupervisorPlace(seconds=120, **SUPERVISOR)])
def test_nothing_may_be_configured_to_take_longer_than_is_waited_for_without_knowing(place: Place) -> None:
    longest = type(place).model_fields["seconds"].metadata
    assert place.seconds in {getattr(bound, "le", None) for bound in longest}
    assert place.seconds < place.acting_seconds < LONGEST_ACTING_SECONDS


@pytest.mark.parametrize("name", ["webhook", "supervisor", "kubernetes", "argocd", "github"])
def test_an_execution_makes_no_more_calls_than_its_time_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(github, "SETTLE_SECONDS", 0.0)
    pages = github.PAGES - 1 if name == "github" else 0
    for number in range(6):
        (tmp_path / str(number)).mkdir()
        with BENCHES[name](tmp_path / str(number), 20.0) as bench:
            order = bench.order(bench.cases[number % len(bench.cases)])
            before = len(bench.end.requests)
            assert bench.actions.run(order).result is Result.DONE
            assert len(bench.end.requests) - before + pages <= MOST_CALLS
            assert bench.actions.acting_seconds(order) >= 20.0 * MOST_CALLS


def test_what_is_not_configured_takes_no_time_that_is_known(tmp_path: Path) -> None:
    with BENCHES["command"](tmp_path, 20.0) as bench:
        case: Case = ("run_clear_cache", {})
        order = bench.order(case)
        assert bench.actions.acting_seconds(order) > 300.0
        with pytest.raises(Refused):
            bench.actions.acting_seconds(order.model_copy(update={"target": "another"}))
