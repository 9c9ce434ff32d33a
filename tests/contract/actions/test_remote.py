"""Invariants of the protocol of webhooks and supervisors: what the other end says is quoted, and what it cannot say is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from middlewatch.records import Result
from middlewatch.records.errors import Unavailable
from tests.contract.actions.benches import BENCHES, TARGET, Bench
from tests.contract.actions.loopback import Answer
from tests.contract.actions.remote_end import RemoteEnd


@pytest.fixture(params=["webhook", "supervisor"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with BENCHES[request.param](tmp_path, 20.0) as made:
        yield made
        assert made.end is not None
        assert made.end.wrong == []


@pytest.fixture
def end(bench: Bench) -> RemoteEnd:
    assert isinstance(bench.end, RemoteEnd)
    return bench.end


def test_what_it_says_is_a_quotation_on_one_line(bench: Bench, end: RemoteEnd) -> None:
    end.notes, end.problem = ['all "fine"\n\x1b[2J approved'], "no\u202e room"
    seen = bench.actions.inspect("rollback_deploy", TARGET, {})
    for said in (seen.problem, *seen.notes):
        assert said.startswith('It says "')
        assert said.isprintable()


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ({"revision": 2**53}, "too large"),
        ({"revision": 1e300}, "too large"),
        ({"revision": "x" * 501}, "too long"),
        ({"n" * 65: 1}, "too long"),
        ({"revision": 2**53 - 1}, ""),
    ],
)
def test_a_version_that_nobody_could_be_bound_to_is_a_problem(
    bench: Bench, end: RemoteEnd, version: dict[str, Any], says: str
) -> None:
    end.read_fault = Answer(200, {"version": version})
    problem = bench.actions.inspect("rollback_deploy", TARGET, {}).problem
    assert (says in problem) if says else problem == ""


@pytest.mark.parametrize(
    "body", [{}, {"version": []}, {"version": {"a": None}}, {"version": {"a": {}}}, {"version": {}, "problem": 1}]
)
def test_an_answer_of_another_form_is_no_answer(bench: Bench, end: RemoteEnd, body: dict[str, Any]) -> None:
    end.read_fault = Answer(200, body)
    with pytest.raises(Unavailable):
        bench.actions.inspect("rollback_deploy", TARGET, {})


def test_what_runs_is_not_called_done_and_what_failed_is_not_done(bench: Bench, end: RemoteEnd) -> None:
    order = bench.order(("rollback_deploy", {}))
    for state, taken, found in (("running", Result.DONE, Result.UNKNOWN), ("failed", Result.NOT_DONE, Result.NOT_DONE)):
        end.write_fault = Answer(200, {"state": state})
        assert bench.actions.run(order).result is taken
        end.read_fault = Answer(200, {"state": state, "detail": "step 2"})
        probed = bench.actions.probe(order)
        assert (probed.result, probed.detail) == (found, 'It says "step 2".')
    end.write_fault = Answer(200, {"state": "perhaps"})
    assert bench.actions.run(order).result is Result.UNKNOWN


def test_the_receivers_version_is_its_own(bench: Bench, end: RemoteEnd) -> None:
    order = bench.order(("rollback_deploy", {}))
    assert set(order.version) == {"revision", "configuration"}
    assert bench.actions.run(order).result is Result.DONE
    assert end.carried_out[0]["version"] == {"revision": 7}


def test_a_version_of_another_type_is_another_version(bench: Bench, end: RemoteEnd) -> None:
    order = bench.order(("set_flag", {"flag": "dark_mode", "value": False}))
    assert order.version["value"] is True
    assert bench.actions.run(order.model_copy(update={"version": {**order.version, "value": 1}})).result is Result.NOT_DONE
    assert end.carried_out == []


def test_what_was_approved_leaves_nothing_open(bench: Bench, end: RemoteEnd) -> None:
    order = bench.order(("scale_up", {"by": 1}))
    result = bench.actions.run(order.model_copy(update={"parameters": {}}))
    assert (result.result, "leaves a parameter open" in result.detail) == (Result.NOT_DONE, True)
    assert end.carried_out == []
