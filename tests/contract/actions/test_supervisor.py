"""Invariant: what is done through a supervisor happens to real processes, and to no others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from middlewatch.records import Order, Result, Scalar, digest_of
from middlewatch.tools.actions.execution import Actions
from tests.contract.actions.benches import actions_for
from tests.contract.actions.loopback import served
from tests.contract.actions.real_supervisor import RealSupervisor


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[RealSupervisor]:
    with closing(RealSupervisor()) as made, served(made, tmp_path / "s"):
        yield made
        assert made.wrong == []


@pytest.fixture
def actions(supervisor: RealSupervisor, tmp_path: Path) -> Actions:
    assert supervisor.processes
    target = {"max_replicas": 4, "supervisor": {"connection": "x"}}
    return actions_for(tmp_path, {"supervisor": {"x": {"socket": str(tmp_path / "s")}}, "targets": {"orders": target}})


def do(actions: Actions, action: str, **parameters: Scalar) -> None:
    seen = actions.inspect(action, "orders", parameters)
    assert seen.problem == ""
    order = Order(
        tenant="default",
        request="rq-1",
        digest=digest_of(action),
        action=action,
        target="orders",
        parameters=parameters,
        version=seen.version,
    )
    for _ in range(2):
        assert actions.run(order).result is Result.DONE
        assert actions.probe(order).result is Result.DONE


def words(supervisor: RealSupervisor) -> list[str]:
    """The version that each process really runs with."""
    return [Path(f"/proc/{p.pid}/cmdline").read_bytes().split(b"\0")[-2].decode() for p in supervisor.processes.values()]


def test_instances_start_and_stop(actions: Actions, supervisor: RealSupervisor) -> None:
    before = dict(supervisor.processes)
    do(actions, "scale_up", by=2)
    assert len(supervisor.processes) == 4
    assert all(process.poll() is None for process in supervisor.processes.values())
    assert "more than the configured 4" in actions.inspect("scale_up", "orders", {"by": 1}).problem
    do(actions, "scale_down", by=2)
    assert [process.poll() is not None for process in before.values()] == [True, True]
    assert len(supervisor.processes) == 2


def test_one_instance_is_replaced_and_the_others_go_on(actions: Actions, supervisor: RealSupervisor) -> None:
    (first, ended), (second, kept) = supervisor.processes.items()
    do(actions, "restart_instance", instance=first)
    assert ended.poll() is not None
    assert (kept.poll(), supervisor.processes[second]) == (None, kept)
    assert len(supervisor.processes) == 2


def test_a_rollback_runs_the_version_before_everywhere(actions: Actions, supervisor: RealSupervisor) -> None:
    assert words(supervisor) == ["2", "2"]
    do(actions, "rollback_deploy")
    assert words(supervisor) == ["1", "1"]


def test_a_process_that_died_meanwhile_is_a_changed_target(actions: Actions, supervisor: RealSupervisor) -> None:
    seen = actions.inspect("restart_instance", "orders", {"instance": "worker-1"})
    order = Order(
        tenant="default",
        request="rq-1",
        digest="ab" * 32,
        action="restart_instance",
        target="orders",
        parameters={"instance": "worker-1"},
        version=seen.version,
    )
    supervisor.stop("worker-1")
    assert actions.run(order).result is Result.NOT_DONE
    assert len(supervisor.processes) == 1
