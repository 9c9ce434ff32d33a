"""Invariant: nobody approves anything but what stood before them, whole; whatever is refused is explained beside it.

Through the site, as browsers use it: plain links and forms, without JavaScript.
"""

from __future__ import annotations

import itertools
import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from starlette.testclient import TestClient

from middlewatch.auditing import entries
from middlewatch.records import DEFAULT_TENANT, ApprovalRequest, Decision, RequestState
from tests.acceptance.approvals_site import FREEZE, GLASS
from tests.reports import inconclusive
from tests.web_site import WebSite, csrf_of

S = RequestState
COUNTER = itertools.count(1000)


def propose(site: WebSite, action: str = "scale_up", **update: object) -> ApprovalRequest:
    """A request like no other: for the same investigation the same one would be found."""
    return site.propose(action, investigation=f"inv-{next(COUNTER):012x}", **update)


def confirm(client: TestClient, request: ApprovalRequest, decision: str = "approve") -> Any:
    return client.get(f"/approvals/{request.id}/confirm", params={"decision": decision, "digest": request.digest})


def decide(client: TestClient, request: ApprovalRequest, decision: str = "approve", **form: str) -> Any:
    """As the form of the confirmation sends it."""
    page = client.get("/sessions")
    data = {"decision": decision, "digest": request.digest, "reason": "", "csrf": csrf_of(page), **form}
    return client.post(f"/approvals/{request.id}/decision", data=data)


def post(client: TestClient, path: str, **form: str) -> Any:
    return client.post(path, data={"csrf": csrf_of(client.get("/sessions")), **form})


