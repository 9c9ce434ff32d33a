"""What models did adds up, by whatever it is looked at; what is not known is said and is not 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from middlewatch.frontends import model_wording
from middlewatch.frontends.cli.report import render_report
from middlewatch.frontends.web.pages import environment
from middlewatch.model_costs import MOST, ModelCosts, cost_of_models
from middlewatch.records import CallOutcome, Headline, Investigation, ModelCall, Tokens
from middlewatch.records.model_spend import ModelSum, spends, summed
from tests.model_calls import AT, CALLS, call, reasoned
from tests.report_finding import finding


def kept(number: int, calls: Sequence[ModelCall]) -> Investigation:
    report = reasoned(tuple(calls))
    return Investigation(
        tenant=report.tenant,
        id=f"inv-{number}",
        scope=report.scope,
        alert=report.alert,
        opened_at=AT,
        headline=Headline.of(report),
    )


def costs(
    *investigations: Investigation, days: int = 1, so_far: Callable[[str], tuple[ModelCall, ...]] = lambda _: ()
) -> ModelCosts:
    return cost_of_models(lambda most: investigations[:most], lambda names: list(map(so_far, names)), AT, days)


def test_what_has_no_report_counts_with_the_calls_that_are_over() -> None:
    runs = kept(1, []).model_copy(update={"headline": None, "models": True})
    rules = kept(2, []).model_copy(update={"headline": None})
    asked: list[str] = []

    def so_far(name: str) -> tuple[ModelCall, ...]:
        asked.append(name)
        return (call(1), call(2, "logs"))

    found = costs(runs, rules, kept(3, [call(3)]), so_far=so_far)
    assert asked == ["inv-1"]
    assert [(part.name, part.sum.calls) for part in found.dearest] == [("inv-1", 2), ("inv-3", 1)]
    assert found.whole.calls == 3
    assert costs(runs, days=1, so_far=lambda _: (call(1, started_at=AT - timedelta(days=1)),)).whole.calls == 0


def test_calls_add_up_and_what_was_not_made_is_told_apart() -> None:
    added = summed(spends(CALLS))
    assert (added.calls, added.unanswered, added.not_made, added.unpriced) == (3, 1, 1, 1)
    assert added.tokens == Tokens(input=2000, cached=6000, cache_written=1000, output=400, reasoning=100)
    assert (added.dollars, added.seconds, added.longest_seconds) == (0.02, 8.0, 4.0)
    assert Headline.of(finding()).spent == ()


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.integers(0, 3), st.sampled_from(CallOutcome)), max_size=20)
)
def test_every_view_adds_up_to_the_whole(made: list[tuple[str, str, int, CallOutcome]]) -> None:
    calls = [
        call(number, agent, model=model, started_at=AT - timedelta(days=days), outcome=outcome)
        for number, (agent, model, days, outcome) in enumerate(made)
    ]
    found = costs(kept(1, calls[::2]), kept(2, calls[1::2]), days=9)
    for parts in (found.days, found.agents, found.models, found.dearest):
        whole = sum((part.sum for part in parts), ModelSum())
        assert (whole.calls, whole.not_made, whole.tokens) == (found.whole.calls, found.whole.not_made, found.whole.tokens)
    assert found.whole.calls + found.whole.not_made == len(calls)


def test_days_outside_do_not_count_and_the_dearest_come_first() -> None:
    old = call(9, started_at=AT - timedelta(days=1), dollars=5.0)
    found = costs(kept(1, [call(1)]), kept(2, [call(2, "logs", dollars=0.5), old]))
    assert [part.name for part in found.dearest] == ["inv-2", "inv-1"]
    assert [part.name for part in found.agents] == ["logs", "metrics"]
    assert [(part.name, part.sum.calls) for part in found.days] == [("2026-11-21", 2)]
    assert found.whole.dollars == 0.51
    assert [part.name for part in costs(kept(2, [old]), days=2).days] == ["2026-11-20"]
    assert costs().investigations == 0


def test_where_older_ones_may_be_missing_it_is_said() -> None:
    one = kept(1, [])
    assert costs(*[one] * MOST).cut
    assert not costs(*[one] * (MOST - 1)).cut
    assert not costs(*[one] * (MOST - 1), one.model_copy(update={"opened_at": AT - timedelta(days=9)})).cut


def test_it_is_said_in_words_with_what_is_not_known() -> None:
    said = model_wording.told(summed(spends(CALLS)))
    assert said == (
        "3 calls (1 unanswered), 1 not made for want of budget, 9,000 tokens read (6,000 of them cached), 400 written (100 of them "
        "thought), $0.0200 and 1 call of unknown price, 2.7 s a call, the longest 4 s"
    )
    assert model_wording.cost(summed(spends([CALLS[2]]))) == "unknown price"
    unpriced = summed(spends([CALLS[2], call(7, outcome=CallOutcome.FAILED, tokens=Tokens(), dollars=0.0)]))
    assert (unpriced.calls, unpriced.dollars) == (2, None)
    assert model_wording.cost(unpriced) == "1 call of unknown price"
    assert '"dollars":null' in costs(kept(1, [CALLS[2]])).model_dump_json(include={"whole"})
    assert model_wording.cost(ModelSum(calls=2, unpriced=1, dollars=0.0) + ModelSum()) == "1 call of unknown price", (
        "as it was kept"
    )
    assert summed(spends([call(1, dollars=0.0)])).dollars == 0.0, "free is no unknown price"
    assert len(model_wording.cells(ModelSum())) == len(model_wording.COLUMNS)


def test_the_report_has_it_and_a_models_name_moves_nothing() -> None:
    text = render_report(reasoned(), width=100, color=False)
    assert "3 calls (1 unanswered)" in text
    assert any(line.split()[:2] == ["challenger", "1"] for line in text.splitlines())
    assert "\x1b" not in text
    assert "tokens read" not in render_report(finding(), width=100, color=False)


def test_the_pages_have_it() -> None:
    template = environment().get_template("_models.html")
    shown = template.render(report=reasoned(), models=model_wording, written=True, calls=CALLS, spent=spends(CALLS), numbers={})
    assert "3 calls (1 unanswered)" in shown
    assert "\x1b" not in shown
    assert template.render(report=finding(), models=model_wording, written=True, calls=(), spent=(), numbers={}).strip() == ""


def test_sums_have_no_more_digits_than_were_measured() -> None:
    calls = [CALLS[0].model_copy(update={"id": f"c{n}", "seconds": 0.381, "dollars": 0.0000011}) for n in range(3)]
    added = summed(spends(calls))
    assert (added.seconds, added.dollars) == (1.143, 0.000003)
