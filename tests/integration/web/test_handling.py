"""What people do with investigations, on pages: plain forms, and what they say when something is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from middlewatch.records import LONGEST_CAUSE, LONGEST_NOTE, Investigation, InvestigationState, Verdict
from tests.report_finding import finding
from tests.web_site import WebSite, csrf_of

HOSTILE = '</textarea><script>alert(1)</script>" autofocus onfocus=alert(2) x="\u202e{{ 7*7 }}'


@pytest.fixture(scope="module")
def mia(site: WebSite) -> TestClient:
    return site.client("mia")


@pytest.fixture
def closed(site: WebSite) -> Investigation:
    return site.seed(finding())


def send(client: TestClient, investigation: str, what: str, **form: str) -> Any:
    """Fill in a form of the section that has it, and send it."""
    section = "feedback" if what == "feedback" else "handling"
    csrf = csrf_of(client.get(f"/investigations/{investigation}/{section}"))
    return client.post(f"/investigations/{investigation}/{what}", data={"csrf": csrf, **form})


def test_acknowledged_once_it_is_theirs_and_the_page_comes_back(site: WebSite, mia: TestClient, closed: Investigation) -> None:
    answer = send(mia, closed.id, "acknowledge")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/investigations/{closed.id}#handling")
    kept = site.app.handlings.of(closed.id)
    assert (kept.acknowledged_by, kept.assignee) == ("mia", "mia")
    page = mia.get(f"/investigations/{closed.id}/handling").text
    assert "<b>Mia Example</b> has it (you)" in page
    assert f"/{closed.id}/acknowledge" not in page


def test_handed_over_with_a_note_that_is_shown_as_it_was_typed(site: WebSite, mia: TestClient, closed: Investigation) -> None:
    answer = send(mia, closed.id, "assign", to="leo", note="  the pool is full\r\n<b>look</b>\r\n")
    assert answer.status_code == 303
    last = site.app.handlings.of(closed.id).handovers[-1]
    assert (last.by, last.to, last.note) == ("mia", "leo", "the pool is full\n<b>look</b>")
    page = mia.get(f"/investigations/{closed.id}/handling").text
    assert "<b>Mia Example</b> gave it to Leo Example" in page
    assert "the pool is full\n&lt;b&gt;look&lt;/b&gt;" in page


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"to": "nobody-here", "note": HOSTILE}, "no active principal"),
        ({"to": "", "note": HOSTILE}, "Nobody is chosen"),
        ({"to": "leo", "note": HOSTILE + "x" * LONGEST_NOTE}, "cannot be kept"),
    ],
)
def test_a_refused_handover_is_explained_and_keeps_what_was_typed(
    site: WebSite, mia: TestClient, closed: Investigation, form: dict[str, str], says: str
) -> None:
    answer = send(mia, closed.id, "assign", **form)
    assert answer.status_code == 422
    assert says in answer.text
    assert "What to do:" in answer.text
    assert "&lt;/textarea&gt;&lt;script&gt;alert(1)&lt;/script&gt;&#34; autofocus" in answer.text
    assert "<script>alert" not in answer.text
    assert site.app.handlings.of(closed.id).handovers == ()
    again = csrf_of(answer)
    assert mia.post(f"/investigations/{closed.id}/assign", data={"csrf": again, "to": "leo", "note": "ok"}).status_code == 303


def test_feedback_is_said_and_changed_by_the_same_person(site: WebSite, mia: TestClient, closed: Investigation) -> None:
    assert send(mia, closed.id, "feedback", verdict="right").status_code == 303
    answer = send(mia, closed.id, "feedback", verdict="wrong", cause=HOSTILE)
    assert answer.headers["location"] == f"/investigations/{closed.id}#feedback"
    assert [(one.by, one.verdict, one.cause) for one in site.app.handlings.of(closed.id).feedback] == [
        ("mia", Verdict.WRONG, HOSTILE)
    ]
    page = mia.get(f"/investigations/{closed.id}/feedback").text
    assert "<b>Mia Example</b> called it <b>wrong</b>" in page
    assert "<script>alert" not in page
    assert 'value="wrong" required checked' in page


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"cause": "the <i>cache</i>"}, "No verdict is chosen"),
        ({"verdict": "perhaps", "cause": "the <i>cache</i>"}, "No verdict is chosen"),
        ({"verdict": "wrong", "cause": "the <i>cache</i>" + "x" * LONGEST_CAUSE}, "cannot be kept"),
    ],
)
def test_refused_feedback_is_explained_and_keeps_what_was_typed(
    site: WebSite, mia: TestClient, closed: Investigation, form: dict[str, str], says: str
) -> None:
    answer = send(mia, closed.id, "feedback", **form)
    assert answer.status_code == 422
    assert says in answer.text
    assert "the &lt;i&gt;cache&lt;/i&gt;" in answer.text
    assert site.app.handlings.of(closed.id).feedback == ()


def test_what_runs_is_cancelled_and_has_no_answer_to_judge(site: WebSite, mia: TestClient) -> None:
    running = site.open(finding(), "inv-00000000c0de")
    assert "Cancel the investigation" in mia.get(f"/investigations/{running.id}/handling").text
    assert send(mia, running.id, "cancel").status_code == 303
    assert site.app.investigation(running.id).state is InvestigationState.CANCELLED
    csrf = csrf_of(mia.get("/sessions"))
    answer = mia.post(f"/investigations/{running.id}/feedback", data={"csrf": csrf, "verdict": "right"})
    assert answer.status_code == 422
    assert "was cancelled and has no answer" in answer.text


def test_what_is_closed_is_not_cancelled(mia: TestClient, closed: Investigation) -> None:
    answer = send(mia, closed.id, "cancel")
    assert answer.status_code == 422
    assert "closed already" in answer.text


@pytest.mark.parametrize("what", ["acknowledge", "assign", "feedback", "cancel"])
def test_nothing_is_done_without_the_token_of_the_session(site: WebSite, mia: TestClient, closed: Investigation, what: str) -> None:
    answer = mia.post(f"/investigations/{closed.id}/{what}", data={"to": "leo", "verdict": "right"})
    assert answer.status_code == 403
    assert site.app.handlings.of(closed.id) == site.app.handlings.of("inv-nothing")


def test_a_live_page_loads_the_section_alone(mia: TestClient, closed: Investigation) -> None:
    whole = mia.get(f"/investigations/{closed.id}/handling").text
    alone = mia.get(f"/investigations/{closed.id}/handling", headers={"HX-Request": "true"}).text
    assert "<html" in whole
    assert alone.lstrip().startswith("<section")
    assert alone.strip() in whole


@pytest.mark.parametrize("section", ["handling", "feedback"])
def test_of_nothing_there_is_no_section(mia: TestClient, section: str) -> None:
    assert mia.get(f"/investigations/inv-nothing/{section}").status_code == 404
