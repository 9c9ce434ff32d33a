"""The signatures of scripts over what language models may spend and spent, and over the salt of their placeholders."""

from __future__ import annotations

from middlewatch.context_store.keys import BudgetKeys, CallKeys, SaltKeys
from middlewatch.context_store.script import Script


@Script
def reserve_budget(  # noqa: PLR0913  # what is asked for, and all that it is held against
    keys: BudgetKeys,
    *,
    reservation: str,
    estimate: list[int],
    most: list[int],
    day: list[int],
    at_midnight: int,
    window_ms: int,
    window_part: int,
    leave: int,
    kept_days: int,
    keep_ms: int,
) -> None:
    """``OK`` or ``SPENT, whose ('investigation', 'day' or 'share'), which amount, spent, limit``."""


@Script
def settle_budget(keys: BudgetKeys, *, reservation: str, actual: list[int]) -> None:
    """``OK, 1 if it stood``."""


@Script
def look_budget(keys: BudgetKeys) -> None:
    """``OK, what the investigation spent, what today has``."""


@Script
def keep_salt(keys: SaltKeys, *, salt: str, keep_ms: int) -> None:
    """``OK, the salt that was there, or this one``."""


@Script
def keep_call(keys: CallKeys, *, call: str, text: str, keep_ms: int) -> None:
    """``OK``."""


@Script
def read_calls(keys: CallKeys) -> None:
    """``OK, [the record of each call...]``."""
