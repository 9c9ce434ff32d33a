"""Invariants of tickets and workflows: a ticket is opened once however many there are, and only the configured workflow runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from middlewatch.records import Result
from middlewatch.tools.actions import github
from middlewatch.tools.actions.places import marker
from tests.contract.actions.benches import BENCHES, TARGET, Bench, Case
from tests.contract.actions.github_end import LONG_AGO, GitHubEnd, now


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
        end.issues.insert(0, {"number": 2, "html_url": "", "body": body, "created_at": LONG_AGO})
    assert bench.actions.probe(order).result is Result.NOT_DONE


def test_a_ticket_says_what_it_is_about_and_names_its_request(bench: Bench, end: GitHubEnd) -> None:
    order = bench.order(("open_ticket", {"investigation": "inv-1"}))
    result = bench.actions.run(order)
    assert (result.result, result.reference) == (Result.DONE, "https://example.test/2")
    body = end.written[-1].json
    assert body["title"] == f"Incident: {TARGET}"
    assert "middlewatch show inv-1" in body["body"]
    assert body["body"].endswith(f"<!-- middlewatch.io/request={order.digest} -->")


TICKET: Case = ("open_ticket", {"investigation": ""})


def others(count: int, at: str) -> list[dict[str, object]]:
    return [{"number": 9, "html_url": "", "body": "other", "created_at": at}] * count


@pytest.mark.parametrize("older", [300, 2000])
def test_a_full_tracker_takes_a_ticket_and_keeps_it_found(bench: Bench, end: GitHubEnd, older: int) -> None:
    end.issues = others(older, LONG_AGO)
    order = bench.order(TICKET).model_copy(update={"since": datetime.now(UTC)})
    assert bench.actions.probe(order).result is Result.NOT_DONE
    assert bench.actions.run(order).result is Result.DONE
    end.issues = others(450, now()) + end.issues
    assert bench.actions.probe(order).result is Result.DONE
    assert bench.actions.run(order).result is Result.DONE
    assert end.changes == 1


@pytest.mark.parametrize("since", [None, datetime.now(UTC)])
@pytest.mark.parametrize(("newer", "result"), [(0, Result.DONE), (99, Result.DONE), (999, Result.DONE), (1000, Result.UNKNOWN)])
def test_a_ticket_is_found_among_newer_ones(
    bench: Bench, end: GitHubEnd, newer: int, result: Result, since: datetime | None
) -> None:
    order = bench.order(TICKET).model_copy(update={"since": since})
    assert bench.actions.run(order).result is Result.DONE
    end.issues = others(newer, now()) + end.issues
    assert bench.actions.probe(order).result is result
    if result is Result.DONE:
        assert bench.actions.run(order).result is Result.DONE
    else:
        assert "Nothing was sent" in bench.actions.run(order).detail
    assert end.changes == 1


def test_a_clock_of_github_that_is_behind_hides_no_ticket(bench: Bench, end: GitHubEnd) -> None:
    order = bench.order(TICKET).model_copy(update={"since": datetime.now(UTC)})
    assert bench.actions.run(order).result is Result.DONE
    behind = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()
    end.issues = [{**issue, "created_at": behind} for issue in others(100, behind) + end.issues[:1]]
    assert bench.actions.probe(order).result is Result.DONE


def test_a_run_is_found_among_newer_ones(bench: Bench, end: GitHubEnd) -> None:
    order = bench.order(("run_clear_cache", {})).model_copy(update={"since": datetime.now(UTC)})
    end.runs = end.runs * 300
    assert bench.actions.run(order).result is Result.DONE
    end.settle()
    end.runs = [{**end.runs[-1], "created_at": now()}] * 250 + end.runs
    assert bench.actions.probe(order).result is Result.DONE


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
