"""A scripted model that takes the time and writes as much as a real one would, and keeps what each of its calls would be billed."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from middlewatch.agents.language_model.scripted import Line, ScriptedModel, spoken
from middlewatch.agents.language_model.seam import Request
from middlewatch.records import Record, Tokens
from tests.benchmarks.prompt_cache import FIRST_TOKEN_SECONDS, TOKENS_A_SECOND, PromptCache, likely
from tests.scripted_mind import mind

PRICED: Final = ("anthropic", "claude-sonnet-5-5")
"""A listed mid-size model."""
LOOKS: Final = {
    "deploys": ("recent_changes", "assess_deploys"),
    "logs": ("log_patterns", "assess_logs"),
    "metrics": ("assess_metrics", "list_metrics"),
    "traces": ("slow_spans", "assess_traces"),
    "challenger": ("service_map", "slow_spans"),
}
"""Which tools each dialogue calls, one after the other."""
REASON: Final = "its own work became slow before that of those who call it"
CLAIM: Final = "What this service does itself takes longer than before, while everything that it calls answers as it usually does."
SENTENCE: Final = (
    "is where the trouble started: its own work became slow, and those who call it only waited for it until they failed"
)
UNKNOWN: Final = "I don't know what it was: nothing stands out enough to be named as the cause of it"
PROSE: Final = (
    "The service that is named above became slow before anybody else did, and what it waits for stayed as it always was. Those who "
    "call it waited longer, and some of their requests ran into their time limits, which is what the alert saw. A change came "
    "shortly before, and its own behaviour differs since. The logs speak of the same service, and of no other that would explain "
    "it. Against it speaks that its metrics moved less than its requests did. What is not known is whether the load changed as "
    "well, since its history is too short to compare with. Whoever looks next should see its slowest requests."
)
_AGENT = re.compile(r"^You speak for the (\w+) agent", re.MULTILINE)
_NAMED = re.compile(r"must name (\[s\d+\])")


class Call(Record):
    """One call, as it would be billed."""

    agent: str
    number: int
    seconds: float
    most: Tokens
    """By the bound that budgets are kept with."""
    likely: Tokens


@dataclass(slots=True)
class Speaker:
    """One investigation's model."""

    looks: int
    """Tools that each dialogue calls, at most two."""
    billed: bool
    """Whether it takes its time, under the name of a model that has a price."""
    calls: list[Call] = field(default_factory=list)
    _caches: tuple[PromptCache, PromptCache] = field(default_factory=lambda: (PromptCache(), PromptCache(likely)))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        """Another incident, of another night: nothing is left in the cache."""
        self.calls.clear()
        self._caches = PromptCache(), PromptCache(likely)

    def model(self) -> ScriptedModel:
        """The model."""
        return ScriptedModel(self, *PRICED) if self.billed else ScriptedModel(self)

    def __call__(self, request: Request) -> Line:
        """What is said to a request."""
        agent, number = agent_of(request), spoken(request)
        looks = LOOKS.get(agent, ())[: self.looks]
        line = Line(calls=((looks[number], {}),)) if number < len(looks) else Line(answer=elaborate(request))
        written = json.dumps(line.answer) if line.answer is not None else json.dumps([list(call) for call in line.calls])
        at = time.monotonic()
        most, probable = (cache.tokens(request, written, at) for cache in self._caches)
        seconds = FIRST_TOKEN_SECONDS + likely(written) / TOKENS_A_SECOND
        with self._lock:
            self.calls.append(Call(agent=agent, number=number, seconds=round(seconds, 3), most=most, likely=probable))
        return Line(calls=line.calls, answer=line.answer, seconds=seconds if self.billed else 0.0, tokens=most)


def agent_of(request: Request) -> str:
    """Whose dialogue it is."""
    assert request.answer is not None
    found = _AGENT.search("\n".join(turn.text for turn in request.turns))
    return found[1] if found else {"challenged": "challenger", "written": "writer"}[request.answer.name]


def elaborate(request: Request) -> dict[str, JsonValue]:
    """An answer as long as a model's that is asked for it: three claims, a reason for each vote, all the words of the prose."""
    said = mind(lambda _told: True).script(request).answer
    assert said is not None
    answer = dict(said)
    if "votes" in answer:
        votes = [dict(vote) for vote in answer["votes"] if isinstance(vote, dict)] if isinstance(answer["votes"], list) else []
        cited = [fact for vote in votes for fact in _list(vote["evidence"])][:2]
        answer["votes"] = [vote | {"reason": REASON} for vote in votes]
        if agent_of(request) != "challenger" and cited:
            answer["claims"] = [{"text": CLAIM, "evidence": list(cited)} for _ in range(3)]
    else:
        named = _NAMED.search("\n".join(turn.text for turn in request.turns))
        answer = {"sentence": f"{named[1]} {SENTENCE}." if named else f"{UNKNOWN}.", "prose": PROSE}
    return answer


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
