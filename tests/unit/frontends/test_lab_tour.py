"""Invariant: what a tour tells fits a terminal of 80 columns and names what was missed; who leads decides, or is played."""

from __future__ import annotations

import io
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from click.testing import CliRunner

from middlewatch.evals.lab.tour_timeline import Change, TourResult
from middlewatch.frontends.cli import lab_tour
from middlewatch.frontends.cli.lab_tour import _Face, _print, _Told, tour
from middlewatch.records import ApprovalRequest
from middlewatch.records.errors import BadInput

if TYPE_CHECKING:
    from middlewatch.evals.lab.tour_site import Site

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
REQUEST = cast("ApprovalRequest", SimpleNamespace(id="apr-0123456789ab", digest="d" * 64))


def result(**update: object) -> TourResult:
    names = ("began_at", "done_at", "visible_at", "alerted_at", "caused_at", "approved_at", "executed_at", "well_at", "verified_at")
    seconds = (0, 1, 2, 33, 41, 44, 50, 61, 80)
    times = {name: START + timedelta(seconds=each) for name, each in zip(names, seconds, strict=True)}
    change = Change(service="catalogue", kind="deploy", version="2.0.0", description="markets")
    known = TourResult(truth="catalogue", blamed="catalogue", blamed_change="deploy 2.0.0", change=change, sender="objectives")
    return known.model_copy(update={"approved_by": "operator", **times, **update})


def told(found: TourResult, capsys: pytest.CaptureFixture[str], *, as_json: bool = False) -> str:
    _print(found, _Told(quiet=as_json), as_json=as_json)
    return capsys.readouterr().out


def test_the_time_line_fits_and_names_each_goal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = told(result(), capsys)
    assert max(map(len, text.splitlines())) <= 80
    assert "08:00:33  alert of objectives" in text
    assert "31.0 s after the first effect" in text
    assert text.count("met     ") == 4
    assert text.endswith("The blamed cause, catalogue deploy 2.0.0, is the truth.\nThe loop closed.\n")


def test_what_was_missed_is_said_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    late = START + timedelta(seconds=99)
    text = told(result(alerted_at=late, verified_at=None, blamed="payment", problem="No roll back was proposed."), capsys)
    assert "MISSED  alert after the first visible effect: 97 s (goal: 60 s)" in text
    assert "MISSED  recovery verified: not reached" in text
    assert "The blamed cause, payment deploy 2.0.0, is not the truth: it was catalogue." in text
    assert text.endswith("The loop did not close: No roll back was proposed.\n")


def test_json_has_it_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert '"closed": true' in told(result(), capsys, as_json=True)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [(["--fault", "gremlins"], "no fault 'gremlins'"), (["--service", "bank"], "cannot be done to 'bank'")],
)
def test_a_fault_that_there_is_not_is_refused_before_anything_starts(arguments: list[str], problem: str) -> None:
    failed = CliRunner().invoke(tour, arguments).exception
    assert isinstance(failed, BadInput)
    assert problem in failed.message


class Ran:
    """The commands that were run, none of them really."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, ...]] = []
        self.code = 0

    def __call__(self, command: tuple[str, ...], **_more: object) -> SimpleNamespace:
        self.commands.append(command)
        return SimpleNamespace(returncode=self.code)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    held = Ran()
    monkeypatch.setattr("middlewatch.frontends.cli.lab_tour.subprocess.run", held)
    return held


def face(*, unattended: bool) -> _Face:
    stands = cast("Site", SimpleNamespace(url="http://127.0.0.1:1", environment={}, check=lambda: None))
    return _Face(stands, Path("live"), _Told(quiet=False), unattended=unattended)


def test_unattended_the_lead_is_played_by_the_command_that_people_use(ran: Ran) -> None:
    face(unattended=True).decide(REQUEST, lambda: True)
    ((*_, approvals, approve, request, yes, option, digest, no_wait),) = ran.commands
    assert (approvals, approve, request, yes) == ("approvals", "approve", REQUEST.id, "--yes")
    assert (option, digest, no_wait) == ("--digest", REQUEST.digest, "--no-wait")


class Typed(io.StringIO):
    """What somebody types on a terminal."""

    def isatty(self) -> bool:
        return True


def test_after_a_mistyped_digest_the_right_one_is_taken(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Typed(f"\n{REQUEST.digest[:8]}\n"))
    monkeypatch.setattr("select.select", lambda *_: ([True], [], []))
    ran.code = 77
    face(unattended=False).decide(REQUEST, lambda: len(ran.commands) == 2)
    first, second = ran.commands
    assert ("--yes" in first, second[-4:]) == (False, ("--yes", "--digest", REQUEST.digest, "--no-wait"))
    told = capsys.readouterr()
    assert "77" not in told.out + told.err
    assert "Or press Enter to decide here> " in told.err


def test_ctrl_c_at_the_question_ends_the_tour(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Typed("\n"))
    monkeypatch.setattr("select.select", lambda *_: ([True], [], []))
    ran.code = 130
    with pytest.raises(KeyboardInterrupt):
        face(unattended=False).decide(REQUEST, lambda: False)


def test_the_line_that_is_written_over_is_gone_when_it_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with closing(_Told(quiet=False)) as told:
        told.progress("ending the shop and middlewatch")
    assert capsys.readouterr().err.endswith("\r\x1b[K")


def test_who_decides_in_the_browser_is_waited_for(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lab_tour, "_WAIT_SECONDS", 0.0)
    looks = iter((False, False, True))
    face(unattended=False).decide(REQUEST, lambda: next(looks))
    assert ran.commands == []
    assert next(looks, None) is None
    assert f"http://127.0.0.1:1/approvals/{REQUEST.id}" in capsys.readouterr().out
