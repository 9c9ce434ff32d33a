"""Answers that are kept for a moment, so that the agents of one investigation wait for one answer instead of asking twice.

The same for what is worked out from them: whoever needs another agent's analysis waits for it.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import pyarrow as pa

Rows = tuple[pa.Table, str]
"""The rows of an answer, and in words the bound that cut them short."""

KEPT_SECONDS: Final = 180.0
"""How long an answer is given again. Agents of one round ask within seconds of each other, or within minutes where the store is
large and the machine busy, and then it costs most to ask twice; whoever investigates again later wants to see what has arrived
since. Chosen, not derived."""
KEPT_BYTES: Final = 256 * 1024**2
"""All answers together; the least recently used goes first. The largest answers on 10 M spans take about 100 MB."""


T = TypeVar("T")


@dataclass(slots=True)
class _Kept(Generic[T]):
    answer: Future[T]
    until: float
    """By the monotonic clock; unlimited while the answer is under way."""
    size: int = 0


class Shared(Generic[T]):
    """Keeps answers by their question. Safe to share between threads; threads that ask the same wait for the first of them."""

    def __init__(
        self, *, seconds: float = KEPT_SECONDS, most_bytes: int = KEPT_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._clock = clock
        self._kept: OrderedDict[str, _Kept[T]] = OrderedDict()
        self._lock = threading.Lock()

    def size(self, answer: T) -> int:  # noqa: ARG002  for those whose answers are large
        """Bytes that an answer takes, as far as they count."""
        return 0

    def get(self, name: str, parameters: Mapping[str, object], ask: Callable[[], T]) -> T:
        """The answer to a question, asked now or a moment ago.

        Args:
            name: the statement.
            parameters: its parameters; whatever has another value is another question.
            ask: asks it. What it raises is raised in every thread that waits, and is not kept.
        """
        question = json.dumps((name, parameters), sort_keys=True)
        with self._lock:
            self._drop_old()
            known = self._kept.get(question)
            if known is None:
                own = self._kept[question] = _Kept[T](Future(), float("inf"))
            else:
                self._kept.move_to_end(question)
        if known is not None:
            return known.answer.result()
        try:
            answer = ask()
        except BaseException as error:  # an interrupt too: others wait for this answer and must hear that there is none
            with self._lock:
                self._kept.pop(question, None)
            own.answer.set_exception(error)
            raise
        with self._lock:
            own.until, own.size = self._clock() + self._seconds, self.size(answer)
            self._drop_old()
        own.answer.set_result(answer)
        return answer

    def _drop_old(self) -> None:
        """Forget what is too old, and of the rest the least recently used until the bound on bytes holds."""
        now = self._clock()
        for question in [question for question, kept in self._kept.items() if kept.until <= now]:
            del self._kept[question]
        held = sum(kept.size for kept in self._kept.values())
        for question in [question for question, kept in self._kept.items() if kept.size]:
            if held <= self._most_bytes:
                return
            held -= self._kept.pop(question).size


class Answers(Shared[Rows]):
    """Rows, which count with all their bytes."""

    def size(self, answer: Rows) -> int:
        return int(answer[0].nbytes)
