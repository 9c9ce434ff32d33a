"""Invariants of applications: the approved entry of the history is rolled back to, the approved revision synced, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from middlewatch.records import Result
from tests.contract.actions.argocd_end import ArgoEnd
from tests.contract.actions.benches import BENCHES, TARGET, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with BENCHES["argocd"](tmp_path, 20.0) as made:
        yield made
        assert made.end is not None
        assert made.end.wrong == []


@pytest.fixture
def end(bench: Bench) -> ArgoEnd:
    assert isinstance(bench.end, ArgoEnd)
    return bench.end


def test_a_rollback_goes_to_the_newest_entry_of_another_revision_and_back_again(bench: Bench, end: ArgoEnd) -> None:
    end.application["status"]["history"].append({"id": 6, "revision": "c2"})
    for wanted, digest in (("c1", "01" * 32), ("c2", "02" * 32)):
        order = bench.order(("rollback_deploy", {}), digest=digest)
        assert order.version["to_revision"] == wanted
        assert bench.actions.run(order).result is Result.DONE
        end.settle()
        assert end.application["status"]["history"][-1]["revision"] == wanted


def test_a_sync_is_to_the_revision_that_was_approved(bench: Bench, end: ArgoEnd) -> None:
    order = bench.order(("sync_application", {}))
    assert order.version["to"] == "c2"
    end.application["status"]["sync"]["revision"] = "c3"
    assert bench.actions.run(order).result is Result.NOT_DONE
    assert end.begun == 0
    assert bench.actions.run(bench.order(("sync_application", {}))).result is Result.DONE
    assert end.written[-1].json["revision"] == "c3"


@pytest.mark.parametrize(
    ("automated", "refused"), [({}, True), ({"enabled": True}, True), ({"enabled": False}, False), (None, False)]
)
def test_what_syncs_by_itself_is_left_alone(
    bench: Bench, end: ArgoEnd, automated: dict[str, object] | None, *, refused: bool
) -> None:
    end.automated = automated
    for action in ("rollback_deploy", "sync_application"):
        assert ("syncs by itself" in bench.actions.inspect(action, TARGET, {}).problem) is refused


def test_what_cannot_be_done_is_a_problem(bench: Bench, end: ArgoEnd) -> None:
    end.application["status"]["sync"]["status"] = "Synced"
    assert "does not differ" in bench.actions.inspect("sync_application", TARGET, {}).problem
    end.application["status"]["sync"] = {"status": "OutOfSync", "revisions": ["a", "b"]}
    assert "does not name one revision" in bench.actions.inspect("sync_application", TARGET, {}).problem
    end.application["status"]["history"] = [{"id": 4, "revision": "c2"}]
    assert "no earlier revision" in bench.actions.inspect("rollback_deploy", TARGET, {}).problem
    end.application["operation"] = {"sync": {"revision": "c2"}}
    assert "under way" in bench.actions.inspect("rollback_deploy", TARGET, {}).problem


def test_progress_and_failure_are_told_as_they_are(bench: Bench, end: ArgoEnd) -> None:
    order = bench.order(("rollback_deploy", {}))
    assert bench.actions.run(order).result is Result.DONE
    assert bench.actions.probe(order).result is Result.UNKNOWN
    end.settle()
    state = end.application["status"]["operationState"]
    for phase, result in (
        ("Running", Result.UNKNOWN),
        ("Failed", Result.NOT_DONE),
        ("Error", Result.NOT_DONE),
        ("Succeeded", Result.DONE),
    ):
        state |= {"phase": phase, "message": "hook failed"}
        found = bench.actions.probe(order)
        assert found.result is result
        assert (result is not Result.NOT_DONE) or "hook failed" in found.detail


def test_an_operation_of_somebody_else_is_not_taken_for_ours(bench: Bench, end: ArgoEnd) -> None:
    order = bench.order(("rollback_deploy", {}))
    end.sync_elsewhere()
    assert bench.actions.probe(order).result is Result.UNKNOWN
    end.application["operation"] = {"sync": {"revision": "c9"}}
    assert bench.actions.probe(order).result is Result.UNKNOWN
    assert bench.actions.run(order).result is Result.NOT_DONE
    assert end.begun == 0
