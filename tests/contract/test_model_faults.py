"""Whatever a provider does, a call ends with an answer or a `ModelFailure` of the right sort, and repeats nothing that it wrote."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from middlewatch.agents.language_model import retrying
from middlewatch.agents.language_model.connection import ProviderName
from middlewatch.agents.language_model.opening import open_model
from middlewatch.agents.language_model.scripted import Line
from middlewatch.agents.language_model.seam import ModelFailure, Obstacle
from middlewatch.agents.language_model.usage import OVERHEAD_TOKENS
from middlewatch.records import CallOutcome
from tests.contract.model_benches import ANSWER, QUESTION, TOOL, Bench, connection, remote
from tests.model_ends.end import Fault, ModelEnd

MADE = {
    Fault.DROPPED: CallOutcome.FAILED,
    Fault.CUT: CallOutcome.FAILED,
    Fault.DRIP: CallOutcome.TIMED_OUT,
    Fault.HANGS: CallOutcome.TIMED_OUT,
    Fault.BUSY: CallOutcome.OVERLOADED,
    Fault.BUSY_LONG: CallOutcome.OVERLOADED,
    Fault.OVERLOADED: CallOutcome.OVERLOADED,
    Fault.FAILED: CallOutcome.FAILED,
    Fault.NO_KEY: CallOutcome.FAILED,
    Fault.NO_MODEL: CallOutcome.FAILED,
    Fault.NO_MONEY: CallOutcome.FAILED,
    Fault.REDIRECT: CallOutcome.FAILED,
    Fault.COMPRESSED: CallOutcome.MALFORMED,
    Fault.NOT_JSON: CallOutcome.MALFORMED,
    Fault.NAN: CallOutcome.MALFORMED,
    Fault.DEEP: CallOutcome.MALFORMED,
    Fault.OTHER_JSON: CallOutcome.MALFORMED,
    Fault.BAD_ARGUMENTS: CallOutcome.MALFORMED,
    Fault.LONG: CallOutcome.MALFORMED,
    Fault.REFUSAL: CallOutcome.REFUSED,
    Fault.CUT_SHORT: CallOutcome.CUT,
}
LASTING = {Fault.CUT, Fault.NO_KEY, Fault.NO_MODEL, Fault.NO_MONEY, Fault.REDIRECT} | {
    fault for fault, outcome in MADE.items() if outcome in {CallOutcome.MALFORMED, CallOutcome.REFUSED, CallOutcome.CUT}
}
"""What no second request mends, or what was billed."""
DOUBTFUL = {Fault.DROPPED, Fault.FAILED}
"""What a second one may mend, and nobody knows whether the first was billed: it is for another call."""


@pytest.fixture(params=list(ProviderName))
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[Bench, ModelEnd]]:
    with remote(request.param) as made:
        yield made


def test_each_fault_ends_as_it_should_and_is_told_in_our_own_words(
    ends: tuple[Bench, ModelEnd], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 0.001)
    bench, end = ends
    ended = {}
    for fault in MADE:
        end.always, before = fault, len(end.bodies)
        with pytest.raises(ModelFailure) as failure:
            bench.ask(replace(QUESTION, answer=ANSWER), seconds=0.5 if fault in {Fault.DRIP, Fault.HANGS} else 30)
        ended[fault] = failure.value.outcome
        told = f"{failure.value.message} {failure.value.remedy}"
        assert not any(word in told for word in ("sorry", "Ignore", "sk-test", "fine", "surprise")), fault
        assert failure.value.attempts == len(end.bodies) - before, fault
        assert failure.value.again == (fault in DOUBTFUL), fault
        once = fault in LASTING | DOUBTFUL or fault in {Fault.BUSY_LONG, Fault.DRIP, Fault.HANGS}
        assert failure.value.attempts == (1 if once else retrying.MOST_ATTEMPTS), fault
    assert ended == MADE


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.BUSY_HINT, Fault.OVERLOADED])
def test_what_passes_is_asked_again(ends: tuple[Bench, ModelEnd], fault: Fault) -> None:
    bench, end = ends
    end.faults.append(fault)
    reply = bench.ask()
    assert reply.attempts == 2
    assert len(end.bodies) == 2
    assert end.bodies[0] == end.bodies[1]


def test_a_hint_longer_than_the_time_ends_it_at_once(ends: tuple[Bench, ModelEnd]) -> None:
    bench, end = ends
    end.always = Fault.BUSY_LONG
    with pytest.raises(ModelFailure) as failure:
        bench.ask(seconds=60)
    assert failure.value.attempts == 1


def test_calls_that_make_no_sense_are_handed_over_for_whoever_runs_tools_to_judge(ends: tuple[Bench, ModelEnd]) -> None:
    bench, end = ends
    for fault, name in ((Fault.UNKNOWN_TOOL, "drop_tables"), (Fault.SAME_CALL, TOOL.name)):
        end.always = fault
        (call,) = bench.ask(replace(QUESTION, tools=(TOOL,))).turn.calls
        assert call.name == name


def test_an_answer_of_another_form_is_handed_over_for_whoever_asked_to_judge(ends: tuple[Bench, ModelEnd]) -> None:
    bench, end = ends
    end.always = Fault.WRONG_ANSWER
    assert bench.ask(replace(QUESTION, answer=ANSWER)).answer == {"surprise": 1}
    end.always = Fault.NO_ANSWER
    reply = bench.ask(replace(QUESTION, answer=ANSWER))
    assert reply.answer is None
    assert reply.turn.text == "I would rather write prose."


def test_a_wrong_usage_block_is_bounded(ends: tuple[Bench, ModelEnd]) -> None:
    bench, end = ends
    end.say = lambda _: Line("word " * 100)
    request = replace(QUESTION, system="a word " * 500, most_tokens=900)
    sound = bench.ask(request).tokens
    found = {}
    for fault in (Fault.USAGE_HUGE, Fault.USAGE_ZERO, Fault.USAGE_WRONG, Fault.USAGE_NONE):
        end.always = fault
        found[fault] = bench.ask(request).tokens
    huge, zero = found[Fault.USAGE_HUGE], found[Fault.USAGE_ZERO]
    assert sound.prompt < huge.prompt < sound.prompt * 5 + OVERHEAD_TOKENS
    assert huge.output == 900
    assert huge.reasoning <= huge.output
    assert 0 < sound.prompt // 10 < zero.prompt < sound.prompt
    assert 0 < zero.output < sound.output
    for fault in (Fault.USAGE_WRONG, Fault.USAGE_NONE):
        assert sound.prompt < found[fault].prompt < 2 * sound.prompt, fault
        assert found[fault].output >= 500 // 4, fault


def test_what_may_have_been_billed_is_counted(ends: tuple[Bench, ModelEnd]) -> None:
    bench, end = ends
    end.always = Fault.SLOW
    with pytest.raises(ModelFailure) as unknown:
        bench.ask(replace(QUESTION, most_tokens=900), seconds=0.2)
    end.always = Fault.CUT
    with pytest.raises(ModelFailure) as cut:
        bench.ask(replace(QUESTION, most_tokens=900))
    for fault in DOUBTFUL:
        end.always = fault
        with pytest.raises(ModelFailure) as lost:
            bench.ask(replace(QUESTION, most_tokens=900))
        assert lost.value.tokens == cut.value.tokens, fault
    end.always = Fault.NO_KEY
    with pytest.raises(ModelFailure) as known:
        bench.ask()
    end.always = Fault.CUT_SHORT
    with pytest.raises(ModelFailure) as said:
        bench.ask()
    assert unknown.value.tokens.output == 900
    assert unknown.value.tokens.prompt > 0
    assert cut.value.tokens == unknown.value.tokens
    assert known.value.tokens.prompt == known.value.tokens.output == 0
    assert 0 < said.value.tokens.output < 900


def test_the_words_say_what_to_do(ends: tuple[Bench, ModelEnd]) -> None:
    bench, end = ends
    end.always = Fault.NO_KEY
    with pytest.raises(ModelFailure, match=r"127\.0\.0\.1:\d+ refused the key \(401") as failure:
        bench.ask()
    assert "MIDDLEWATCH_TEST_KEY" in failure.value.remedy


def test_closing_ends_what_is_in_flight(ends: tuple[Bench, ModelEnd]) -> None:
    bench, end = ends
    end.always = Fault.SLOW
    timer = threading.Timer(0.3, bench.model.close)
    timer.start()
    with pytest.raises(ModelFailure) as failure:
        bench.ask(seconds=30)
    timer.join()
    assert failure.value.outcome is CallOutcome.CANCELLED


@pytest.mark.parametrize("provider", [*ProviderName])
def test_where_nobody_listens_it_is_tried_twice_and_said_with_the_port_and_what_to_do(
    provider: ProviderName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 0.001)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen: who connects is refused
        port = taken.getsockname()[1]
        model = open_model(connection(provider, f"http://127.0.0.1:{port}/v1"))
        try:
            with pytest.raises(ModelFailure, match=rf"^127\.0\.0\.1:{port} could not be reached\.") as failure:
                model.respond(QUESTION, seconds=20, cancelled=threading.Event())
        finally:
            model.close()
    found = failure.value
    assert (found.attempts, found.obstacle, found.tokens.prompt) == (retrying.MOST_REFUSED, Obstacle.UNREACHED, 0)
    assert "host and port" in found.remedy
