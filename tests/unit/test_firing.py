"""One firing of an alert is one occurrence, however often it is told of; late and doubled messages neither open nor end one."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.firing import BLIP, FLAP_SECONDS, UNHEARD, bounded, is_undecided, told
from middlewatch.records import AlertMessage, AlertStatus, Occurrence
from tests.alert_data import NOON, make_message

FIRING, RESOLVED = AlertStatus.FIRING, AlertStatus.RESOLVED
ACKNOWLEDGED, UNACKNOWLEDGED = AlertStatus.ACKNOWLEDGED, AlertStatus.UNACKNOWLEDGED


def after(*said: tuple[float, AlertMessage], decided: bool = True) -> list[Occurrence]:
    """The occurrence after each message; seconds since noon."""
    found: list[Occurrence] = []
    for seconds, message in said:
        one = told(found[-1] if found else None, message, NOON + timedelta(seconds=seconds))
        found.append(one.model_copy(update={"investigation": "inv-1"}) if decided and is_undecided(one) else one)
    return found


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def said(status: AlertStatus, seconds: float, began: float = 0) -> AlertMessage:
    """By a sender that says when it came to be so."""
    return make_message(status=status, at=at(began)).model_copy(update={"said_at": at(seconds), "ended_at": None})


def test_repeats_are_counted() -> None:
    first, second = after((0, make_message()), (60, make_message()))
    assert (first.id, first.messages, second.messages, second.last_at) == (second.id, 1, 2, at(60))


def test_a_new_firing_soon_after_the_end_is_a_flap_and_later_a_new_occurrence() -> None:
    fires, over, soon, over_again, later = after(
        (0, make_message()),
        (30, make_message(status=RESOLVED)),
        (90, make_message(at=at(89))),
        (120, make_message(status=RESOLVED, at=at(89))),
        (120 + FLAP_SECONDS + 1, make_message(at=at(420))),
    )
    assert (over.resolved_at, soon.id, soon.flaps, soon.resolved_at) == (at(30), fires.id, 1, None)
    assert (over_again.resolved_at, later.id != fires.id, later.before, later.flaps) == (at(120), True, fires.id, 0)


def test_what_fires_after_the_one_before_was_forgotten_is_another_one() -> None:
    assert after((0, make_message()))[0].id != after((60, make_message()))[0].id


def test_a_late_repeat_of_what_is_over_does_not_fire_again() -> None:
    *_, late = after((0, make_message()), (30, make_message(status=RESOLVED)), (31, make_message()))
    assert (late.resolved_at, late.flaps, late.messages) == (at(30), 0, 3)


def test_a_late_end_of_the_time_before_ends_nothing() -> None:
    *_, late = after((0, make_message(at=at(0))), (5, make_message(status=RESOLVED, at=at(-60), ended=at(-30))))
    assert (late.resolved_at, late.messages) == (None, 2)


def test_an_end_alone_and_an_end_before_the_decision_are_held_in_words() -> None:
    (alone,) = after((0, make_message(status=RESOLVED)), decided=False)
    assert (alone.held, alone.resolved_at) == (UNHEARD, at(0))
    *_, blip = after((0, make_message()), (1, make_message(status=RESOLVED)), decided=False)
    assert blip.held == BLIP
    *_, back = after((0, make_message()), (1, make_message(status=RESOLVED)), (2, make_message(at=at(2))), decided=False)
    assert is_undecided(back), "it fires, so it has to be decided upon"


def test_the_sender_says_that_somebody_has_it() -> None:
    *_, known, repeated = after((0, make_message()), (9, make_message(status=ACKNOWLEDGED)), (12, make_message()))
    assert (known.acknowledged_at, repeated.acknowledged_at, repeated.message.status) == (at(9), at(9), FIRING)


@pytest.mark.parametrize("kind", ["pagerduty", "opsgenie", "generic"])
def test_a_repeat_that_it_fires_takes_it_from_nobody(kind: str) -> None:
    fires = make_message().model_copy(update={"kind": kind})
    has, gives_up, over = (fires.model_copy(update={"status": one}) for one in (ACKNOWLEDGED, UNACKNOWLEDGED, RESOLVED))
    *_, known, again, given_up = after((0, fires), (9, has), (12, fires), (15, gives_up))
    assert (known.acknowledged_at, again.acknowledged_at, given_up.acknowledged_at) == (at(9), at(9), None)
    *_, ended, reopened = after((0, fires), (9, has), (12, over), (120, fires))
    assert (ended.acknowledged_at, reopened.flaps, reopened.acknowledged_at) == (at(9), 1, None)
    (first,) = after((0, gives_up))
    assert (first.acknowledged_at, first.resolved_at) == (None, None)


@pytest.mark.parametrize("late", [FIRING, UNACKNOWLEDGED, RESOLVED])
def test_what_is_older_than_what_was_said_by_the_senders_clock_changes_nothing(late: AlertStatus) -> None:
    *_, has, after_it = after((0, said(FIRING, 0)), (9, said(ACKNOWLEDGED, 8)), (400, said(late, 5)))
    assert after_it == has.model_copy(update={"messages": 3, "last_at": at(400)})
    *_, over = after((0, said(FIRING, 0)), (9, said(ACKNOWLEDGED, 8)), (400, said(RESOLVED, 8)))
    assert over.resolved_at == at(400), "of the same moment it is not older"


@pytest.mark.parametrize(("soon", "began"), [(100, 90), (100, 0), (1000, 990)])
def test_who_takes_what_fires_anew_has_it_though_that_it_fires_comes_later(soon: float, began: float) -> None:
    *_, over, has, fires = after(
        (0, said(FIRING, 0)),
        (30, said(RESOLVED, 30)),
        (soon, said(ACKNOWLEDGED, soon - 1, began)),
        (soon + 9, said(FIRING, soon - 5, began)),
    )
    assert over.acknowledged_at is None
    assert (has.resolved_at, has.acknowledged_at) == (None, at(soon))
    assert (fires.id, fires.resolved_at, fires.acknowledged_at) == (has.id, None, at(soon))


def test_who_took_what_is_over_takes_nothing_anew() -> None:
    for late in (said(ACKNOWLEDGED, 29), said(ACKNOWLEDGED, 30), make_message(status=ACKNOWLEDGED)):
        *_, over = after((0, said(FIRING, 0)), (30, said(RESOLVED, 30)), (40, late))
        assert over.resolved_at == at(30)


def test_who_had_it_first_and_when_it_was_taken_from_them_is_kept() -> None:
    *_, has, over, flaps, has_again, gives_up, over_again, new = after(
        (0, make_message()),
        (9, make_message(status=ACKNOWLEDGED)),
        (30, make_message(status=RESOLVED)),
        (90, make_message(at=at(89))),
        (99, make_message(status=ACKNOWLEDGED, at=at(89))),
        (110, make_message(status=UNACKNOWLEDGED, at=at(89))),
        (120, make_message(status=RESOLVED, at=at(89))),
        (600, make_message(at=at(599))),
    )
    told_of = [(one.acknowledged_at, one.first_acknowledged_at, one.given_up_at) for one in (has, over, flaps, has_again)]
    assert told_of == [(at(9), at(9), None), (at(9), at(9), None), (None, at(9), at(90)), (at(99), at(9), at(90))]
    assert [one.given_up_at for one in (gives_up, over_again)] == [at(110), at(110)]
    assert (new.first_acknowledged_at, new.given_up_at) == (None, None), "nobody had it when it was over"
    *_, anew = after((0, make_message(status=ACKNOWLEDGED)), (30, make_message(status=RESOLVED)), (600, make_message(at=at(599))))
    assert (anew.acknowledged_at, anew.given_up_at) == (None, at(600)), "whoever had it does not have this"


def test_a_severity_stays_where_nothing_more_is_said_of_it() -> None:
    *_, over = after((0, make_message(severity="critical")), (9, make_message(status=RESOLVED)))
    assert (over.message.severity, over.message.status) == ("critical", RESOLVED)
    *_, less = after((0, make_message(severity="critical")), (9, make_message(severity="warning")))
    assert less.message.severity == "warning"
    *_, new = after((0, make_message(severity="critical")), (9, make_message(status=RESOLVED)), (400, make_message(at=at(400))))
    assert new.message.severity == "", "another firing is another matter"


@given(st.lists(st.tuples(st.floats(0, 400), st.sampled_from(AlertStatus), st.integers(0, 3)), max_size=30))
def test_every_message_is_counted_in_one_occurrence(said: list[tuple[float, AlertStatus, int]]) -> None:
    now, found, count = 0.0, list[Occurrence](), 0
    for wait, status, began in said:
        now += wait
        one = told(found[-1] if found else None, make_message(status=status, at=at(began)), at(now))
        count = 1 if not found or one.id != found[-1].id else count + 1
        assert one.messages == count
        assert one.last_at == at(now)
        assert one.flaps < one.messages
        found.append(one)
    assert len({one.id for one in found}) == sum(
        1 for a, b in zip([None, *found], found, strict=False) if a is None or a.id != b.id
    )


def test_texts_are_bounded() -> None:
    message = bounded(make_message(labels={"long": "x" * 5000}))
    assert len(message.labels["long"]) == 1024
