"""Invariant: no act is told as more than it was."""

from __future__ import annotations

from middlewatch.frontends.acts import act
from middlewatch.frontends.quotation import Quotation


def test_who_asks_to_cancel_is_not_said_to_have_cancelled() -> None:
    """It is written down before anything is stopped, and may close in between."""
    assert act("cancellation.asked", {}, Quotation()) == "asked to cancel it"
