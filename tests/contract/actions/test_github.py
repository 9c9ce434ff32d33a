"""Invariants of tickets and workflows: a ticket is opened once however many there are, and only the configured workflow runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from middlewatch.records import Result
from middlewatch.tools.actions import github
from middlewatch.tools.actions.places import marker
from tests.contract.actions.benches import BENCHES, TARGET, Bench
from tests.contract.actions.github_end import GitHubEnd


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(github, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(github, "SETTLE_SECONDS", 0.05)
    with BENCHES["github"](tmp_path, 20.0) as made:
        yield made
        assert made.end is not None
        assert made.end.wrong == []


@pytest.fixture
def end(bench: Bench) -> GitHubEnd:
    assert isinstance(bench.end, GitHubEnd)
    return bench.end


def test_the_ticket_of_another_request_is_not_ours(bench: Bench, end: GitHubEnd) -> None:
    order = bench.order(("open_ticket", {"investigation": ""}))
    for body in (marker(f"{order.digest[:-1]}0"), f"about {order.digest}"):
        end.issues.insert(0, {"number": 2, "html_url": "", "body": body})
    assert bench.actions.probe(order).result is Result.NOT_DONE


def test_a_ticket_says_what_it_is_about_and_names_its_request(bench: Bench, end: GitHubEnd) -> None:
    order = bench.order(("open_ticket", {"investigation": "inv-1"}))
    result = bench.actions.run(order)
    assert (result.result, result.reference) == (Result.DONE, "https://example.test/2")
    body = end.written[-1].json
    assert body["title"] == f"Incident: {TARGET}"
    assert "middlewatch show inv-1" in body["body"]
    assert body["body"].endswith(f"<!-- middlewatch.io/request={order.digest} -->")


@pytest.mark.parametrize(("newer", "result"), [(0, Result.DONE), (99, Result.DONE), (250, Result.DONE), (300, Result.UNKNOWN)])
def test_a_ticket_is_found_among_newer_ones(bench: Bench, end: GitHubEnd, newer: int, result: Result) -> None:
    order = bench.order(("open_ticket", {"investigation": ""}))
    assert bench.actions.run(order).result is Result.DONE
    end.issues = [{"number": 9, "html_url": "", "body": "other"}] * newer + end.issues
    assert bench.actions.probe(order).result is result
    if result is Result.DONE:
        assert bench.actions.run(order).result is Result.DONE
    else:
        assert "Nothing was sent" in bench.actions.run(order).detail
    assert end.changes == 1


@pytest.mark.parametrize(
    ("changed", "says"), [({"archived": True}, "archived"), ({"disabled": True}, "archived"), ({"has_issues": False}, "no issues")]
)
def test_a_repository_that_takes_no_tickets_is_a_problem(bench: Bench, end: GitHubEnd, changed: dict[str, bool], says: str) -> None:
    end.repository |= changed
    assert says in bench.actions.inspect("open_ticket", TARGET, {}).problem


@pytest.mark.parametrize(
    ("conclusion", "result"), [("success", Result.DONE), ("failure", Result.NOT_DONE), ("cancelled", Result.NOT_DONE)]
)
def test_a_run_is_what_its_conclusion_says(bench: Bench, end: GitHubEnd, conclusion: str, result: Result) -> None:
    order = bench.order(("run_clear_cache", {}))
    assert bench.actions.run(order).reference == "https://example.test/r"
    assert bench.actions.probe(order).result is Result.UNKNOWN
    end.runs[0] |= {"status": "completed", "conclusion": conclusion}
    assert bench.actions.probe(order).result is result


def test_a_run_that_is_not_listed_yet_was_taken_on_all_the_same(
    bench: Bench, end: GitHubEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = bench.order(("run_clear_cache", {}))
    monkeypatch.setattr(end, "runs", Forgetful())
    result = bench.actions.run(order)
    assert (result.result, result.detail) == (Result.DONE, "GitHub has taken it on.")
    assert end.changes == 1


class Forgetful(list[object]):
    """A list of runs that is behind."""

    def insert(self, _index: object, _run: object) -> None:
        """Not yet."""
