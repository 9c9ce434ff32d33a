"""Who must approve: from what the file says to a requirement that never asks for less than the tier's role."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from middlewatch.approval.policy.entries import PERSON, ApprovalsEntry, StepEntry
from middlewatch.approval.requirement import fits, is_met
from middlewatch.records import ROLE_OF_TIER, EscalationStep, Principal, Requirement, RiskTier, Role, Seat


def least_role(tier: RiskTier) -> Role:
    """The least role that decides on a tier; any member on the lowest, where policy does not let it run by itself."""
    return ROLE_OF_TIER.get(tier, Role.MEMBER)


def seat_of(text: str, role: Role) -> Seat:
    """A seat as the file has it; of a named person at least a role is asked."""
    return Seat(role=role, principal=text.removeprefix(PERSON)) if text.startswith(PERSON) else Seat(role=Role(text))


def requirement_of(entry: ApprovalsEntry | None, tier: RiskTier, people: Collection[Principal]) -> Requirement:
    """What an entry asks for at a tier: every seat is raised to the tier's role; by default anybody of it approves.

    A named person whose role does not reach that far gives their seat to anybody whose role does, so that raising a tier never
    makes the number of approvers smaller.
    """
    role = least_role(tier)
    if entry is None:
        return Requirement(quantifier="any_of", seats=(Seat(role=role),))
    too_low = {person.id for person in people if person.role.level < role.level}
    seats = [_raised(seat_of(text, role), role, too_low) for text in entry.seats]
    if entry.quantifier == "any_of":
        seats = list(dict.fromkeys(seats))
    return Requirement(quantifier=entry.quantifier, seats=tuple(sorted(seats, key=_hardest_first)))


def stronger(one: Requirement, other: Requirement) -> Requirement:
    """The one of two that needs more people; the first where both need as many."""
    return other if _count(other) > _count(one) else one


def can_be_met(requirement: Requirement, people: Collection[Principal]) -> bool:
    """Whether there are people enough, each on a seat of their own."""
    return is_met(requirement, people)


def steps_of(entries: Sequence[StepEntry]) -> tuple[EscalationStep, ...]:
    """An escalation as the file has it."""
    return tuple(
        EscalationStep(after_seconds=entry.after_minutes * 60, asked=tuple(seat_of(text, Role.MEMBER) for text in entry.ask))
        for entry in entries
    )


def usual_steps(tier: RiskTier, deadline_seconds: float) -> tuple[EscalationStep, ...]:
    """Every level from the tier's role up is asked in its turn, each after an equal share of the deadline (chosen, not derived).

    So a request of the low tier goes to leads after a third and to managers after two, and one of the high tier to nobody else.
    """
    levels = list(Role)[least_role(tier).level :]
    share = deadline_seconds / len(levels)
    return tuple(EscalationStep(after_seconds=share * turn, asked=(Seat(role=role),)) for turn, role in enumerate(levels) if turn)


def reaches_somebody(step: EscalationStep, people: Collection[Principal]) -> bool:
    """Whether there is anybody to ask."""
    return any(fits(person, seat) for seat in step.asked for person in people)


def _raised(seat: Seat, role: Role, too_low: Collection[str]) -> Seat:
    if seat.principal is not None:
        return Seat(role=role) if seat.principal in too_low else seat
    return Seat(role=max(seat.role, role, key=lambda one: one.level))


def _hardest_first(seat: Seat) -> tuple[bool, int, str]:
    """The seats that fewest people can take come first, so that it is soon known whether there are people for all of them."""
    return seat.principal is None, -seat.role.level, seat.principal or ""


def _count(requirement: Requirement) -> int:
    return len(requirement.seats) if requirement.quantifier == "all_of" else 1
