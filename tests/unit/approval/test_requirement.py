"""Who approved is enough exactly where every seat that the rule names has somebody of its own."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from middlewatch.approval.requirement import fits, in_words, is_met, may_sit, open_seats, seat_in_words
from middlewatch.records import Principal, Requirement, Role, Seat

NAMES = ("ann", "bob", "cai", "dee")
people = st.lists(st.builds(Principal, id=st.sampled_from(NAMES), name=st.just("x"), role=st.sampled_from(Role)), max_size=4)
seats = st.builds(Seat, role=st.sampled_from(Role), principal=st.none() | st.sampled_from(NAMES))
requirements = st.builds(
    Requirement, quantifier=st.sampled_from(("all_of", "any_of")), seats=st.lists(seats, min_size=1, max_size=3).map(tuple)
)


def person(name: str, role: Role) -> Principal:
    return Principal(id=name, name=name, role=role)


def unique(found: list[Principal]) -> list[Principal]:
    return list({one.id: one for one in found}.values())


@given(requirement=requirements, approvers=people)
def test_all_of_needs_somebody_else_on_every_seat_and_any_of_one_on_any(
    requirement: Requirement, approvers: list[Principal]
) -> None:
    distinct = unique(approvers)
    if requirement.quantifier == "any_of":
        expected = any(fits(one, seat) for one in distinct for seat in requirement.seats)
    else:
        expected = any(
            all(fits(one, seat) for one, seat in zip(chosen, requirement.seats, strict=True))
            for chosen in itertools.permutations(distinct, len(requirement.seats))
        )
    assert is_met(requirement, approvers) == expected


@given(requirement=requirements, approvers=people, more=people)
def test_more_people_never_make_it_less(requirement: Requirement, approvers: list[Principal], more: list[Principal]) -> None:
    extra = [one for one in more if one.id not in {known.id for known in approvers}]
    if is_met(requirement, approvers):
        assert is_met(requirement, [*approvers, *extra])


@given(requirement=requirements, approvers=people)
def test_who_has_no_seat_adds_nothing(requirement: Requirement, approvers: list[Principal]) -> None:
    distinct = unique(approvers)
    assert is_met(requirement, distinct) == is_met(requirement, [one for one in distinct if may_sit(one, requirement)])


def test_one_person_is_not_two_however_often_they_approve() -> None:
    both = Requirement(quantifier="all_of", seats=(Seat(role=Role.LEAD), Seat(role=Role.MANAGER)))
    mara = person("mara", Role.MANAGER)
    assert not is_met(both, [mara, mara])
    assert is_met(both, [mara, person("leo", Role.LEAD)])
    assert is_met(both, [person("max", Role.MANAGER), mara])  # a manager may sit on a lead's seat
    assert not is_met(both, [person("leo", Role.LEAD), person("lea", Role.LEAD)])


def test_a_named_seat_takes_that_person_and_their_role() -> None:
    seat = Seat(role=Role.LEAD, principal="leo")
    assert fits(person("leo", Role.LEAD), seat)
    assert not fits(person("leo", Role.MEMBER), seat)
    assert not fits(person("mara", Role.MANAGER), seat)


def test_the_one_who_could_sit_twice_leaves_the_seat_to_the_other() -> None:
    both = Requirement(quantifier="all_of", seats=(Seat(role=Role.MEMBER), Seat(role=Role.MEMBER, principal="mia")))
    assert is_met(both, [person("mia", Role.MEMBER), person("leo", Role.LEAD)])


def test_in_words() -> None:
    lead, mara = Seat(role=Role.LEAD), Seat(role=Role.MANAGER, principal="mara")
    assert seat_in_words(mara) == "mara (at least a manager)"
    assert in_words(Requirement(quantifier="any_of", seats=(lead,))) == "a lead"
    assert in_words(Requirement(quantifier="any_of", seats=(lead, mara))) == "one of: a lead, mara (at least a manager)"
    assert (
        in_words(Requirement(quantifier="all_of", seats=(lead, mara))) == "a lead and mara (at least a manager), 2 different people"
    )


@given(requirement=requirements, approvers=people)
def test_seats_are_open_exactly_where_it_is_not_enough(requirement: Requirement, approvers: list[Principal]) -> None:
    missing = open_seats(requirement, approvers)
    assert (missing == ()) == is_met(requirement, approvers)
    taken = {one.id for one in approvers}
    newcomers = [person(seat.principal or f"new-{place}", Role.MANAGER) for place, seat in enumerate(missing)]
    if len({one.id for one in newcomers} - taken) == len(missing):  # nobody sits on two of them
        assert is_met(requirement, [*approvers, *newcomers])


def test_the_seat_that_stays_open_asks_for_the_least() -> None:
    both = Requirement(quantifier="all_of", seats=(Seat(role=Role.LEAD), Seat(role=Role.MANAGER)))
    assert open_seats(both, [person("leo", Role.LEAD)]) == (Seat(role=Role.MANAGER),)
    assert open_seats(both, [person("mara", Role.MANAGER)]) == (Seat(role=Role.LEAD),)
    assert open_seats(both, [person("mia", Role.MEMBER)]) == both.seats
