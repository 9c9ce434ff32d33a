"""Invariant: an evaluation on the lab counts what was done against what was said, and names every miss."""

from __future__ import annotations

from collections import Counter

from middlewatch.evals.lab.evaluation import scores
from middlewatch.evals.lab.evaluation.matrix import EACH, LOOKED_AT, RATES, incidents_of, plans
from middlewatch.evals.lab.faults import DECOYS, FAULTS, HELD_OUT, PAIRS, QUIET
from tests.lab_answers import answer

RIGHT = answer()
WRONG = answer(said="cart", blamed="cart")
UNSURE = answer(said="", blamed="")
CALM = answer("quiet", truth="", said="", blamed="")
ACCUSED = answer("innocent-deploy", truth="", said="cart", blamed="cart")
HELD = answer("full-disk", truth="payment", kind="resource_saturation/full-disk", said="payment", blamed="", deployed=False)


def test_each_answer_is_judged_for_what_it_is() -> None:
    judged = {
        name: (scores.found(a), scores.named(a), bool(scores.bad_deploys(a) - scores.blames(a)), scores.blamed_wrongly(a))
        for name, a in {"right": RIGHT, "wrong": WRONG, "unsure": UNSURE, "quiet": CALM, "accused": ACCUSED, "held": HELD}.items()
    }
    assert judged == {
        "right": (True, True, False, False),
        "wrong": (False, False, True, True),
        "unsure": (False, False, True, False),
        "quiet": (False, False, False, False),
        "accused": (False, False, False, True),
        "held": (True, True, False, False),
    }
    assert scores.right_kind(RIGHT)
    assert not scores.right_kind(HELD)


def test_the_tables_have_the_counts_and_every_miss() -> None:
    everything = [RIGHT, WRONG, UNSURE, CALM, ACCUSED, HELD]
    overview = scores.overview(everything)
    assert "| 2 of 4 | 50.0%" in overview
    assert "| 1 of 2 | 50.0%" in overview
    assert "faults held out" in overview
    assert "12.0 s" in scores.times(everything)
    assert "4.0 s" in scores.times(everything)
    misses = scores.misses(everything)
    assert len(misses.splitlines()) == 2 + 3
    assert "`full-disk` (held out)" in scores.by_fault(everything)
    assert "6 requests/s" in scores.by_load(everything)


def test_nothing_answered_is_no_figure() -> None:
    for table in (scores.overview, scores.times, scores.by_load, scores.by_fault, scores.misses):
        assert "nan" not in table([])


def test_the_matrix_has_every_fault_in_every_service_and_false_alarms() -> None:
    for seed in (1, 2):
        incidents = incidents_of(seed)
        real = [name for name in incidents if name not in DECOYS]
        assert [name.partition("@")[0] for name in real] == [*FAULTS, *PAIRS]
        assert set(incidents) - set(real) == set(DECOYS) - {QUIET}  # nothing wrong is each healthy time before an incident
        assert all(plan.quiet_moments for plan in plans(seed).values())
    everywhere = {name for seed in range(1, 6) for name in incidents_of(seed)}
    assert {f"{name}@{way.service}" for name, fault in FAULTS.items() for way in fault.ways} <= everywhere
    assert set(HELD_OUT) <= set(FAULTS)


def test_the_plans_cover_the_matrix_under_every_load() -> None:
    found = plans(2)
    planned = Counter(name for plan in found.values() for name in plan.incidents)
    assert planned == Counter([*incidents_of(1), *incidents_of(2)])
    assert {plan.shop.requests_per_second for plan in found.values()} == set(RATES)
    assert max(len(plan.incidents) for plan in found.values()) <= EACH
    assert len({plan.shop.seed for plan in found.values()}) == len(found)
    assert plans(1, first=2) == {name: plan for name, plan in found.items() if name.startswith("seed-2-")}


def test_what_was_looked_at_is_told_apart_from_what_was_not() -> None:
    unseen = RIGHT.model_copy(update={"recording": f"seed-{max(LOOKED_AT) + 1}-01"})
    titles = [line.split("|")[1].strip() for line in scores.overview([RIGHT, WRONG, unseen]).splitlines()[2:]]
    assert dict.fromkeys(titles) == dict.fromkeys(["all", "looked at", "not looked at"])
