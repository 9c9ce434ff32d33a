"""Invariant: what the ablation says of a set of agents is what an investigation by them would have answered, scored strictly."""

from __future__ import annotations

import importlib.util
import json
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewatch.evals.ablation import Ablation, ablate, agent_sets
from middlewatch.evals.assessing import Asked
from middlewatch.evals.assessments import predicted
from middlewatch.evals.labels import Label
from middlewatch.records import AgentName, Outcome
from tests.unit.agents.shared_context import NOW, SharedContext
from tests.unit.evals.incidents import DEPLOYS, LOGS, METRICS, NOTHING, PLAIN, TRACES, findings, incident

EVERYBODY = tuple(AgentName)
SCORER = Path(__file__).resolve().parents[4] / "shared" / "bench" / "score.py"


def test_the_sets_are_every_subset_by_size() -> None:
    sets = agent_sets(EVERYBODY)
    assert len(sets) == len(set(sets)) == 2 ** len(EVERYBODY) - 1
    assert [len(each) for each in sets] == sorted(len(each) for each in sets)
    assert sets[-1] == EVERYBODY


ONE_AGENT = st.dictionaries(st.sampled_from(["cart", "shop", "stock", "pay"]), st.floats(0, 12), max_size=4)
ONE_ROUND = st.fixed_dictionaries(dict.fromkeys(AgentName, ONE_AGENT))


@settings(max_examples=25)
@given(first=ONE_ROUND, second=ONE_ROUND, asked=st.sampled_from(agent_sets(EVERYBODY)))
def test_every_set_answers_as_the_orchestrator_does(
    first: dict[AgentName, dict[str, float]], second: dict[AgentName, dict[str, float]], asked: tuple[AgentName, ...]
) -> None:
    known = incident(first, second)
    context = SharedContext(findings(known), asked)
    report = context.run().report
    assert report is not None
    answer = predicted(known, asked)
    # Votes may be added in another order, and then differ in the last digit.
    assert dict(answer.ranking) == pytest.approx({row.service: row.score for row in report.ranking})
    assert [score for _, score in answer.ranking] == pytest.approx([row.score for row in report.ranking])
    assert answer.confidence == pytest.approx(report.confidence)
    assert answer.inconclusive is (report.outcome is Outcome.INCONCLUSIVE)
    assert answer.onset == report.onset
    assert answer.seconds / len(asked) in (1, 2)


def test_only_an_inconclusive_first_round_is_asked_again() -> None:
    second = predicted(incident(NOTHING, PLAIN), EVERYBODY)
    assert (second.ranking[0][0], second.seconds) == ("cart", 8.0)
    first = predicted(incident(PLAIN, NOTHING), EVERYBODY)
    assert (first.ranking[0][0], first.seconds) == ("cart", 4.0)
    neither = predicted(incident(NOTHING, NOTHING), EVERYBODY)
    assert (neither.inconclusive, neither.seconds) == (True, 8.0)


def test_scores_before_and_after_abstention() -> None:
    weak = {TRACES: {"cart": 0.01, "shop": 0.0}}
    result = ablate([incident(PLAIN), incident(weak, identifier="incident-2")], Asked())
    (everything, shop, slow) = result.vote.groups
    assert (everything.system, shop.system, slow.kind) == ("", "shop", "slow")
    assert everything.ranked.at_1 == 1.0
    assert everything.answered.at_1 == 0.5
    assert everything.inconclusive == 0.5
    assert everything.right_when_answered == 1.0
    (miss,) = result.misses
    assert (miss.incident, miss.answer, miss.top, miss.rank) == ("incident-2", None, "cart", 1)
    assert miss.rank_by_agent == {METRICS: None, LOGS: None, TRACES: 1, DEPLOYS: None}


def test_a_blamed_quiet_moment_is_a_false_answer() -> None:
    quiet = incident(PLAIN, truth=None, identifier="quiet-1")
    result = ablate([incident(PLAIN), quiet, incident(NOTHING, truth=None, identifier="quiet-2")], Asked())
    assert [(row.system, row.moments, row.blamed) for row in result.vote.quiet] == [("", 2, 1), ("shop", 2, 1)]
    assert result.vote.groups[0].incidents == 1
    assert result.vote.confidence is not None
    assert result.vote.confidence.answers == 2
    assert result.vote.confidence.brier_of_constant == 0.25
    assert result.vote.confidence_of_all is not None
    assert result.vote.confidence_of_all.answers == 3
    assert [(miss.incident, miss.answer) for miss in result.misses] == [("quiet-1", "cart")]


def test_of_two_causes_either_may_be_named_first() -> None:
    known = incident(PLAIN, truth="stock")
    both = known.model_copy(update={"label": known.label.joined(Label(incident="incident-1", root_cause_service="cart"))})
    missed, found = (ablate([each], Asked(every_set=False)) for each in (known, both))
    assert (missed.vote.groups[0].ranked.at_1, found.vote.groups[0].ranked.at_1) == (0.0, 1.0)
    assert missed.misses[0].truth == "stock"
    assert not found.misses