def flat(page: Any) -> str:
    """The words of a page."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page.text)))


def test_the_card_shows_everything_that_is_decided_on(site: WebSite) -> None:
    request = propose(site, note="please hurry")
    page = site.client("leo").get(f"/approvals/{request.id}")
    words = flat(page)
    for text in (
        "Needs your decision",
        request.digest[:8],
        request.digest[8:],
        *request.plan,
        "Medium risk" if request.rule.tier == "medium" else "Low risk",
        *request.rule.tier_because,
        "takes it back",
        "Blast radius",
        "you may decide",
        "it expires and nothing runs",
        "checked by nobody",
        "please hurry",
        "More instances share the load.",
    ):
        assert text in words, text


def test_an_approval_is_asked_once_more_and_then_recorded(site: WebSite) -> None:
    request, leo = propose(site), site.client("leo")
    asked = confirm(leo, request)
    assert asked.status_code == 200
    assert "Approve exactly this?" in asked.text
    assert f'name="digest" value="{request.digest}"' in asked.text
    assert re.search(r"data-back autofocus>Back", asked.text)
    assert all(line in flat(asked) for line in request.plan)
    answer = decide(leo, request, reason="it is right")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/approvals/{request.id}")
    approval = site.look(request.id).approvals[0]
    assert (approval.principal, approval.digest, approval.reason, approval.face) == ("leo", request.digest, "it is right", "web")
    page = flat(leo.get(answer.headers["location"]))
    assert "leo, a lead, approved it" in page
    assert '"it is right"' in page


def test_sent_twice_it_answers_the_same(site: WebSite) -> None:
    request, leo = propose(site), site.client("leo")
    assert [decide(leo, request).status_code for _ in range(2)] == [303, 303]
    assert len(site.look(request.id).approvals) == 1


def test_whoever_comes_second_is_told_who_was_first_and_what_they_said(site: WebSite) -> None:
    request, leo, lea = propose(site), site.client("leo"), site.client("lea")
    assert decide(leo, request).status_code == 303
    answer = decide(lea, request, reason="mine")
    assert answer.status_code == 409
    at = f"{site.look(request.id).approvals[0].at:%Y-%m-%d %H:%M:%S}"
    assert f"It is approved already: leo approved it at {at} UTC. What you said was not recorded." in flat(answer)
    denied = propose(site)
    assert decide(leo, denied, "deny", because="Wrong cause", reason="it is the cache").status_code == 303
    assert site.look(denied.id).approvals[0].reason == "Wrong cause: it is the cache"
    answer = decide(lea, denied)
    assert answer.status_code == 409
    assert "It is denied already: leo denied it at " in flat(answer)
    assert confirm(lea, denied).status_code == 409


def test_what_was_made_void_after_a_first_approval_names_whoever_made_it_void(site: WebSite) -> None:
    request, lea = propose(site, "restart_service"), site.client("lea")
    assert decide(site.client("leo"), request, reason="stuck").status_code == 303
    mia = site.app.approvals.recognise("token:mia-token")
    site.app.approvals.edit(request.id, {}, mia, face="cli")
    answer = confirm(lea, request)
    assert answer.status_code == 409
    assert "It is superseded already: mia edited it." in flat(answer)


def test_what_was_not_shown_cannot_be_approved_and_the_reason_is_kept(site: WebSite) -> None:
    request, leo = propose(site), site.client("leo")
    answer = decide(leo, request, digest="0" * 64, reason="typed at night")
    assert answer.status_code == 409
    assert "This is not what you were shown before" in answer.text
    assert "typed at night</textarea>" in answer.text
    assert f'name="digest" value="{request.digest}"' in answer.text
    assert site.look(request.id).state is S.PENDING
    stale = leo.get(f"/approvals/{request.id}/confirm", params={"decision": "approve", "digest": "0" * 64})
    assert "This is not what you were shown before" in stale.text


def test_who_may_not_approve_is_told_why_and_may_still_deny(site: WebSite) -> None:
    request, mia = propose(site, "restart_service"), site.client("mia")
    page = flat(mia.get(f"/approvals/{request.id}"))
    assert "Needs a decision" in page
    assert "You may not approve it: it needs a manager and a lead, 2 different people, and mia is a member" in page
    assert "decision=approve" not in mia.get(f"/approvals/{request.id}").text
    assert confirm(mia, request).status_code == 403
    answer = decide(mia, request)
    assert answer.status_code == 403
    assert "and mia is a member" in flat(answer)
    assert confirm(mia, request, "deny").status_code == 200
    assert decide(mia, request, "deny").status_code == 303
    assert site.look(request.id).state is S.DENIED


def test_a_reason_is_asked_for_where_policy_asks_and_two_people_sign(site: WebSite) -> None:
    request, leo, mara = propose(site, "restart_service"), site.client("leo"), site.client("mara")
    asked = confirm(leo, request)
    assert "Why (policy asks for it)" in asked.text
    assert re.search(r"<textarea[^>]* required>", asked.text)
    assert "It needs 2 approvals: it begins after the last one." in flat(asked)
    answer = decide(leo, request)
    assert answer.status_code == 403
    assert "Policy asks for a reason" in flat(answer)
    assert decide(leo, request, reason="it hangs").status_code == 303
    page = flat(mara.get(f"/approvals/{request.id}"))
    assert "leo, a lead, approved it" in page
    assert "Missing a manager" in page
    again = flat(leo.get(f"/approvals/{request.id}"))
    assert "you may not approve it (leo approved it already)" in again
    assert decide(mara, request, reason="yes").status_code == 303
    assert site.look(request.id).state is S.APPROVED


def test_what_expired_is_gone_and_can_be_proposed_again(site: WebSite) -> None:
    request, leo = propose(site), site.client("leo")
    site.rewrite(request, state=S.EXPIRED, why="nobody decided in time")
    assert confirm(leo, request).status_code == 410
    answer = decide(leo, request)
    assert answer.status_code in {409, 410}
    assert "Nothing ran" in flat(answer)
    again = post(leo, f"/approvals/{request.id}/again")
    assert again.status_code == 303
    new = again.headers["location"].removeprefix("/approvals/")
    assert site.look(new).remediation.instead_of == request.id
    assert f"{new} takes its place" in flat(leo.get(f"/approvals/{request.id}"))


def test_the_halt_is_set_by_anybody_and_lifted_by_a_manager(site: WebSite) -> None:
    request, mia, mara = propose(site), site.client("mia"), site.client("mara")
    assert post(mia, "/halt").status_code == 422
    assert post(mia, "/halt", reason="it makes it worse").status_code == 303
    try:
        assert "EVERYTHING IS HALTED by mia" in flat(mia.get(f"/approvals/{request.id}"))
        assert "halted" in flat(mia.get("/approvals"))
        for page in (mia.get("/halt"), answer := post(mia, "/halt/lift", reason="I think so")):
            assert "Only a manager may lift it: Mara Example, Max Example. You are a member." in flat(page)
            assert "Lift the halt" not in flat(page), "no button that does nothing"
        assert answer.status_code == 403
        assert "Lifting a halt takes a manager, and mia is a member" in flat(answer)
        assert "Lift the halt" in flat(mara.get("/halt"))
    finally:
        assert post(mara, "/halt/lift", reason="the rule is gone").status_code == 303
    assert site.app.approvals.halted() is None


def test_in_a_freeze_a_manager_breaks_the_glass_and_another_one_reviews_it(site: WebSite) -> None:
    request, leo, mara, max_ = propose(site), site.client("leo"), site.client("mara"), site.client("max")
    assert decide(leo, request).status_code == 303
    site.policy.write_policy(FREEZE)
    try:
        assert "big-sale" in flat(mara.get(f"/approvals/{request.id}"))
        assert leo.get(f"/approvals/{request.id}/break-glass").status_code == 409
        path = f"/approvals/{request.id}/break-glass"
        wrong = post(mara, path, credential="wrong-secret", reason="checkout is down")
        assert wrong.status_code == 403
        assert "wrong-secret" not in wrong.text
        assert "checkout is down</textarea>" in wrong.text
        done = post(mara, path, credential=GLASS, reason="checkout is down")
        assert done.status_code == 303
        assert "its review is OPEN" in flat(mara.get(f"/approvals/{request.id}"))
        while site.look(request.id).state is S.APPROVED:
            assert site.step()
    finally:
        site.policy.write_policy()
    assert post(mara, f"/approvals/{request.id}/review", reason="fine").status_code == 403
    assert post(max_, f"/approvals/{request.id}/review", reason="  ").status_code == 422
    assert post(max_, f"/approvals/{request.id}/review", reason="it was right").status_code == 303
    assert "reviewed by max" in flat(max_.get(f"/approvals/{request.id}"))


def test_an_execution_is_told_and_can_be_taken_back(site: WebSite) -> None:
    request, leo = propose(site), site.client("leo")
    decide(leo, request)
    while site.look(request.id).state is S.APPROVED:
        assert site.step()
    page = leo.get(f"/approvals/{request.id}")
    assert "Done" in flat(page)
    assert "Executed" in flat(page)
    if site.look(request.id).execution is not None and site.look(request.id).execution.undo is not None:  # type: ignore[union-attr]
        assert post(leo, f"/approvals/{request.id}/undo").status_code == 303
    assert post(leo, f"/approvals/{request.id}/again").status_code == 409


def test_what_nobody_saw_the_end_of_is_told_by_whoever_looked(site: WebSite) -> None:
    request, leo, mia = propose(site), site.client("leo"), site.client("mia")
    assert post(leo, f"/approvals/{request.id}/reconcile", happened="true", reason="I looked").status_code == 403
    decide(leo, request)
    while site.look(request.id).state is S.APPROVED:
        assert site.step()
    execution = site.look(request.id).execution
    assert execution is not None
    open_again = execution.model_copy(update={"result": None, "ended_at": None, "recovery": None})
    site.rewrite(request, state=S.UNKNOWN, why="its executor died", execution=open_again)
    assert "Did it happen?" in flat(mia.get(f"/approvals/{request.id}/reconcile"))
    empty = post(leo, f"/approvals/{request.id}/reconcile", happened="false", reason=" ")
    assert empty.status_code == 422
    assert re.search(r'value="false" required checked', empty.text)
    assert post(leo, f"/approvals/{request.id}/reconcile", happened="false", reason="3 run still").status_code == 303
    assert site.look(request.id).state is S.FAILED


def test_other_parameters_are_another_request(site: WebSite) -> None:
    request, leo = propose(site), site.client("leo")
    assert 'name="parameter.by" type="number" value="2"' in leo.get(f"/approvals/{request.id}/edit").text
    wrong = post(leo, f"/approvals/{request.id}/edit", **{"parameter.by": "many"})
    assert wrong.status_code == 422
    assert 'value="many"' in wrong.text
    made = post(leo, f"/approvals/{request.id}/edit", **{"parameter.by": "1"})
    assert made.status_code == 303
    new = site.look(made.headers["location"].removeprefix("/approvals/"))
    assert (new.remediation.parameters, new.remediation.proposed_by) == ({"by": 1}, "leo")
    assert site.look(request.id).state is S.SUPERSEDED
    answer = decide(site.client("lea"), request)
    assert answer.status_code == 409
    assert "leo edited it" in flat(answer)


def test_only_forms_of_this_session_change_anything(site: WebSite) -> None:
    request, leo = propose(site), site.client("leo")
    other = csrf_of(site.client("lea").get("/halt"))
    answer = decide(leo, request, csrf=other)
    assert answer.status_code == 403
    assert site.look(request.id).approvals == ()


def test_without_a_policy_it_says_so_and_shows_what_it_can(site: WebSite) -> None:
    request, leo = propose(site), site.client("leo")
    path = site.app.settings.policy_path
    kept = path.read_text(encoding="utf-8")
    local = site.client()
    session = site.app.sessions.open(site.app.approvals.unix_identity())[0]
    local.cookies["middlewatch"] = session
    path.unlink()
    try:
        page = local.get(f"/approvals/{request.id}")
        assert page.status_code == 200
        assert "cannot be shown whole" in flat(page)
        assert local.get("/approvals").status_code == 200
        assert confirm(local, request).status_code == 403
    finally:
        path.write_text(kept, encoding="utf-8")
    assert leo.get(f"/approvals/{request.id}").status_code == 200


def test_that_somebody_was_shown_it_is_one_event(site: WebSite) -> None:
    request, leo = propose(site), site.client("leo")
    for _ in range(3):
        leo.get(f"/approvals/{request.id}")
        leo.get(f"/approvals/{request.id}/card")
    found = entries(site.app.store.server, DEFAULT_TENANT, limit=50, request=request.id)
    assert [row.actor for row in found if row.event == "request.viewed"] == ["leo"]


class Elements(HTMLParser):
    """What a browser would make of a page: elements with their attributes, without what the words in them are."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def elements(page: Any) -> list[tuple[str, tuple[str, ...]]]:
    parser = Elements()
    parser.feed(page.text)
    return parser.found


