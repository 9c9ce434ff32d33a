"""Trying again: what went wrong with one request, and how long to wait before the next."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from middlewatch.agents.language_model.seam import Obstacle
from middlewatch.records import CallOutcome

T = TypeVar("T")

MOST_ATTEMPTS = 4
"""Of one call. Chosen, not derived: what three waits do not mend, the rules answer sooner."""
MOST_REFUSED = 2
"""Of one call where nobody listens: that is answered at once, and half a second later it is seldom otherwise (chosen)."""
FIRST_PAUSE = 0.5
"""Seconds; each further one is twice as long, up to the longest."""
LONGEST_PAUSE = 8.0
HINT_JITTER = 0.25
"""Of a hint: so much later, at most, lest all who were told the same come back at once."""


class Trouble(Exception):
    """One request came to nothing."""

    most = MOST_ATTEMPTS
    """Requests of one call after which it is given up."""
    obstacle: Obstacle | None = None
    """What other calls would meet as well."""

    def __init__(
        self,
        message: str,
        outcome: CallOutcome,
        *,
        again: bool = False,
        hint: float | None = None,
        billed: bool = False,
        remedy: str = "",
    ) -> None:
        """What went wrong.

        Args:
            message: in words of ours.
            outcome: what the call comes to, should it be the last.
            again: whether the same request may succeed later.
            hint: seconds after which the server wants to be asked again; None where it says nothing.
            billed: whether a model may have worked for it.
            remedy: what the reader can do.
        """
        super().__init__(message)
        self.message, self.outcome, self.again, self.hint, self.billed, self.remedy = message, outcome, again, hint, billed, remedy


@dataclass(slots=True)
class Tally:
    """The requests of one call so far."""

    sent: int = 0
    doubtful: int = 0
    """Those that may have been billed though no answer came of them."""


def pause(attempt: int, hint: float | None, draw: float) -> float:
    """Seconds to wait after the n-th request that failed.

    Args:
        attempt: n, from 1 on.
        hint: what the server asks for.
        draw: from [0, 1), evenly.

    Returns:
        Exponential with full jitter over its upper half; never less than a hint, which says nothing of who else was told it.
    """
    least = 0.0 if hint is None else hint * (1 + HINT_JITTER * draw)
    return max(least, min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (attempt - 1)) * (1 + draw) / 2)


async def persist(
    attempt: Callable[[float], Awaitable[T]],
    tally: Tally,
    *,
    seconds: float,
    draw: Callable[[], float] = random.random,
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Send a request until it is answered, it is no use, it may have been billed, or the time does not allow for another.

    Args:
        attempt: sends it once, within the seconds that are left, and raises Trouble.
        tally: counts the requests.
        seconds: for all of it.
        draw: jitter from [0, 1).
        wait: between requests.
        clock: seconds, of any origin.

    Raises:
        Trouble: of the last request.
    """
    ends = clock() + seconds
    while True:
        tally.sent += 1
        tally.doubtful += 1  # until it is known what came of it: a time limit or a cancellation may end it here
        try:
            answer = await attempt(ends - clock())
        except Trouble as trouble:
            tally.doubtful -= not trouble.billed
            rest = pause(tally.sent, trouble.hint, draw())
            if not trouble.again or trouble.billed or tally.sent >= trouble.most or rest >= ends - clock():
                raise
            await wait(rest)
        else:
            tally.doubtful -= 1
            return answer
