"""Whether those who approved are those whom a rule asks for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations

from middlewatch.records import Principal, Requirement, Seat


def fits(principal: Principal, seat: Seat) -> bool:
    """Whether a person may take a seat: of at least its role, and the very person where it names one."""
    return principal.role.level >= seat.role.level and seat.principal in {None, principal.id}


def may_sit(principal: Principal, requirement: Requirement) -> bool:
    """Whether there is any seat for a person."""
    return any(fits(principal, seat) for seat in requirement.seats)


def is_met(requirement: Requirement, approvers: Collection[Principal]) -> bool:
    """Whether these people are enough: one of the seats, or all of them with a different person on each."""
    people = list({person.id: person for person in approvers}.values())
    if requirement.quantifier == "any_of":
        return any(may_sit(person, requirement) for person in people)
    return _seated(requirement.seats, people)


def open_seats(requirement: Requirement, approvers: Collection[Principal]) -> tuple[Seat, ...]:
    """The seats that nobody has taken yet, where as many as can be are taken, and those that remain ask for the least."""
    people = list({person.id: person for person in approvers}.values())
    if is_met(requirement, people):
        return ()
    if requirement.quantifier == "any_of":
        return requirement.seats
    places = range(len(requirement.seats))
    for size in range(1, len(places)):
        ways = [
            seats
            for left in combinations(places, size)
            if _seated([seat for place, seat in enumerate(requirement.seats) if place not in left], people)
            and (seats := tuple(requirement.seats[place] for place in left))
        ]
        if ways:
            return min(ways, key=lambda seats: sum(2 * seat.role.level + (seat.principal is not None) for seat in seats))
    return requirement.seats


def _seated(seats: Sequence[Seat], people: Sequence[Principal]) -> bool:
    """Whether every seat can be taken by another person; a handful of seats, so every way is tried."""
    if not seats:
        return True
    first, *others = seats
    return any(fits(person, first) and _seated(others, [other for other in people if other.id != person.id]) for person in people)


def seat_in_words(seat: Seat) -> str:
    """Such as 'a lead', or 'tomasz (at least a lead)'."""
    return f"{seat.principal} (at least a {seat.role})" if seat.principal else f"a {seat.role}"


def in_words(requirement: Requirement) -> str:
    """Such as 'a lead and a manager, two people'."""
    seats = [seat_in_words(seat) for seat in requirement.seats]
    if len(seats) == 1:
        return seats[0]
    if requirement.quantifier == "any_of":
        return "one of: " + ", ".join(seats)
    return " and ".join(seats) + f", {len(seats)} different people"
