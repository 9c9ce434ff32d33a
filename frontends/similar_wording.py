"""How every front end tells of an earlier investigation that is like one: in what, what came of it, and what fixed it."""

from __future__ import annotations

from collections.abc import Iterator

from middlewatch.frontends import quantity
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.reading import count
from middlewatch.frontends.wording import RECOVERY_WORDS
from middlewatch.records import Outcome
from middlewatch.similar import Earlier, Precedents, Tried

_SAY = Quotation()


def head(precedents: Precedents) -> str:
    """How often the same alarm was there, and among how many it was looked for."""
    compared = count(precedents.looked_at, "earlier investigation")
    return f"the same alarm {count(precedents.seen, 'time')} in the 30 days before; {compared} compared"


def answer(one: Earlier, say: Quotation = _SAY) -> str:
    """What it found, and how sure that was."""
    if one.headline.outcome is Outcome.FINDING:
        wrong = "; that was WRONG" if one.wrong else ""
        return f"{say.clean(one.headline.answer)} ({quantity.percent(one.headline.confidence)} sure{wrong})"
    return f"No finding: {say.clean(one.headline.answer)}"


def alike(one: Earlier, say: Quotation = _SAY) -> str:
    """How much it is alike, and in what."""
    return f"{quantity.percent(one.likeness)} alike: {'; '.join(map(say.clean, one.shared))}"


def fixed(one: Earlier, say: Quotation = _SAY) -> str:
    """What fixed it, as far as that is known."""
    if one.fixed_by is not None:
        return f"fixed by {action(one.fixed_by, say)}"
    causes = [said for said in one.feedback if said.cause]
    if causes:
        last = max(causes, key=lambda said: said.at)
        return f"what fixed it is not known; the cause was {say.quoted(last.cause)}, says {say.named(last.by)}"
    return "what fixed it is not known"


def others(one: Earlier, say: Quotation = _SAY) -> Iterator[str]:
    """What else was done and said."""
    for tried in one.tried:
        if tried != one.fixed_by:
            yield f"tried: {action(tried, say)}"
    for said in one.feedback:
        cause = f"; the cause was {say.quoted(said.cause)}" if said.cause else ""
        yield f"{said.verdict}, says {say.named(said.by)}{cause}"


def action(tried: Tried, say: Quotation = _SAY) -> str:
    """An action, and what became of it."""
    effect = f", {RECOVERY_WORDS[tried.recovery]}" if tried.recovery else ""
    return f"{tried.action.replace('_', ' ')} on {say.named(tried.target)} ({tried.state.replace('_', ' ')}{effect})"
