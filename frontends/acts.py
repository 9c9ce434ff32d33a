"""What was done, in words: the events of approvals, of people and of the halt, as timelines and live views tell them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from middlewatch.frontends.quotation import Quotation
from middlewatch.records import ORCHESTRATOR, POLICY

_ON = "{action} on {target}"
_ACTS = {
    "investigation.acknowledged": "acknowledged it",
    "investigation.assigned": "gave it to {to}",
    "severity.rated": "rated it {severity}",
    "severity.set": "set it to {severity}",
    "severity.refused": "was refused a change of its severity",
    "severity.paged": "told PagerDuty of it as {severity}: {said}",
    "severity.escalated": "told that nobody had acknowledged it in time, as {severity} asks",
    "feedback.given": "called the answer {verdict}",
    "request.proposed": f"proposed {_ON}",
    "request.asked": f"asked for a decision on {_ON}",
    "request.viewed": f"was shown {_ON}",
    "request.escalated": f"asked the next level about {_ON}",
    "request.seconded": f"approved {_ON}; it needs more approvals",
    "request.approved": f"approved {_ON}",
    "request.denied": f"denied {_ON}",
    "request.expired": f"let {_ON} expire",
    "request.superseded": f"made {_ON} void",
    "request.refused": f"found that {_ON} cannot be done",
    "request.again": "asked again for {instead_of}",
    "request.undo": "asked for what takes {undoes} back",
    "decision.refused": f"was refused a decision on {_ON}",
    "proposal.refused": f"was refused a proposal of {_ON}",
    "glass.broken": f"broke the glass for {_ON}",
    "glass.reviewed": f"reviewed the broken glass of {_ON}",
    "glass.refused": f"was refused the glass for {_ON}",
    "execution.held": f"holds {_ON} up",
    "execution.began": f"began {_ON}",
    "execution.succeeded": f"did {_ON}",
    "execution.failed": f"failed to do {_ON}",
    "execution.lost": f"lost sight of {_ON}",
    "execution.told": f"said what became of {_ON}",
    "execution.reconciled": f"found out what became of {_ON}",
    "outcome.recovered": f"saw the symptom go away after {_ON}",
    "outcome.not_recovered": f"saw that the symptom did NOT go away after {_ON}",
    "outcome.not_seen": f"could not see whether the symptom went away after {_ON}",
    "trust.lost": f"trusts {_ON} less, because it was undone",
    "trust.moved": "changed how far policy decides by itself on {target}",
    "trust.refused": "was refused more trust in {target}",
    "halt.set": "halted everything",
    "halt.lifted": "lifted the halt",
    "halt.refused": "was refused the halt",
    "halt.kept": "was refused lifting the halt",
    "cancellation.asked": "asked to cancel it",
    "cancellation.refused": "was refused to cancel it",
    "investigation.refused": "was refused a change of who has it",
    "feedback.refused": "was refused feedback",
    "principal.login": "signed in",
    "login.refused": "was not let in",
    "policy.changed": "is another one now",
    "policy.broken": "cannot be used: it has a mistake",
    "model.evaluated": "recorded an evaluation of a language model",
    "model.silenced": "took its weight from a language model",
    "model.refused": "was refused to say what a language model weighs",
    "audit.copy_failed": "could not copy a checkpoint",
    "audit.copy_resumed": "copies checkpoints again",
    "audit.key_replaced": "signs with another key from now on",
    "audit.text_forgotten": "deleted a text that was typed",
    "audit.forget_refused": "was refused to delete a text",
}
_NAMES = {ORCHESTRATOR: "middlewatch", POLICY: "policy"}


def act(kind: str, data: Mapping[str, JsonValue], say: Quotation, *, by: str = "") -> str:
    """What somebody did, as it follows their name; of a kind that is not known, its name.

    Args:
        kind: of an audit event, such as ``request.approved``.
        data: of the same.
        say: how foreign names are written.
        by: who did it, as the log has them.
    """
    if kind == "investigation.assigned" and by and data.get("to") == by:
        return "took it"
    known = {name: say.named(str(value)) for name, value in data.items() if isinstance(value, str | int)}
    known |= {"verdict": "partly right"} if data.get("verdict") == "partly" else {}
    return _ACTS[kind].format_map(_OrUnknown(known)) if kind in _ACTS else say.clean(kind)


def why(data: Mapping[str, JsonValue]) -> str:
    """The reason that middlewatch itself noted with it, one sentence; empty where it noted none."""
    found = data.get("why") or data.get("note") or ""
    return found if isinstance(found, str) else ""


def actor(name: str, say: Quotation) -> str:
    """Who did it: a person's id, or a part of middlewatch."""
    return _NAMES.get(name) or say.named(name.removeprefix("system:"))


class _OrUnknown(dict[str, str]):
    def __missing__(self, _key: str) -> str:
        return "something"
