"""The seam to language models, over every implementation: what is asked arrives, what is said comes back, and time is kept.

Whatever happens, an answer or a `ModelFailure` comes back, within the time, and at once when it is cancelled.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from pydantic import JsonValue

from middlewatch.agents.language_model.connection import ProviderName
from middlewatch.agents.language_model.scripted import Line
from middlewatch.agents.language_model.seam import Asked, ModelFailure, Replied, ToolResult
from middlewatch.records import CallOutcome
from tests.contract.model_benches import ANSWER, QUESTION, TOOL, Bench, remote, scripted
from tests.model_ends.end import Fault

FOUND: Mapping[str, JsonValue] = {"claims": ["It began at 02:03."], "probability": 0.8, "verdict": "stands"}


@pytest.fixture(params=["scripted", *ProviderName])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "scripted":
        with scripted() as made:
            yield made
        return
    with remote(request.param) as (made, _):
        yield made


def test_a_question_is_answered_in_prose(bench: Bench) -> None:
    bench.says(Line("The pool is exhausted."))
    reply = bench.ask()
    assert reply.turn.text == "The pool is exhausted."
    assert reply.answer is None
    assert not reply.turn.calls
    assert reply.attempts == 1
    assert reply.tokens.prompt > 0
    assert reply.tokens.output > 0


def test_an_answer_of_a_given_form_comes_parsed(bench: Bench) -> None:
    bench.says(Line(answer=FOUND))
    assert bench.ask(replace(QUESTION, answer=ANSWER)).answer == FOUND


def test_tools_are_asked_for_and_their_results_read_until_there_is_an_answer(bench: Bench) -> None:
    bench.says(
        Line("Let me look.", calls=((TOOL.name, {"service": "checkout"}), (TOOL.name, {"service": "cart", "hours": 2}))),
        Line(calls=((TOOL.name, {"service": "db"}),)),
        Line(answer=FOUND),
    )
    request = replace(QUESTION, tools=(TOOL,), answer=ANSWER)
    seen = []
    for _ in range(3):
        reply = bench.ask(request)
        seen += [(call.name, dict(call.arguments)) for call in reply.turn.calls]
        results = tuple(ToolResult(call, "p99 is 3 s", failed=call.arguments.get("hours") == 2) for call in reply.turn.calls)
        request = replace(request, turns=(*request.turns, reply.turn, Asked("Go on." if len(results) == 1 else "", results)))
    assert [arguments for _, arguments in seen] == [{"service": "checkout"}, {"service": "cart", "hours": 2}, {"service": "db"}]
    assert reply.answer == FOUND


def test_what_another_model_said_before_can_be_gone_on_with(bench: Bench) -> None:
    earlier = Replied("I was another model.", raw=("other", [{"type": "unknown"}]))
    assert bench.ask(replace(QUESTION, turns=(Asked("Begin."), earlier, Asked("Go on.")))).turn.text


def test_dialogues_run_side_by_side(bench: Bench) -> None:
    replies: list[str] = []
    threads = [threading.Thread(target=lambda: replies.append(bench.ask().turn.text)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == 8


def test_nothing_is_sent_once_it_is_cancelled_or_no_time_is_left(bench: Bench) -> None:
    cancelled = threading.Event()
    with pytest.raises(ModelFailure) as late:
        bench.ask(seconds=0.0)
    cancelled.set()
    with pytest.raises(ModelFailure) as unwanted:
        bench.ask(cancelled=cancelled)
    assert (late.value.outcome, late.value.attempts) == (CallOutcome.TIMED_OUT, 0)
    assert (unwanted.value.outcome, unwanted.value.attempts) == (CallOutcome.CANCELLED, 0)
    assert bench.end is None or bench.end.bodies == []


def _made_slow(bench: Bench) -> None:
    if bench.end is not None:
        bench.end.always = Fault.SLOW
    else:
        bench.says(Line("At last.", seconds=30))


def test_the_time_is_kept(bench: Bench) -> None:
    _made_slow(bench)
    began = time.monotonic()
    with pytest.raises(ModelFailure) as failure:
        bench.ask(seconds=0.3)
    assert failure.value.outcome is CallOutcome.TIMED_OUT
    assert time.monotonic() - began < 5  # far from 30, with room for a busy machine


def test_a_cancellation_ends_what_is_in_flight_at_once(bench: Bench) -> None:
    _made_slow(bench)
    cancelled, over, asked_to = threading.Event(), threading.Event(), [time.monotonic()]

    def cancel() -> None:
        while not over.wait(0.05) and bench.end is not None and not bench.end.bodies:
            pass  # what was not sent yet is not in flight
        asked_to.append(time.monotonic())
        cancelled.set()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(ModelFailure) as failure:
        bench.ask(seconds=60, cancelled=cancelled)
    ended = time.monotonic()
    over.set()
    thread.join()
    assert failure.value.outcome is CallOutcome.CANCELLED
    assert ended - asked_to[-1] < 5
    assert bench.end is None or bench.end.dropped.wait(5)  # the provider is told by the connection, and may stop working
