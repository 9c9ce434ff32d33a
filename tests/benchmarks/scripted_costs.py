"""What the scripted models' calls would have cost and taken, as tables."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from middlewatch.agents.language_model.prices import listed_price
from middlewatch.evals.tables import markdown_table
from middlewatch.records import Tokens
from tests.benchmarks.scripted_runs import RUNS, Run, Said
from tests.benchmarks.scripted_speaker import LOOKS as DIALOGUES
from tests.benchmarks.scripted_speaker import PRICED, Call

OTHERS: Final = ("claude-sonnet-5", "claude-sonnet-4-6", "claude-haiku-5-5")
Billed = Callable[[Call], Tokens]


def cost_blocks(found: Sequence[Said]) -> Mapping[str, str]:
    """The tables."""
    runs = {_told(name, run): [said for said in found if said.run == name] for name, run in RUNS.items() if run.billed}
    typical, *_ = runs.values()
    return {"cost": _cost(runs), "agents": _agents(typical), "caching": _caching(runs), "time": _time(runs)}


def dollars(calls: Sequence[Call], billed: Billed, model: str = PRICED[1]) -> float:
    """What calls cost."""
    price = listed_price(PRICED[0], model)
    assert price is not None
    return sum(price.price.dollars(billed(call)) for call in calls)


def most(call: Call) -> Tokens:
    """By the bound of the budgets."""
    return call.most


def likely(call: Call) -> Tokens:
    """By characters."""
    return call.likely


def _told(name: str, run: Run) -> str:
    return f"{name}, {run.looks} tool call{'s' if run.looks > 1 else ''} each"


def _cost(runs: Mapping[str, Sequence[Said]]) -> str:
    rows = []
    for run, said in runs.items():
        for name, billed in (("at most", most), ("likely", likely)):
            tokens = [sum((billed(call) for call in one.calls), Tokens()) for one in said]
            longest = max(billed(call).prompt for one in said for call in one.calls)
            spent = [dollars(one.calls, billed) for one in said]
            calls = statistics.median(len(one.calls) for one in said)
            middle = [f"{statistics.median(getattr(t, part) for t in tokens):,.0f}" for part in ("prompt", "cached", "output")]
            rows.append([run, name, f"{calls:.0f}", *middle, f"{longest:,}", _money(statistics.median(spent)), _money(max(spent))])
    header = ["recordings, and tools", "tokens", "calls", "read", "of them cached", "written", "longest prompt"]
    return markdown_table([*header, "dollars, median", "worst"], rows)


def _agents(said: Sequence[Said]) -> str:
    rows = []
    for agent in (*DIALOGUES, "writer"):
        own = [[call for call in one.calls if call.agent == agent] for one in said]
        own = [calls for calls in own if calls]
        spent = [dollars(calls, most) for calls in own]
        seconds = [sum(call.seconds for call in calls) for calls in own]
        rows.append(
            [
                agent,
                f"{statistics.median(len(calls) for calls in own):.0f}",
                _money(statistics.median(spent)),
                _money(max(spent)),
                _money(statistics.median(dollars(calls, likely) for calls in own)),
                f"{statistics.median(seconds):.1f}",
                f"{max(seconds):.1f}",
            ]
        )
    header = ["dialogue", "calls", "at most, median", "worst", "likely, median", "model's seconds, median", "worst"]
    return markdown_table(header, rows)


def _caching(runs: Mapping[str, Sequence[Said]]) -> str:
    ways: dict[str, Billed] = {
        "the first agent's model ahead of the others": most,
        "all at once": lambda call: _moved(call, most(call)),
        "no cache": lambda call: _uncached(most(call)),
    }
    rows = []
    for name, billed in ways.items():
        spent = {run: [dollars(one.calls, billed) for one in said] for run, said in runs.items()}
        rows.append([name, *(_money(pick(each)) for each in spent.values() for pick in (statistics.median, max))])
    for model in OTHERS:
        spent = {run: [dollars(one.calls, most, model) for one in said] for run, said in runs.items()}
        rows.append([f"as it is, {model}", *(_money(pick(each)) for each in spent.values() for pick in (statistics.median, max))])
    header = [f"{run}: {which}" for run in runs for which in ("median", "worst")]
    return markdown_table(["", *header], rows)


def _moved(call: Call, tokens: Tokens) -> Tokens:
    """As if an agent's first call had found nothing in the cache."""
    if call.number or call.agent in {"challenger", "writer"}:
        return tokens
    return tokens.model_copy(update={"cached": 0, "cache_written": tokens.cache_written + tokens.cached})


def _uncached(tokens: Tokens) -> Tokens:
    return Tokens(input=tokens.prompt, output=tokens.output)


def _time(runs: Mapping[str, Sequence[Said]]) -> str:
    rows = []
    for run, said in runs.items():
        rules = [one.reasoned.rules.seconds for one in said]
        after = [one.reasoned.seconds - one.reasoned.rules.seconds for one in said]
        whole = [one.reasoned.seconds for one in said]
        waited = [_waited(one) for one in said]
        cells = [f"{pick(each):.1f}" for each in (rules, after, waited, whole) for pick in (statistics.median, max)]
        rows.append([run, *cells])
    parts = ("rules' answer", "models, from then on", "of it the model's seconds", "whole")
    return markdown_table(["recordings, and tools", *(f"{part}: {w}" for part in parts for w in ("median", "worst"))], rows)


def _waited(one: Said) -> float:
    """Seconds of the model in the longest way through: the slowest agent's, the challenger's and the writer's dialogue."""
    by_agent = {agent: sum(call.seconds for call in one.calls if call.agent == agent) for agent in (*DIALOGUES, "writer")}
    last = [by_agent.pop(agent) for agent in ("challenger", "writer")]
    return max(by_agent.values()) + sum(last)


def _money(value: float) -> str:
    return f"${value:.4f}"
