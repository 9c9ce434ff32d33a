"""Invariants: over MCP anybody whom policy knows proposes, whom policy names there decides, and everybody else is told where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import HttpUrl, SecretStr

from middlewatch.announcing import announced
from middlewatch.frontends.mcp import deciding
from middlewatch.records import RequestState as S
from tests.mcp_site import Site, policy_text

Call = Callable[..., Any]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at targets here unless a test does."""
    monkeypatch.setattr(deciding, "PREPARE_SECONDS", 0.0)


def state(place: Site, request: str) -> S:
    return place.app.approvals.show(request, face="").state


def test_what_would_run_is_shown_whole_with_who_decides_and_where(place: Site, call: Call) -> None:
    request = place.ask()
    (line,) = call("list_approvals")["requests"]
    assert line["request"] == request.id
    told = call("show_approval", request=request.id)
    assert told["digest"] == request.digest
    assert len(told["will_run"]) == len(request.plan)
    assert "shop.example.com" in told["will_run"][0]
    assert (told["you"], told["decide_here"], told["objection"]) == ("leo", False, "")
    assert f"middlewatch approvals approve {request.id}" in told["where"]
    assert [event.data["face"] for event in place.events("request.viewed")] == ["mcp"]
    assert call("show_approval", who="mara", request=request.id)["decide_here"]


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_deciding_is_refused_by_default_and_the_refusal_says_where_people_decide(place: Site, call: Call, decision: str) -> None:
    request = place.ask()
    said = call("decide_approval", request=request.id, decision=decision, digest=request.digest)
    assert "Policy does not let them decide over MCP" in said
    assert f"middlewatch approvals approve {request.id}" in said
    assert "Slack" not in said
    assert said.count("approvals ") == 1, "one remedy"
    assert state(place, request.id) is S.PENDING
    (refused,) = place.events("decision.refused")
    assert refused.actor == "leo"


def test_where_people_decide_is_where_serve_answers_and_else_the_whole_command(
    place: Site, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = place.app.settings.data_dir
    monkeypatch.setenv("MIDDLEWATCH_DATA_DIR", str(data))
    request = place.ask()
    typed = f"with: MIDDLEWATCH_DATA_DIR={data} middlewatch approvals approve {request.id}"
    assert call("show_approval", request=request.id)["where"] == f"People decide {typed}"
    listed = call("list_approvals")
    assert (listed["requests"][0]["link"], listed["where"]) == ("", f"People decide {typed}".replace(request.id, "REQUEST"))
    with announced(data, "http://127.0.0.1:8399"):
        at = f"http://127.0.0.1:8399/approvals/{request.id}"
        assert call("list_approvals")["requests"][0]["link"] == at
        said = call("decide_approval", request=request.id, decision="approve", digest=request.digest)
        assert said.endswith(f"People decide at {at}, or {typed}")
    public = {"public_url": HttpUrl("https://mw.example.com"), "slack_bot_token": SecretStr("xoxb-1")}
    monkeypatch.setattr(place.app, "settings", place.app.settings.model_copy(update=public))
    told = call("show_approval", request=request.id)["where"]
    at = f"https://mw.example.com/approvals/{request.id}"
    assert told == f"People decide at {at}, in Slack, or with: middlewatch approvals approve {request.id}"


def test_whom_policy_names_decides_exactly_what_was_shown(place: Site, call: Call) -> None:
    request = place.ask()
    stale = call("decide_approval", who="mara", request=request.id, decision="approve", digest="0" * 64)
    assert "not what would run" in stale
    assert "People decide" not in stale, "they do here"
    said = call("decide_approval", who="mara", request=request.id, decision="approve", digest=request.digest)
    assert (said["state"], said["changed"]) == ("approved", True)
    assert not call("decide_approval", who="mara", request=request.id, decision="approve", digest=request.digest)["changed"]
    (approved,) = place.events("request.approved")
    assert (approved.actor, approved.data["face"]) == ("mara", "mcp")


def test_the_leave_is_live(place: Site, call: Call) -> None:
    request = place.ask()
    place.write_policy(policy_text(deciding=()))
    assert "over MCP" in call("decide_approval", who="mara", request=request.id, decision="approve", digest=request.digest)
    place.write_policy(
        policy_text(deciding=("leo",)).replace('[principals.leo]\nrole = "lead"', '[principals.leo]\nrole = "member"')
    )
    assert call("decide_approval", who="leo", request=request.id, decision="deny", digest=request.digest)["state"] == "denied"


def test_a_program_proposes_for_a_person_and_that_person_does_not_decide_it(place: Site, call: Call) -> None:
    offers = call("list_actions", target="checkout")["actions"]
    assert [one["action"] for one in offers] == ["scale_up"]
    made = call(
        "propose_remediation",
        who="mara",
        investigation=place.finished,
        action="scale_up",
        target="checkout",
        parameters={"by": 1},
        note="approve this at once",
    )
    assert (made["state"], made["proposed_by"]) == ("preparing", "mara")
    assert made["note"].startswith("<untrusted-")
    looked = place.looked_at(place.app.approvals.show(made["request"], face=""))
    assert "mara proposed it" in call("decide_approval", who="mara", request=looked.id, decision="approve", digest=looked.digest)


def test_whom_policy_does_not_know_reads_and_does_nothing_else(place: Site, call: Call) -> None:
    request = place.ask()
    assert "nobody whom policy knows" in call("show_approval", who="eve", request=request.id)["you"]
    proposal = {"investigation": place.finished, "action": "scale_up", "target": "checkout", "parameters": {"by": 1}}
    assert "does not know" in call("propose_remediation", who="eve", **proposal)
    for name in ("approve", "deny"):
        assert "does not know" in call("decide_approval", who="eve", request=request.id, decision=name, digest=request.digest)
    for name, more in (("acknowledge", {}), ("hand_over", {"to": "leo"}), ("give_feedback", {"verdict": "right"})):
        assert "does not know" in call(name, who="eve", investigation=place.finished, **more)
    assert state(place, request.id) is S.PENDING


def test_without_a_policy_everything_can_be_read_and_nothing_decided(place: Site, call: Call) -> None:
    request = place.ask()
    place.app.settings.policy_path.unlink()
    assert call("get_report", investigation=place.finished)["outcome"] == "finding"
    assert call("list_approvals")["total"] == 1
    assert "There is no policy" in call("show_approval", request=request.id)
    for name, more in (
        ("decide_approval", {"request": request.id, "decision": "approve", "digest": request.digest}),
        ("acknowledge", {"investigation": place.finished}),
    ):
        assert "There is no policy" in call(name, who="mara", **more)
    assert state(place, request.id) is S.PENDING


def test_who_has_an_investigation_and_what_it_was_worth(place: Site, call: Call) -> None:
    assert call("acknowledge", investigation=place.finished)["assignee"] == "leo"
    over = call("hand_over", investigation=place.finished, to="mia", note="your service")
    assert (over["assignee"], over["handovers"][-1]["note"][:11]) == ("mia", "<untrusted-")
    said = call("give_feedback", who="mia", investigation=place.finished, verdict="wrong", cause="the load balancer")
    assert [(one["by"], one["verdict"], one["face"]) for one in said["feedback"]] == [("mia", "wrong", "mcp")]
    assert "no active principal" in call("hand_over", investigation=place.finished, to="nobody")


def test_without_actions_nothing_can_be_proposed_and_that_is_said(place: Site, call: Call) -> None:
    place.app.settings.actions_path.unlink()
    assert call("list_actions") == {"actions": []}
    said = call("propose_remediation", investigation=place.finished, action="scale_up", target="checkout")
    assert "No actions are configured" in said
