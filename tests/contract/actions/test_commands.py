"""Invariants of local commands: fixed words, no shell, a fixed environment, a time limit, and no beginning is forgotten."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from middlewatch.records import Order, Result
from middlewatch.records.errors import Misconfigured
from middlewatch.tools.actions.command import Journal
from middlewatch.tools.actions.execution import Actions
from tests.contract.actions.benches import RUNBOOK, actions_for


def actions(folder: Path, *command: str, **more: Any) -> Actions:
    runbook = {**RUNBOOK, "command": list(command), **more}
    return actions_for(folder, {"targets": {"orders": {"runbooks": ["it"]}}, "runbooks": {"it": runbook}})


def order(made: Actions) -> Order:
    seen = made.inspect("run_it", "orders", {})
    assert seen.problem == ""
    return Order(tenant="default", request="rq-1", digest="ab" * 32, action="run_it", target="orders", version=seen.version)


def script(folder: Path, text: str) -> str:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


def test_words_are_arguments_and_nothing_else(tmp_path: Path) -> None:
    words = ["a b", "$(touch pwned)", "; touch pwned", "*"]
    made = actions(tmp_path, script(tmp_path, f'printf "<%s>" "$@" > {tmp_path}/said'), *words)
    assert made.run(order(made)).result is Result.DONE
    assert (tmp_path / "said").read_text() == "".join(f"<{word}>" for word in words)
    assert not (tmp_path / "pwned").exists()


def test_the_environment_is_the_configurations_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDDLEWATCH_REDIS_URL", "redis://secret@host")
    program = script(tmp_path, f"/usr/bin/env > {tmp_path}/said; pwd >> {tmp_path}/said")
    made = actions(tmp_path, program, environment={"SCOPE": "all"})
    assert made.run(order(made)).result is Result.DONE
    said = (tmp_path / "said").read_text()
    assert "SCOPE=all" in said
    assert "secret" not in said
    assert "\n/\n" in said


@pytest.mark.parametrize(("text", "result"), [("exit 0", Result.DONE), ("exit 3", Result.NOT_DONE), ("kill -9 $$", Result.UNKNOWN)])
def test_its_status_says_what_came_of_it(tmp_path: Path, text: str, result: Result) -> None:
    made = actions(tmp_path, script(tmp_path, text))
    asked = order(made)
    assert made.run(asked).result is result
    assert made.probe(asked).result is result
    assert made.run(asked).result is result


def test_after_its_time_it_and_its_children_are_killed(tmp_path: Path) -> None:
    made = actions(tmp_path, script(tmp_path, f"sleep 600 & echo $! > {tmp_path}/child; wait"), seconds=1)
    assert made.run(order(made)).result is Result.UNKNOWN
    child = int((tmp_path / "child").read_text())
    while running(child):  # the test's own time limit ends it
        time.sleep(0.01)


def running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_beginning_without_an_end_is_unknown_and_never_begun_again(tmp_path: Path) -> None:
    made = actions(tmp_path, script(tmp_path, f"echo >> {tmp_path}/count"))
    asked = order(made)
    child = os.fork()
    if child == 0:  # an executor that dies while its command runs
        from middlewatch.tools.actions import command  # noqa: PLC0415

        command.CommandAdapter._run = lambda _self: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment,method-assign,return-value]
        made.run(asked)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    for _ in range(2):
        assert made.probe(asked).result is Result.UNKNOWN
        assert made.run(asked).result is Result.UNKNOWN
    assert not (tmp_path / "count").exists()


def test_another_program_under_the_same_name_is_not_the_approved_one(tmp_path: Path) -> None:
    made = actions(tmp_path, script(tmp_path, "exit 0"))
    asked = order(made)
    script(tmp_path, f"touch {tmp_path}/other")
    assert made.run(asked).result is Result.NOT_DONE
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(("mode", "says"), [(0o600, "not a program"), (0o702, "Any user can write")])
def test_what_should_not_be_run_is_a_problem(tmp_path: Path, mode: int, says: str) -> None:
    program = Path(script(tmp_path, "exit 0"))
    program.chmod(mode)
    assert says in actions(tmp_path, str(program)).inspect("run_it", "orders", {}).problem


def test_a_program_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert "cannot be looked at" in actions(tmp_path, str(tmp_path / "absent")).inspect("run_it", "orders", {}).problem


def test_without_a_journal_nothing_begins(tmp_path: Path) -> None:
    made = actions(tmp_path, script(tmp_path, f"touch {tmp_path}/ran"))
    asked = order(made)
    shutil.rmtree(tmp_path / "journal")
    (tmp_path / "journal").write_text("in the way")
    assert made.run(asked).result is Result.NOT_DONE
    assert not (tmp_path / "ran").exists()
    assert made.probe(asked).result is Result.UNKNOWN
    with pytest.raises(Misconfigured, match="journal"):
        made.inspect("run_it", "orders", {})


def of_another_machine(made: Actions, folder: Path) -> Actions:
    """The same configuration and the same program, and a journal of its own."""
    return Actions(made._catalogue.configuration, made._credentials, folder)


@pytest.mark.parametrize("began", [True, False])
def test_the_journal_of_another_machine_says_nothing_of_what_never_began(tmp_path: Path, began: bool) -> None:  # noqa: FBT001
    made = actions(tmp_path, script(tmp_path, f"echo >> {tmp_path}/count"))
    another, asked = of_another_machine(made, tmp_path / "another"), order(made)
    assert made.probe(asked).result is Result.NOT_DONE
    if began:
        assert made.run(asked).result is Result.DONE
    found = another.probe(asked)
    assert (found.result, "another executor's machine" in found.detail) == (Result.UNKNOWN, True)
    assert another.run(asked).result is Result.NOT_DONE, "whoever has the beginning begins it here or nowhere"
    assert (tmp_path / "count").exists() is began


def test_a_journal_that_was_lost_says_nothing_of_what_never_began(tmp_path: Path) -> None:
    made = actions(tmp_path, script(tmp_path, "exit 0"))
    asked = order(made)
    assert made.run(asked).result is Result.DONE
    shutil.rmtree(tmp_path / "journal")
    assert made.probe(asked).result is Result.UNKNOWN


@pytest.mark.parametrize("damaged", ["", "[]", "{}", '{"identity"'])
def test_a_journal_whose_identity_is_damaged_says_nothing(tmp_path: Path, damaged: str) -> None:
    made = actions(tmp_path, script(tmp_path, f"touch {tmp_path}/ran"))
    asked = order(made)
    (tmp_path / "journal" / "identity").write_text(damaged)
    assert made.probe(asked).result is Result.UNKNOWN
    assert "damaged" in made.run(asked).detail
    assert not (tmp_path / "ran").exists()


def test_of_two_who_make_a_journal_at_once_both_have_the_same(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def identity(number: int) -> str:
        together.wait()
        return Journal(tmp_path / str(number // 8)).identity

    with ThreadPoolExecutor(8) as pool:
        found = [{*pool.map(identity, range(8 * n, 8 * n + 8))} for n in range(10)]
    assert [len(one) for one in found] == [1] * 10
    assert len(set.union(*found)) == 10
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"identity"}


def test_of_two_who_begin_at_once_one_runs(tmp_path: Path) -> None:
    """Whatever both of them found in the journal just before."""
    made = actions(tmp_path, script(tmp_path, f"printf x >> {tmp_path}/count"))
    asked = order(made)
    adapters = [made._adapter(made._catalogue.configuration.place("run_it", "orders")) for _ in range(8)]
    with ThreadPoolExecutor(len(adapters)) as pool:
        results = [result.result for result in pool.map(lambda adapter: adapter.run(asked), adapters)]
    assert (tmp_path / "count").read_text() == "x"
    assert Result.DONE in results
    assert Result.NOT_DONE not in results