def test_the_mean_weighs_systems_alike() -> None:
    wrong = incident({METRICS: {"shop": 9.0, "cart": 0.0}}, system="other", identifier="incident-3")
    result = ablate([incident(PLAIN), incident(PLAIN, identifier="incident-2"), wrong], Asked())
    assert result.vote.groups[0].answered.at_1 == pytest.approx(2 / 3)
    assert result.vote.macro is not None
    assert result.vote.macro.at_1 == pytest.approx(0.5)


def test_agents_alone_are_scored_by_what_they_saw() -> None:
    result = ablate([incident(PLAIN)], Asked())
    alone = {score.agents[0]: score.groups[0].answered.at_1 for score in result.scores if len(score.agents) == 1}
    assert alone == {METRICS: 0.0, LOGS: 1.0, TRACES: 1.0, DEPLOYS: 0.0}
    assert Ablation.model_validate_json(result.model_dump_json()) == result


def test_the_vote_can_be_scored_alone() -> None:
    all_sets = ablate([incident(PLAIN), incident(NOTHING, identifier="incident-2")], Asked())
    vote_alone = ablate([incident(PLAIN), incident(NOTHING, identifier="incident-2")], Asked(every_set=False))
    assert vote_alone.scores == (all_sets.vote,)
    assert vote_alone.misses == all_sets.misses


def scorer() -> ModuleType:
    if not SCORER.exists():
        pytest.skip("the reference scorer is not beside this checkout")
    spec = importlib.util.spec_from_file_location("score", SCORER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@settings(max_examples=30)
@given(st.lists(st.tuples(ONE_ROUND, ONE_ROUND, st.sampled_from(["cart", "pay", "absent", None])), min_size=1, max_size=6))
def test_the_figures_are_those_of_the_reference_scorer(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[tuple[dict[AgentName, dict[str, float]], dict[AgentName, dict[str, float]], str | None]],
) -> None:
    reference = scorer()
    folder = tmp_path_factory.mktemp("scored") / "lab"
    folder.mkdir()
    incidents = [incident(a, b, truth=truth, identifier=f"i{n}", system="lab") for n, (a, b, truth) in enumerate(drawn)]
    (folder / "labels.jsonl").write_text("".join(each.label.model_dump_json() + "\n" for each in incidents))
    rows: list[dict[str, Any]] = []
    quiet: list[dict[str, Any]] = []
    by_name = {each.incident: json.loads(predicted(each, EVERYBODY).model_dump_json()) for each in incidents}
    for _, label in reference.labels_under(folder):
        given_answer = by_name[label["incident"]]
        row = given_answer | {"rank": reference.strict_rank(given_answer["ranking"], label["root_cause_service"])}
        (quiet if label["root_cause_service"] is None else rows).append(row)
    vote = ablate(incidents, Asked()).vote
    if rows:
        expected, group = reference.summarise(rows), vote.groups[1]
        assert group.incidents == expected["n"]
        assert group.inconclusive == pytest.approx(expected["inconclusive"])
        assert group.answered.at_1 == pytest.approx(expected["AC@1"])
        assert group.answered.at_3 == pytest.approx(expected["AC@3"])
        assert group.answered.average_5 == pytest.approx(expected["Avg@5"])
        assert group.ranked.at_1 == pytest.approx(expected["ranked@1"])
        assert group.right_when_answered == (pytest.approx(expected["precision_when_answered"]) if group.inconclusive < 1 else None)
    if quiet:
        assert vote.quiet[0].blamed == sum(not row["inconclusive"] for row in quiet)
    sure = [(row["confidence"], row["rank"] == 1) for row in rows + quiet if not row["inconclusive"]]
    assert (vote.confidence is None) is (not sure)
    if vote.confidence is not None:
        assert vote.confidence.brier == pytest.approx(sum((c - h) ** 2 for c, h in sure) / len(sure))
        assert vote.confidence.calibration_error == pytest.approx(reference.calibration_error(sure))


def test_onsets_are_held_against_the_labelled_beginning() -> None:
    """A fact of 8 nats begins half a minute before the end of the window, one of 6 two and a half minutes before it."""
    known = incident(PLAIN)
    exact = known.model_copy(
        update={"label": known.label.model_copy(update={"started_at": NOW - timedelta(minutes=2, seconds=30)})}
    )
    early = known.model_copy(
        update={"system": "other", "label": known.label.model_copy(update={"started_at": NOW - timedelta(minutes=9, seconds=30)})}
    )
    wrong = incident(PLAIN, truth="shop").model_copy(
        update={"label": exact.label.model_copy(update={"root_cause_service": "shop"})}
    )
    everything, shop, other = ablate([exact, early, known, wrong, incident(NOTHING)], Asked()).vote.onsets
    assert (everything.answers, everything.told, everything.inside, everything.away) == (2, 2, 1, 210.0)
    assert (shop.system, shop.inside, shop.away) == ("shop", 1, 0.0)
    assert (other.system, other.inside, other.away) == ("other", 0, 420.0)
    assert ablate([known], Asked()).vote.onsets == ()
