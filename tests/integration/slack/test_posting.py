"""Invariants: one message an investigation, edited as it goes; each message is posted once, whoever dies when; none is lost."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from middlewatch.context_store.stored import text_of
from middlewatch.frontends.model_wording import LOOKING
from middlewatch.frontends.slack.blocks import Content
from middlewatch.opening import BY_HAND
from middlewatch.records import Completion, Decision, Escalation, Rating, RequestState, Role, Seat, Severity, Verdict
from tests.contract.actions.loopback import Answer
from tests.looked_at import answered_by_rules, finding_of
from tests.reports import finding, inconclusive
from tests.slack_end import CHANNEL, Post
from tests.slack_site import INVESTIGATION, USERS, SlackSite

CUT = "cut after the request was carried out"


def test_an_investigation_is_one_message_that_is_edited(slack: SlackSite) -> None:
    opened = slack.web.open(finding(), INVESTIGATION)
    slack.look()
    assert slack.end.names() == [f"{INVESTIGATION}/main"]
    assert "Investigating" in slack.main.words
    assert "waits" in slack.main.words
    ts = slack.main.ts
    slack.app.kept.cancel(opened.id)
    slack.look()
    assert slack.main.ts == ts
    assert "Cancelled" in slack.main.words


def test_a_finding_has_its_confidence_three_lines_of_evidence_and_a_link(slack: SlackSite) -> None:
    slack.web.seed(finding(), INVESTIGATION)
    slack.look()
    main, details = slack.main, slack.end.named(f"{INVESTIGATION}/details")
    assert "Confidence: " in main.words
    assert " % (" in main.words
    lines = [block for block in main.blocks if block.get("elements", [{}])[0].get("type") == "rich_text_list"]
    assert len(lines[0]["elements"][0]["elements"]) == 3
    assert "4 ms → 2.61 s" in main.words
    assert f"https://middlewatch.example.com/investigations/{INVESTIGATION}" in str(main.blocks)
    assert details.thread_ts == main.ts
    assert "Dissent: " in details.words
    for label in ("More evidence", "Missing", "Next", "Ruled out"):
        assert label in details.words


def test_the_rules_answer_is_edited_into_the_report(slack: SlackSite) -> None:
    report = finding_of(INVESTIGATION)
    slack.web.open(report, INVESTIGATION)
    held = answered_by_rules(slack.app, report, INVESTIGATION)
    slack.look()
    ts = slack.main.ts
    assert "Finding, by rules: " in slack.main.words
    assert LOOKING in slack.main.words
    assert report.answer in slack.main.words
    assert slack.end.names() == [f"{INVESTIGATION}/main"], "the thread begins with the report"
    slack.app.store.finish(held, Completion(report=report))
    slack.look()
    assert slack.main.ts == ts
    assert "by rules" not in slack.main.words
    assert report.answer in slack.main.words
    assert f"{INVESTIGATION}/details" in slack.end.names()


def test_what_fixed_the_same_before_is_told(slack: SlackSite) -> None:
    slack.web.seed(finding(), "inv-before")
    mia = slack.app.approvals.people()[1]
    slack.app.handlings.give_feedback("inv-before", Verdict.RIGHT, mia, cause="the pool was too small", face="web")
    slack.web.seed(finding(), INVESTIGATION)
    slack.look()
    details = slack.end.named(f"{INVESTIGATION}/details")
    for post in (slack.main, details):
        assert "Seen before" in post.words
        assert "the pool was too small" in post.words


def test_no_finding_says_so(slack: SlackSite) -> None:
    slack.web.seed(inconclusive(), INVESTIGATION)
    slack.look()
    assert "No finding" in slack.main.words
    assert "I don't know" in slack.main.words
    assert "best guess" in slack.main.words


def test_nothing_changes_nothing_is_sent(slack: SlackSite) -> None:
    slack.web.seed(finding(), INVESTIGATION)
    slack.asked()
    before = len(slack.end.calls)
    slack.look(times=5)
    assert slack.end.calls[before:] == []


def test_what_was_opened_before_slack_was_connected_is_not_posted(slack: SlackSite) -> None:
    slack.web.seed(finding(), INVESTIGATION)
    slack.web.redis.hdel("middlewatch:approvals:{default}:notes", "slack:since")
    slack.look()
    assert slack.end.posts == []


def test_a_request_is_shown_whole_and_followed_to_its_end(slack: SlackSite) -> None:
    slack.web.seed(finding(), INVESTIGATION)
    request = slack.asked()
    for post in (slack.post_of(request.id), slack.main):
        for line in request.plan:
            assert line in post.words
        assert "low risk" in post.words
        assert "it expires and nothing runs" in post.words
        assert "Decides: " in post.words
        assert request.digest[:8] in post.words
        assert f"https://middlewatch.example.com/approvals/{request.id}" in str(post.blocks)
        assert post.button("approve")
        assert post.button("deny")
    slack.app.approvals.decide(request.id, Decision.APPROVE, slack.app.approvals.people()[1], digest=request.digest, face="web")
    slack.look()
    post = slack.post_of(request.id)
    assert post.button("approve") is None
    assert slack.main.button("approve") is None
    assert "approved it at" in post.words
    while slack.state(request) is RequestState.APPROVED:
        assert slack.web.step()
    slack.look()
    assert "done" in slack.post_of(request.id).words


def test_the_next_level_is_mentioned_once_by_its_accounts_in_this_workspace(slack: SlackSite) -> None:
    slack.web.seed(finding(), INVESTIGATION)
    request = slack.asked()
    step = Escalation(asked=(Seat(role=Role.LEAD),), at=slack.app.approvals.now())
    asked = slack.web.look(request.id).model_copy(update={"asked": (step,)})
    slack.web.redis.hset("middlewatch:approvals:{default}:requests", request.id, text_of(asked))
    slack.look(times=4)
    post = slack.end.named(f"{INVESTIGATION}/{request.id}/asked-1")
    mentioned = [part["user_id"] for part in post.blocks[0]["elements"][0]["elements"] if part["type"] == "user"]
    assert sorted(mentioned) == sorted(USERS[name] for name in ("leo", "lea", "mara", "max"))
    assert post.thread_ts == slack.main.ts
    assert "is undecided since" in post.words


def test_slack_being_away_delays_messages(slack: SlackSite) -> None:
    slack.end.fail("chat.postMessage", Answer(503, {}), Answer(500, {}), "an answer that is not JSON")
    slack.web.seed(finding(), INVESTIGATION)
    assert 0 < slack.poster.look() <= 30
    slack.look(times=4)
    assert sorted(slack.end.names()) == [f"{INVESTIGATION}/details", f"{INVESTIGATION}/main"]


def test_slacks_limit_on_calls_is_kept(slack: SlackSite) -> None:
    slack.web.seed(finding(), INVESTIGATION)
    slack.end.fail("chat.postMessage", Answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "17"}))
    assert slack.poster.look() == 17
    calls = len(slack.end.calls)
    assert 16 < slack.poster.look() <= 17
    assert len(slack.end.calls) == calls
    slack.look()
    assert len(slack.end.posts) == 2


def test_edits_are_coalesced_and_the_last_state_is_written(slack: SlackSite) -> None:
    slack.web.seed(finding(), INVESTIGATION)
    slack.look()
    edits = slack.main.edits
    leo = next(person for person in slack.app.approvals.people() if person.id == "leo")
    slack.app.handlings.acknowledge(INVESTIGATION, leo, face="web")
    slack.poster.look()
    for name in ("mia", "mara", "max"):
        slack.app.handlings.assign(INVESTIGATION, name, leo, face="web")
        assert slack.poster.look() < 1.0
    assert slack.main.edits <= edits + 1
    slack.look()
    assert slack.main.edits <= edits + 2
    assert "max has it" in slack.main.words


def test_a_hand_over_is_told_in_the_thread(slack: SlackSite) -> None:
    slack.web.seed(finding(), INVESTIGATION)
    leo = next(person for person in slack.app.approvals.people() if person.id == "leo")
    slack.app.handlings.assign(INVESTIGATION, "mia", leo, note="<!channel> *look* at the pool", face="web")
    slack.look()
    post = slack.end.named(f"{INVESTIGATION}/handover-1")
    assert post.thread_ts == slack.main.ts
    assert "<!channel> *look* at the pool" in post.words
    assert "!channel" not in post.text


def test_a_restart_in_the_middle_posts_nothing_twice(slack: SlackSite) -> None:
    slack.end.fail("chat.postMessage", CUT)  # it was posted, and nobody wrote down what Slack called it
    slack.web.seed(finding(), INVESTIGATION)
    slack.poster.look()
    assert len(slack.end.posts) == 1
    slack.app.postings.give_turn(slack.poster._holder)
    slack.look(slack.another())
    assert sorted(slack.end.names()) == [f"{INVESTIGATION}/details", f"{INVESTIGATION}/main"]


def test_a_thread_is_looked_through_as_well(slack: SlackSite) -> None:
    slack.web.seed(finding(), INVESTIGATION)
    slack.look()
    made = [slack.web.propose(parameters={"by": number}) for number in (1, 2, 3)]
    slack.end.fail("chat.postMessage", CUT)
    slack.look(times=1)
    slack.look(slack.face, times=3)
    assert sorted(slack.end.names()) == sorted(f"{INVESTIGATION}/{name}" for name in ("main", "details", *(one.id for one in made)))


def test_another_bots_message_of_the_same_name_does_not_count(slack: SlackSite) -> None:
    name = f"{INVESTIGATION}/main"
    slack.web.seed(finding(), INVESTIGATION)
    slack.end.fail("chat.postMessage", Answer(503, {}))
    slack.poster.look()
    metadata = {"event_type": "middlewatch_posted", "event_payload": {"name": name}}
    slack.end.posts.append(Post(CHANNEL, f"{int(time.time())}.999999", "", "-", [], metadata, bot_id="B0EVIL"))
    slack.look()
    assert slack.end.names().count(name) == 2


def test_a_reservation_without_a_message_is_posted(slack: SlackSite) -> None:
    slack.web.seed(finding(), INVESTIGATION)
    assert slack.app.postings.reserve(INVESTIGATION, slack.poster._channel, "main")
    slack.look()
    assert slack.end.names().count(f"{INVESTIGATION}/main") == 1


def test_several_processes_post_once(slack: SlackSite) -> None:
    others = [slack.another() for _ in range(3)]
    slack.web.seed(finding(), INVESTIGATION)
    slack.asked()
    for face in [*others, slack.face] * 2:
        slack.look(face)
    assert len(slack.end.names()) == len(set(slack.end.names())) == 3


def test_who_was_away_for_too_long_takes_back_what_it_posted(slack: SlackSite) -> None:
    """Two hold themselves for the one who posts, which only a process that stood still for the length of a turn does."""
    slack.web.seed(finding(), INVESTIGATION)
    other = slack.another()
    post = slack.face._slack.post

    def late(channel: str, content: Content, *, name: str, thread: str = "") -> str:
        slack.face._slack.post = post  # type: ignore[method-assign]
        slack.app.postings.give_turn(slack.poster._holder)
        slack.look(other)
        return post(channel, content, name=name, thread=thread)

    slack.face._slack.post = late  # type: ignore[method-assign]
    slack.poster.look()
    assert sorted(slack.end.names()) == [f"{INVESTIGATION}/details", f"{INVESTIGATION}/main"]
    assert [method for method, *_ in slack.end.calls].count("chat.delete") == 1


def test_a_deleted_message_does_not_stop_the_others(slack: SlackSite) -> None:
    slack.web.seed(finding(), INVESTIGATION)
    request = slack.asked()
    slack.end.posts.remove(slack.post_of(request.id))
    slack.app.approvals.decide(request.id, Decision.DENY, slack.app.approvals.people()[0], digest=request.digest, face="web")
    slack.look()
    assert "denied" in slack.main.words


def test_a_message_that_slack_finds_fault_with_is_told_otherwise(slack: SlackSite) -> None:
    slack.end.fail("chat.postMessage", Answer(200, {"ok": False, "error": "msg_blocks_too_long"}))
    slack.web.seed(finding(), INVESTIGATION)
    slack.look()
    assert len(slack.end.posts) == 2


def test_a_bot_that_is_not_invited_is_tried_again(slack: SlackSite) -> None:
    slack.end.fail("chat.postMessage", Answer(200, {"ok": False, "error": "not_in_channel"}))
    slack.web.seed(finding(), INVESTIGATION)
    slack.poster.look()
    assert slack.end.posts == []
    slack.poster._waits.refused.clear()
    slack.look()
    assert len(slack.end.posts) == 2


def test_without_a_policy_it_is_told_and_nothing_can_be_clicked(slack: SlackSite) -> None:
    slack.web.seed(finding(), INVESTIGATION)
    request = slack.asked()
    slack.app.settings.policy_path.unlink()
    slack.look()
    assert slack.post_of(request.id).button("approve") is None
    assert "Confidence" in slack.main.words


def test_how_severe_it_is_stands_above_and_who_is_to_know_is_told_once(slack: SlackSite, monkeypatch: pytest.MonkeyPatch) -> None:
    tell = '[severity.SEV-1]\ntell = ["slack:here", "slack:S0ONCALL", "slack:U0MIA"]\n[severity.SEV-2]\ntell = ["slack"]\n'
    slack.app.settings.services_path.write_text(tell)
    opened = slack.web.open(finding(), INVESTIGATION)
    ratings, mia = slack.app.alerting.ratings, next(one for one in slack.app.approvals.people() if one.id == "mia")
    ratings.set(opened.id, Severity.SEV_3, mia, face="web")
    slack.look()
    assert "SEV-3, acknowledge by " in slack.main.words
    assert slack.end.names() == [f"{INVESTIGATION}/main"], "nobody is to be told of it"
    ratings.set(opened.id, Severity.SEV_2, mia, face="web")
    slack.look(times=3)
    assert slack.end.named(f"{INVESTIGATION}/told-SEV-2").words.startswith("SEV-2: acknowledge by ")
    ratings.set(opened.id, Severity.SEV_1, mia, face="web")
    slack.look(times=3)
    told = slack.end.named(f"{INVESTIGATION}/told-SEV-1")
    assert told.thread_ts == slack.main.ts
    assert "SEV-1, acknowledge by " in slack.main.words
    assert "SEV-1: acknowledge by " in told.words
    assert "mia set it." in told.words
    for mentioned in ({"type": "broadcast", "range": "here"}, {"type": "usergroup", "usergroup_id": "S0ONCALL"}):
        assert str(mentioned) in str(told.blocks)
    assert "U0MIA" in str(told.blocks)
    monkeypatch.setattr(Rating, "respond_by", property(lambda one: one.since - timedelta(minutes=1)))
    ratings.tend()
    slack.look(times=3)
    (late,) = [slack.end.named(name) for name in slack.end.names() if "/unanswered-" in name]
    assert "Nobody has acknowledged this SEV-1 by " in late.words
    assert "'here'" in str(late.blocks)
    assert len(slack.end.names()) == len(set(slack.end.names())) == 4, "each was told once"
    rating = ratings.of(opened.id)
    assert rating is not None
    anew = rating.model_copy(update={"escalated_at": rating.since + timedelta(days=1)})
    ratings._write(opened.id, "", lambda *_: anew)
    slack.look(times=3)
    assert sum("/unanswered-" in name for name in slack.end.names()) == 2, "whoever had it gave it up"


def test_nobody_is_told_again_of_what_is_run_again_by_hand(slack: SlackSite) -> None:
    slack.app.settings.services_path.write_text('[severity.SEV-3]\ntell = ["slack:here"]\n')
    report = finding()
    before = slack.web.open(report.model_copy(update={"alert": report.alert.model_copy(update={"source_id": "before"})}), "inv-0")
    by_hand = report.alert.model_copy(update={"source": BY_HAND, "follows": before.id})
    opened = slack.web.open(report.model_copy(update={"alert": by_hand}), INVESTIGATION)
    ratings = slack.app.alerting.ratings
    ratings._write(opened.id, "", lambda _, at: Rating(severity=Severity.SEV_3, reasons=("A.",), since=at, rated_at=at))
    slack.look(times=3)
    assert "SEV-3" in slack.main.words
    assert "acknowledge by " not in slack.main.words
    assert set(slack.end.names()) == {f"{before.id}/main", f"{INVESTIGATION}/main"}
    mia = next(one for one in slack.app.approvals.people() if one.id == "mia")
    ratings.set(opened.id, Severity.SEV_3, mia, face="web")
    slack.look(times=3)
    assert slack.end.names()[2:] == [f"{INVESTIGATION}/told-SEV-3"], "a person says so"
