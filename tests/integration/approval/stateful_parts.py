"""What the stateful test of approvals knows of the world: people and seats, what may happen, and hands that ask before they act."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from redis import Redis

from middlewatch.records import ActionResult, Order
from middlewatch.records import RequestState as S
from tests.approval_data import POLICY_TEXT, FakeHands
from tests.integration.approval.working import KEYS

PEOPLE = {"mia": "member", "leo": "lead", "lea": "lead", "mara": "manager", "max": "manager"}
LEVEL = {"": -1, "member": 0, "lead": 1, "manager": 2}
ACTIONS = ("annotate", "nudge", "roll_back", "both", "drain")
SEATS = {"annotate": (), "nudge": ("member",), "roll_back": ("lead",), "both": ("lead", "manager"), "drain": ("manager",)}
"""Whom the policy of the tests asks for, one different person on each seat."""
WAITING = frozenset({S.PREPARING, S.PENDING, S.APPROVED})
LONG = 7200.0
"""Seconds after which every deadline and every approval is over."""

CHANGES = frozenset({"asked", "approved", "denied", "escalated", "expired", "proposed", "refused", "seconded", "superseded"})
"""What may happen to a request with a change of its record; beside what happens to its execution, its glass and its outcome."""


HAPPENS = st.sampled_from(["calm", "calm", "role", "role", "freeze", "halt", "lift", "rule", "entry", "target", "due", "epoch"])
MEDDLING = st.sampled_from(["nothing", "die", "halt", "deny"])


class Died(BaseException):
    """As a SIGKILL leaves it."""


@dataclass
class Known:
    """What the model knows of one request."""

    action: str
    proposer: str
    yes: set[str] = field(default_factory=set)
    """Who approved it."""
    asked_at: tuple[int, int, int] | None = None
    """The versions of target, entry and rule when people were asked."""
    smashed: bool = False
    stale: bool = False
    """Whether its time passed while it waited."""
    end: S | None = None


class Hands(FakeHands):
    """Asks the model before anything is done."""

    def __init__(self, ask: Callable[[Order], None]) -> None:
        super().__init__()
        self.ask = ask

    def run(self, order: Order) -> ActionResult:
        self.ask(order)
        return super().run(order)


class Meddling:
    """Passes calls on, and does something before or after one of them."""

    def __init__(self, of: object, meddle: Callable[[], None], at: Callable[[], bool], *, after: bool) -> None:
        self._of, self._meddle, self._at, self._after = of, meddle, at, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._of, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            now_ = self._at()
            if now_ and not self._after:
                self._meddle()
            answer = found(*args, **kwargs)
            if now_ and self._after:
                self._meddle()
            return answer

        return call


def is_approved(known: Known, roles: Mapping[str, str]) -> bool:
    """Whether those who approved it are enough, each on a seat of their own, and none of them its proposer."""
    alone = known.proposer == "max" and known.action == "nudge"
    people = [who for who in known.yes if who != known.proposer or alone]
    seats = SEATS[known.action]
    return any(
        all(LEVEL[roles[who]] >= LEVEL[seat] for who, seat in zip(chosen, seats, strict=True))
        for chosen in itertools.permutations(people, len(seats))
    )


def policy_text(roles: Mapping[str, str], version: int) -> str:
    """The policy of the tests with these roles; '' for somebody who is not active. Of another version every rule is another one."""
    text = POLICY_TEXT.replace("least_modalities = 0", f"least_modalities = 0\nlife_minutes = {5 + version / 64}")
    for who, role in roles.items():
        head, _, rest = text.partition(f"[principals.{who}]\n")
        before, _, after = rest.partition(f'role = "{PEOPLE[who]}"')
        given = f'role = "{role or PEOPLE[who]}"' + ("" if role else "\nactive = false")
        text = f"{head}[principals.{who}]\n{before}{given}{after}"
    if roles["mara"] != "manager":
        text = "\n".join(line for line in text.splitlines() if not line.startswith("break_glass"))
    return text


def is_change(kind: str, what: str) -> bool:
    """Whether an event stands for a change of a request's record."""
    of_execution, of_glass = kind == "execution" and what != "told", kind == "glass" and what != "refused"
    return (kind == "request" and what in CHANGES) or of_execution or of_glass or kind == "outcome"


def in_order(redis: Redis, names: Iterable[str], now_ms: float) -> None:
    """Let what is due be taken in the same order in every run, which milliseconds would not grant."""
    for n, name in enumerate(names, 1):
        if 1000 < (redis.zscore(KEYS.due, name) or 0) <= now_ms:
            redis.zadd(KEYS.due, {name: n}, xx=True)