HOSTILE = (
    '<script>alert(1)</script><img src=x onerror=alert(1)>"><svg onload=alert(1)>',
    "\x1b[2J\u202e</textarea><form action=//evil>{{ 7 * 7 }}",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_words(site: WebSite, text: str) -> None:
    harmless, hostile = propose(site, note="a word"), propose(site, note=text)
    leo = site.client("leo")
    pages = []
    for request, words in ((harmless, "a word"), (hostile, text)):
        decide(leo, request, digest="0" * 64, reason=words)
        page, stale = leo.get(f"/approvals/{request.id}"), decide(leo, request, digest="0" * 64, reason=words)
        decide(leo, request, "deny", reason=words)
        pages.append([elements(page), elements(stale), elements(leo.get(f"/approvals/{request.id}"))])
    assert pages[0] == pages[1]


def test_the_list_puts_what_waits_first(site: WebSite) -> None:
    request, leo = propose(site), site.client("leo")
    page = leo.get("/approvals")
    assert request.id in page.text
    decide(leo, request, "deny")
    assert request.id not in leo.get("/approvals").text
    assert request.id in leo.get("/approvals?all=1").text


def test_decision_is_one_of_two(site: WebSite) -> None:
    request, leo = propose(site), site.client("leo")
    assert decide(leo, request, "maybe").status_code == 422
    assert {str(one) for one in Decision} == {"approve", "deny"}
    assert leo.get("/approvals/apr-nothing").status_code == 404


def test_the_page_of_an_investigation_has_its_requests_or_says_that_there_are_none(site: WebSite) -> None:
    mia = site.client("mia")
    quiet = site.seed(inconclusive())
    assert "no action has been proposed or run" in flat(mia.get(f"/investigations/{quiet.id}"))
    request = site.propose(investigation=quiet.id)
    for path in ("", "/requests"):
        page = mia.get(f"/investigations/{quiet.id}{path}")
        assert page.status_code == 200
        assert request.digest in page.text


def test_a_person_proposes_an_action_for_an_investigation(site: WebSite) -> None:
    leo, quiet = site.client("leo"), site.seed(inconclusive())
    path = f"/investigations/{quiet.id}/propose"
    assert "checkout" in leo.get(path).text
    assert "action=scale_up" in leo.get(path, params={"target": "checkout"}).text
    chosen = leo.get(path, params={"target": "checkout", "action": "scale_up"})
    assert 'name="parameter.by" type="number"' in chosen.text
    form = {"target": "checkout", "action": "scale_up", "note": "load from the sale"}
    wrong = post(leo, path, **form, **{"parameter.by": "lots"})
    assert wrong.status_code == 422
    assert "load from the sale</textarea>" in wrong.text
    made = post(leo, path, **form, **{"parameter.by": "1"})
    assert made.status_code == 303, flat(made)
    found = site.look(made.headers["location"].removeprefix("/approvals/")).remediation
    assert (found.proposed_by, found.parameters, found.note) == ("leo", {"by": 1}, "load from the sale")
    assert post(leo, path, target="nobody", action="scale_up").status_code == 422
