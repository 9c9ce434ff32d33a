"""A severity follows from what is measured; a sender's word counts only where nothing is; the reason is always said."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import BudgetStanding, BudgetState, Burn, Impact, Objective, ObjectiveKind, Rating, Severity
from middlewatch.severity import Facts, judged
from tests.alert_data import NOON


def felt(failing: float = 0.0, slow: float = 0.0) -> Impact:
    return Impact(services=("gateway",), requests=1000, failing=failing, slow=slow)


def standing(rate: float = 1.0, *, firing: str = "", state: BudgetState | None = None) -> BudgetStanding:
    objective = Objective(name="pays", services=("checkout",), kind=ObjectiveKind.AVAILABILITY, target=0.999)
    burn = Burn(window_seconds=300, good=1, total=2, rate=rate)
    return BudgetStanding(objective=objective, at=NOON, covered_days=30, left=0.5, state=state, burns=(burn,), firing=firing)


@pytest.mark.parametrize(
    ("facts", "severity", "reason"),
    [
        (Facts(("a",), felt(0.3)), "SEV-1", '30 % of the requests to "gateway" fail'),
        (Facts(("a",), felt(0.03, 0.03)), "SEV-2", "3 % are slow"),
        (Facts(("a",), felt(0.012)), "SEV-3", "1 % of the requests"),
        (Facts(("a",), felt(0.001)), "SEV-4", "Less than 1 % of the requests"),
        (Facts(tuple("abcdefghij"), felt()), "SEV-2", "10 services alert"),
        (Facts(("a",), felt(), (standing(20, firing="it burns"),)), "SEV-2", "it burns"),
        (Facts(("a",), felt(), (standing(7, firing="it burns"),)), "SEV-3", "it burns"),
        (Facts(("a",), felt(), (standing(20),)), "SEV-4", "0 % of the requests"),
        (Facts(("a",), felt(), (standing(state=BudgetState.EXHAUSTED),)), "SEV-2", "no error budget left"),
        (Facts(("a",), felt(0.06), tier=lambda _: 1), "SEV-1", '"a" is of tier 1'),
        (Facts(("a",), felt(0.06), tier=lambda _: 4), "SEV-3", "tier 4"),
        (Facts(("a",), None, said=("Critical", "info")), "SEV-1", 'the sender\'s word counts: "Critical"'),
        (Facts(("a",), None, said=("whatever",)), "SEV-3", "not known"),
        (Facts(("a",), felt(0.001), said=("critical",)), "SEV-4", "Less than 1 %"),
    ],
)
def test_what_it_follows_from(facts: Facts, severity: str, reason: str) -> None:
    found, reasons = judged(facts)
    assert (found, reason in " ".join(reasons)) == (Severity(severity), True), reasons


@given(
    st.none() | st.builds(felt, st.floats(0, 1), st.floats(0, 1)),
    st.lists(st.text(max_size=5), max_size=20),
    st.integers(1, 4),
    st.lists(st.text(max_size=20), max_size=4),
)
def test_there_always_is_one_with_a_reason_and_more_impact_is_never_less_severe(
    impact: Impact | None, services: list[str], tier: int, said: list[str]
) -> None:
    facts = Facts(tuple(services), impact, tier=lambda _: tier, said=tuple(said))
    found, reasons = judged(facts)
    assert reasons
    if impact is not None:
        worse = impact.model_copy(update={"failing": 1.0})
        assert judged(Facts(tuple(services), worse, tier=lambda _: tier, said=tuple(said)))[0].level <= found.level


def test_how_soon_somebody_must_be_there() -> None:
    found = [Rating(severity=one, reasons=("It is.",), since=NOON, rated_at=NOON).respond_by - NOON for one in Severity]
    assert found == [timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=4), timedelta(weeks=1)]
