"""Invariants of everything that executes: what is approved is done once or not at all, and what is said of it is true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from middlewatch.records import Result
from middlewatch.records.errors import Unavailable
from tests.contract.actions.benches import BENCHES, TARGET, Bench
from tests.contract.actions.loopback import CUT_BEFORE, NOT_JSON, OTHER_JSON, SILENT, Answer

OVER_HTTP = sorted(set(BENCHES) - {"fake", "command"})


@pytest.fixture(params=sorted(BENCHES))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with BENCHES[request.param](tmp_path, 20.0) as made:
        yield made
        assert made.end is None or made.end.wrong == []


@pytest.fixture(params=OVER_HTTP)
def wired(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with BENCHES[request.param](tmp_path, 20.0) as made:
        yield made
        assert made.end is not None
        assert made.end.wrong == []


def test_looking_changes_nothing_and_finds_the_same_twice(bench: Bench) -> None:
    for action, parameters in bench.cases:
        assert bench.actions.inspect(action, TARGET, parameters) == bench.actions.inspect(action, TARGET, parameters)
    assert bench.carried_out() == 0
    assert bench.end is None or bench.end.written == []


def test_what_was_run_is_found_done_and_what_was_not_is_not(bench: Bench) -> None:
    for number, case in enumerate(bench.cases):
        order = bench.order(case, digest=f"{number:064x}")
        assert bench.actions.probe(order).result is Result.NOT_DONE
        assert bench.actions.run(order).result is Result.DONE, case
        bench.finish()
        assert bench.actions.probe(order).result is Result.DONE, case
    assert bench.carried_out() == len(bench.cases)


def test_the_same_order_twice_is_done_once(bench: Bench) -> None:
    for number, case in enumerate(bench.cases):
        order = bench.order(case, digest=f"{number:064x}")
        assert bench.actions.run(order).result is Result.DONE
        assert bench.actions.run(order).result in {Result.DONE, Result.UNKNOWN}  # unknown while it is under way
        bench.finish()
        assert bench.actions.run(order).result is Result.DONE, case
    assert bench.carried_out() == len(bench.cases)


def test_a_target_that_changed_is_left_alone(bench: Bench) -> None:
    orders = [bench.order(case, digest=f"{number:064x}") for number, case in enumerate(bench.cases)]
    bench.change()
    for order in orders:
        if bench.actions.inspect(order.action, TARGET, order.parameters).version == order.version:
            continue  # nothing that matters to this action changed
        assert bench.actions.run(order).result is Result.NOT_DONE
    assert bench.carried_out() == 0
    assert bench.end is None or bench.end.written == []


@pytest.mark.parametrize("field", ["extra", "configuration"])
def test_a_version_that_is_not_the_targets_is_refused(bench: Bench, field: str) -> None:
    for number, case in enumerate(bench.cases):
        order = bench.order(case, digest=f"{number:064x}")
        forged = order.model_copy(update={"version": {**order.version, field: "other"}})
        assert bench.actions.run(forged).result is Result.NOT_DONE
        assert bench.actions.run(order.model_copy(update={"version": {}})).result is Result.NOT_DONE
    assert bench.carried_out() == 0


@pytest.mark.parametrize("bench", sorted(set(BENCHES) - {"fake"}), indirect=True)
def test_another_place_does_not_know_what_became_of_an_order(bench: Bench) -> None:
    order = bench.order(bench.cases[0])
    assert bench.actions.run(order).result is Result.DONE
    bench.finish()
    moved = order.model_copy(update={"version": {**order.version, "configuration": "0" * 16}})
    assert bench.actions.probe(order).result is Result.DONE
    assert bench.actions.probe(moved).result is Result.UNKNOWN
    assert bench.actions.run(moved).result is Result.NOT_DONE


@pytest.mark.parametrize("bench", sorted(set(BENCHES) - {"command"}), indirect=True)
@pytest.mark.parametrize("carried_out", [True, False])
def test_a_lost_answer_is_unknown_and_the_probe_tells_the_truth(bench: Bench, carried_out: bool) -> None:  # noqa: FBT001
    for number, case in enumerate(bench.cases):
        order = bench.order(case, digest=f"{number:064x}")
        before = bench.carried_out()
        bench.lose(carried_out)
        assert bench.actions.run(order).result is Result.UNKNOWN, case
        bench.finish()
        assert bench.actions.probe(order).result is (Result.DONE if carried_out else Result.NOT_DONE), case
        assert bench.carried_out() == before + carried_out, "nothing was tried again"


def test_parameters_that_the_catalogue_does_not_take_never_reach_the_other_end(bench: Bench) -> None:
    for number, case in enumerate(bench.cases):
        order = bench.order(case, digest=f"{number:064x}")
        mutated = order.model_copy(update={"parameters": {**order.parameters, "command": "reboot"}})
        assert bench.actions.run(mutated).result is Result.NOT_DONE
    assert bench.carried_out() == 0


REFUSALS = (400, 401, 403, 404, 409, 422, 429)


@pytest.mark.parametrize("status", REFUSALS)
def test_what_is_refused_is_not_done(wired: Bench, status: int) -> None:
    assert wired.end is not None
    for number, case in enumerate(wired.cases):
        order = wired.order(case, digest=f"{number:064x}")
        wired.end.write_fault = Answer(status, {"message": "no"}, {"Retry-After": "7"} if status == 429 else {})
        result = wired.actions.run(order)
        assert (result.result, str(status) in result.detail) == (Result.NOT_DONE, True)
        assert status != 429 or "7 s" in result.detail
        assert wired.actions.probe(order).result is Result.NOT_DONE
    assert len(wired.end.written) == len(wired.cases), "nothing was tried again"
    assert wired.carried_out() == 0


@pytest.mark.parametrize("fault", [Answer(500, {}), Answer(503, "x"), NOT_JSON], ids=str)
def test_an_answer_that_says_nothing_is_unknown(wired: Bench, fault: str | Answer) -> None:
    assert wired.end is not None
    for number, case in enumerate(wired.cases):
        order = wired.order(case, digest=f"{number:064x}")
        wired.end.write_fault = fault
        result = wired.actions.run(order)
        assert result.result is Result.UNKNOWN, case
        wired.finish()
        assert wired.actions.probe(order).result is (Result.DONE if fault == NOT_JSON else Result.NOT_DONE)


def test_a_change_whose_answer_has_another_schema_is_not_called_failed(wired: Bench) -> None:
    assert wired.end is not None
    for number, case in enumerate(wired.cases):
        order = wired.order(case, digest=f"{number:064x}")
        wired.end.write_fault = OTHER_JSON
        assert wired.actions.run(order).result is not Result.NOT_DONE
        wired.finish()
        assert wired.actions.probe(order).result is Result.DONE


@pytest.mark.parametrize("fault", [Answer(401), Answer(429), Answer(500), CUT_BEFORE, NOT_JSON, OTHER_JSON], ids=str)
def test_an_order_whose_target_cannot_be_looked_at_is_not_begun(wired: Bench, fault: str | Answer) -> None:
    assert wired.end is not None
    for number, case in enumerate(wired.cases):
        order = wired.order(case, digest=f"{number:064x}")
        wired.end.read_fault = fault
        assert wired.actions.run(order).result is Result.NOT_DONE
        wired.end.read_fault = fault
        assert wired.actions.probe(order).result is Result.UNKNOWN
        wired.end.read_fault = fault
        if fault == Answer(401):
            assert "401" in wired.actions.inspect(case[0], TARGET, case[1]).problem
        else:
            with pytest.raises(Unavailable):
                wired.actions.inspect(case[0], TARGET, case[1])
    assert wired.end.written == []


@pytest.mark.parametrize("name", OVER_HTTP)
def test_silence_is_unknown(name: str, tmp_path: Path) -> None:
    with BENCHES[name](tmp_path, 1.0) as bench:
        order = bench.order(bench.cases[0])
        bench.end.write_fault = SILENT
        result = bench.actions.run(order)
        assert (result.result, result.detail) == (Result.UNKNOWN, "No answer within 1 s.")


@pytest.mark.parametrize("name", OVER_HTTP)
def test_where_nobody_listens_nothing_was_sent(name: str, tmp_path: Path) -> None:
    with BENCHES[name](tmp_path, 20.0) as bench:
        order = bench.order(bench.cases[0])
    result = bench.actions.run(order)
    assert (result.result, "Nothing was sent" in result.detail) == (Result.NOT_DONE, True)
    assert bench.actions.probe(order).result is Result.UNKNOWN
    with pytest.raises(Unavailable):
        bench.actions.inspect(bench.cases[0][0], TARGET, bench.cases[0][1])


def test_no_credential_is_in_any_answer_error_or_plan(wired: Bench) -> None:
    assert wired.end is not None
    folder = wired.actions._credentials.folder  # type: ignore[attr-defined]
    secrets = [file.read_text().strip() for file in folder.iterdir()]
    shown = [repr(vars(wired.actions))]
    for number, case in enumerate(wired.cases):
        order = wired.order(case, digest=f"{number:064x}")
        wired.end.write_fault = Answer(403, {"message": f"bad {' '.join(secrets)}"})
        shown += [wired.actions.run(order).model_dump_json(), wired.actions.inspect(*case[:1], TARGET, case[1]).model_dump_json()]
        shown += wired.actions._catalogue.plan(case[0], TARGET, case[1], order.version)  # type: ignore[attr-defined]
    assert all(secret not in json.dumps(shown) for secret in secrets)
