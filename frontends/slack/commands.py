"""`/middlewatch ...` in Slack. Whoever typed it sees the answer, alone; nothing that they typed is more than text."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from middlewatch import cards
from middlewatch.alerts import service_alert
from middlewatch.frontends import quantity
from middlewatch.frontends.slack.blocks import (
    SAY,
    Block,
    Element,
    Part,
    break_,
    entry,
    fit,
    items,
    link,
    notification,
    paragraph,
    words,
)
from middlewatch.frontends.slack.deliveries import Commanded
from middlewatch.frontends.slack.interactions import FACE, NOT_OURS, stranger
from middlewatch.frontends.slack.investigation_message import why
from middlewatch.frontends.slack.poster import Poster
from middlewatch.records import InvestigationState, Principal
from middlewatch.records.errors import BadInput, MiddlewatchError

if TYPE_CHECKING:
    from middlewatch.app import App

LOG = logging.getLogger(__name__)

HELP = (
    ("investigate SERVICE [METRIC]", "investigate a service that is degraded now; the answer is posted into the channel"),
    ("status", "what is being investigated, and what waits for a decision"),
    ("why [INVESTIGATION]", "who voted for and against what; of the newest investigation where none is named"),
    ("halt REASON", "stop every execution at once; nothing begins until a manager lifts it"),
    ("resume REASON", "lift the halt; takes a manager"),
)
_SHOWN = 10
_MOST_WORDS = 2
"""Of `investigate`: a service and a metric."""
Blocks = tuple[Block, ...]


class Commands:
    """What can be typed."""

    def __init__(self, app: App, poster: Poster) -> None:
        self._app = app
        self._poster = poster
        self._team = app.settings.slack_team or ""

    def answer(self, commanded: Commanded) -> dict[str, object]:
        """Do it; returns what whoever typed it is told."""
        try:
            blocks = self._do(commanded)
        except MiddlewatchError as error:
            remedy = [break_(), words(error.remedy)] if error.remedy else []
            blocks = (paragraph(words(error.message, bold=True), *remedy),)
        except Exception:  # a fault of ours: whoever typed it would else be shown a timeout by Slack
            LOG.exception("a command of %s was not dealt with", commanded.user_id)
            blocks = (paragraph(words("Something went wrong. The log of middlewatch says what.", bold=True)),)
        return {"response_type": "ephemeral", "text": notification(commanded.command), "blocks": list(blocks)}

    def _do(self, commanded: Commanded) -> Blocks:
        verb, *rest = commanded.text.split() or ["help"]
        match verb.lower():
            case "help":
                return _help(commanded.command)
            case "investigate":
                return self._investigate(self._known(commanded), rest)
            case "status":
                self._known(commanded)
                return self._status()
            case "why":
                self._known(commanded)
                return self._why(rest)
            case "halt" | "resume" as word:
                return self._halt(commanded, " ".join(rest), lift=word == "resume")
            case _:
                return (paragraph(words(f"There is no command {SAY.quoted(verb[:100])}.", bold=True)), *_help(commanded.command))

    def _known(self, commanded: Commanded) -> Principal:
        """Who typed it: what is investigated is for those whom policy names.

        Raises:
            Refused: policy does not know them.
        """
        identity = commanded.identity(self._team)
        found = self._app.approvals.recognise(identity) if identity else None
        return found or self._signed_in(commanded)

    def _signed_in(self, commanded: Commanded) -> Principal:
        identity = commanded.identity(self._team)
        found = self._app.approvals.identify(identity or NOT_OURS, face=FACE)
        if found is None:
            raise stranger(identity)
        return found

    def _investigate(self, principal: Principal, rest: list[str]) -> Blocks:
        if not 1 <= len(rest) <= _MOST_WORDS:
            raise BadInput("That takes a service, and perhaps a metric.", remedy="Such as: /middlewatch investigate checkout")
        now = datetime.now(UTC)
        alert = service_alert(self._app.settings.tenant, rest[0], rest[1] if rest[1:] else None, now, now, source=FACE)
        opened = self._app.investigate(alert)
        LOG.info("%s asked for %s", principal.id, opened.id)
        self._poster.wake(opened.id)
        return (
            paragraph(
                words(f"{opened.id} investigates {SAY.named(rest[0])}; the answer is posted into the channel. "),
                *self._link(opened.id),
            ),
        )

    def _status(self) -> Blocks:
        approvals = self._app.approvals
        parts = []
        halt = approvals.halted()
        if halt is not None:
            reason = f": {SAY.quoted(halt.reason)}" if halt.reason else ""
            parts.append(Part((entry("HALTED", f"by {SAY.named(halt.by)} since {quantity.stamp(halt.at)} UTC{reason}"),)))
        found = [one for one in self._app.investigations(limit=_SHOWN) if one.state is not InvestigationState.CANCELLED]
        lines: list[list[Element]] = [
            [
                words(f"{one.id} ", bold=True),
                words(one.headline.answer if one.headline else f"is under way: {one.alert.title}", most=250),
                words(" "),
                *self._link(one.id),
            ]
            for one in found
        ]
        parts.append(
            Part((paragraph(words("Investigations", bold=True)), items(lines))) if lines else _none("No investigation yet.")
        )
        waiting = [cards.line(one) for one in approvals.waiting()[:_SHOWN]]
        lines = [
            [
                words(f"{one.action} on {SAY.named(one.target)} ", bold=True, most=250),
                words(f"({one.tier}): {one.state}{f', asked: {one.asked}' if one.asked else ''}"),
            ]
            for one in waiting
        ]
        parts.append(
            Part((paragraph(words("Waiting", bold=True)), items(lines))) if lines else _none("Nothing waits for a decision.")
        )
        return fit(parts)

    def _why(self, rest: list[str]) -> Blocks:
        if len(rest) > 1:
            raise BadInput("That takes one investigation, or none for the newest.", remedy="See them with: /middlewatch status")
        newest = [one.id for one in self._app.investigations(limit=1)]
        if not rest and not newest:
            raise BadInput("There is no investigation yet.", remedy="Start one with: /middlewatch investigate SERVICE")
        snapshot = self._app.snapshot(rest[0] if rest else newest[0])
        return why(snapshot, url=self._url(snapshot.investigation.id))

    def _halt(self, commanded: Commanded, reason: str, *, lift: bool) -> Blocks:
        if not reason:
            word = "resume" if lift else "halt"
            raise BadInput("Say why.", remedy=f"Such as: /middlewatch {word} 'the wrong cluster is being changed'")
        principal = self._signed_in(commanded)
        if lift:
            self._app.approvals.lift(principal, reason, face=FACE)
        else:
            self._app.approvals.halt(principal, reason, face=FACE)
        self._poster.wake()
        told = "The halt is lifted." if lift else "Everything is halted: nothing begins until a manager lifts it."
        return (paragraph(words(told, bold=True)),)

    def _url(self, investigation: str) -> str:
        public = self._app.settings.public_url
        return f"{str(public).rstrip('/')}/investigations/{investigation}" if public else ""

    def _link(self, investigation: str) -> list[Element]:
        url = self._url(investigation)
        return [link(url, "open")] if url else []


def _help(command: str) -> Blocks:
    lines = [[words(f"{command} {name}", code=True, most=100), words(f" {text}")] for name, text in HELP]
    return (items(lines),)


def _none(text: str) -> Part:
    return Part((paragraph(words(text)),))
