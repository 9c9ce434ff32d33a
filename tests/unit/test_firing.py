"""One firing of an alert is one occurrence, however often it is told of; late and doubled messages neither open nor end one."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.firing import BLIP, FLAP_SECONDS, UNHEARD, bounded, is_undecided, told
from middlewatch.records import AlertMessage, AlertStatus, Occurrence
from tests.alert_data import NOON, make_message

FIRING, RESOLVED, ACKNOWLEDGED = AlertStatus.FIRING, AlertStatus.RESOLVED, AlertStatus.ACKNOWLEDGED


def after(*said: tuple[float, AlertMessage], decided: bool = True) -> list[Occurrence]:
    """The occurrence after each message; seconds since noon."""
    found: list[Occurrence] = []
    for seconds, message in said:
        one = told(found[-1] if found else None, message, NOON + timedelta(seconds=seconds))
        found.append(one.model_copy(update={"investigation": "inv-1"}) if decided and is_undecided(one) else one)
    return found


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


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


@pytest.mark.parametrize("kind", ["pagerduty", "opsgenie"])
def test_the_sender_says_that_nobody_has_it_any_more(kind: str) -> None:
    fires = make_message().model_copy(update={"kind": kind})
    has, over = (fires.model_copy(update={"status": status}) for status in (ACKNOWLEDGED, RESOLVED))
    *_, known, again = after((0, fires), (9, has), (12, fires))
    assert (known.acknowledged_at, again.acknowledged_at) == (at(9), None)
    *_, ended, reopened = after((0, fires), (9, has), (12, over), (120, fires))
    assert (ended.acknowledged_at, reopened.flaps, reopened.acknowledged_at) == (at(9), 1, None)


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
