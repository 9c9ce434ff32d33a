"""Posts what happens: each investigation has one message in the channel, which is edited as it goes, and a thread below it.

What a message shall say is made anew at every look, and compared with what it says: so edits are coalesced, none is lost, and a
restart goes on where another process stopped. Slack being away delays messages and nothing else.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from middlewatch import cards
from middlewatch.frontends.slack.blocks import Content, fit, notification
from middlewatch.frontends.slack.investigation_message import SEEN_BEFORE, Story, bare, handover_message, main_message
from middlewatch.frontends.slack.request_message import (
    asked_message,
    recovery_message,
    request_message,
    request_part,
    untold,
)
from middlewatch.frontends.slack.severity_message import alerts_line, mentions, severity_message, unanswered_message
from middlewatch.frontends.slack.web_api import CALL_SECONDS, Slack, SlackDown, SlackLimited, SlackRefused, advice
from middlewatch.postings import Thread
from middlewatch.records import (
    ApprovalRequest,
    Handling,
    Investigation,
    InvestigationState,
    Rating,
    Recovery,
    RequestState,
    digest_of,
)
from middlewatch.records.errors import MiddlewatchError, UnknownInvestigation
from middlewatch.watching import foreseen

if TYPE_CHECKING:
    from middlewatch.app import App

LOG = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""Between two looks: what another process decided is seen this late."""
IDLE_SECONDS = 1.0
"""Between two looks at whether it is our turn to post."""
TURN_SECONDS = 20.0
"""After which another process posts where the one that did says nothing: several calls' time (chosen, not derived)."""
EDIT_SECONDS = 1.0
"""Between two edits of a message, as Slack asks for."""
PROGRESS_SECONDS = 3.0
"""Between two edits that tell of progress alone: Slack allows some fifty edits a minute over all messages."""
LONGEST_PAUSE_SECONDS = 30.0
REFUSED_SECONDS = 30.0
LONGEST_REFUSED_SECONDS = 600.0
"""Before what Slack refuses is tried again: somebody may have invited the bot meanwhile."""
CLOCKS_DIFFER = timedelta(minutes=2)
"""By how much Slack's clock may be behind the store's."""
REQUESTS = 500
"""The newest, which messages tell of: ten for each investigation (chosen). One that is not among them would leave its message."""
WHOLE_SECONDS = 5.0
"""Between two looks at what changes without an event: freezes, deadlines, the policy (chosen, not derived)."""
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "is_inactive"})
_UNREADABLE = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"})
_UNDER_WAY = frozenset({RequestState.PREPARING, RequestState.PENDING, RequestState.APPROVED, RequestState.EXECUTING})
_MAIN = "main"


class _TurnLost(Exception):
    """Another process posts now."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message as it shall be."""

    name: str
    content: Content
    once: bool = False
    """Whether it tells of something that happened, and is not edited."""
    edit_seconds: float = EDIT_SECONDS

    @property
    def digest(self) -> str:
        return digest_of(self.content.text, self.content.blocks)


@dataclass(frozen=True, slots=True)
class Affair:
    """An investigation with all that its messages follow from."""

    investigation: Investigation
    requests: tuple[ApprovalRequest, ...]
    handling: Handling
    halted: bool
    rating: Rating | None
    alerts: int

    @property
    def moves(self) -> bool:
        """Whether the agents' progress changes, which is not compared."""
        return self.investigation.state is InvestigationState.OPEN

    @property
    def waits(self) -> bool:
        """Whether freezes, deadlines and policy matter, which are not compared either."""
        return any(one.state in _UNDER_WAY for one in self.requests)


@dataclass
class _Waits:
    """What is not done yet, by the clock of this process."""

    pause: float = 0.0
    """Length of the pause while Slack is away; 0 while it answers."""
    until: float = 0.0
    edits: dict[tuple[str, str], float] = field(default_factory=dict)
    """When a message was written last."""
    refused: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By investigation: from when on it is tried again, and how long the wait after that is."""


class Poster:
    """One process's part in posting. Any number may run; one posts."""

    def __init__(self, app: App, slack: Slack, channel: str) -> None:
        self._app = app
        self._slack = slack
        self._channel = channel
        self._holder = f"slack-{uuid4().hex[:12]}"
        self._turn_until = -math.inf
        self._bot = ""
        self._woken = threading.Event()
        self._first: set[str] = set()
        self._told: dict[str, Affair] = {}
        """What was brought up to date, and does not move by itself."""
        self._stories: dict[str, Story] = {}
        """Of those that are closed."""
        self._requests: dict[str, list[ApprovalRequest]] = {}
        self._mark = -1
        self._whole_at = -math.inf
        self._waits = _Waits()

    def wake(self, investigation: str = "") -> None:
        """Something changed: look now, and at this one first."""
        if investigation:
            self._first.add(investigation)
        self._woken.set()

    def run(self, stop: threading.Event) -> None:
        """Post until told to stop; whoever stops it wakes it."""
        while not stop.is_set():
            self._woken.wait(self.look())
            self._woken.clear()
        if self._turn_until > time.monotonic():
            try:
                self._app.postings.give_turn(self._holder)
            except MiddlewatchError as error:
                LOG.warning("others post after a while: %s", error)

    def look(self) -> float:
        """Bring everything up to date, as far as Slack takes it; returns seconds until something is to be done."""
        try:
            left = self._waits.until - time.monotonic()
            return left if left > 0 else self._look()
        except _TurnLost:
            return IDLE_SECONDS
        except SlackLimited as limit:
            return self._pause(limit.seconds, limit)
        except SlackDown as problem:
            return self._pause(min(LONGEST_PAUSE_SECONDS, 2 * self._waits.pause or 1.0), problem)
        except MiddlewatchError as error:
            return self._pause(min(LONGEST_PAUSE_SECONDS, 2 * self._waits.pause or 1.0), error)
        except Exception:  # whatever is wrong with one message, the next look may do better
            LOG.exception("Slack is not written to")
            return self._pause(LONGEST_PAUSE_SECONDS, None)

    def _pause(self, seconds: float, problem: Exception | None) -> float:
        if problem is not None and not self._waits.pause:
            LOG.warning("messages in Slack are late: %s", problem)
        self._waits.pause = seconds
        self._waits.until = time.monotonic() + seconds
        return seconds

    def _look(self) -> float:
        if not self._hold_turn(TURN_SECONDS / 2):
            self._first.clear()  # whoever posts sees it by itself
            return IDLE_SECONDS
        affairs, threads, first = self._affairs()
        wait, others = LOOK_SECONDS, 0
        for affair in affairs:
            id_ = affair.investigation.id
            if self._told.get(id_) == affair or self._waits.refused.get(id_, (0.0, 0.0))[0] > time.monotonic():
                continue
            if self._first and others:  # somebody decided something meanwhile: that goes before the rest
                return 0.0
            others += id_ not in first
            try:
                left = self._bring_up_to_date(affair, threads.get(id_))
            except SlackRefused as problem:
                self._refused(id_, problem)
                continue
            self._waits.refused.pop(id_, None)
            wait = min(wait, left or wait)
            if not left and not affair.moves:
                self._told[id_] = affair
        self._waits.pause = 0.0
        return wait

    def _affairs(self) -> tuple[list[Affair], dict[str, Thread], set[str]]:
        """What may have messages: those that somebody just decided something about, which are named apart, then the newest."""
        app, now = self._app, time.monotonic()
        first, self._first = self._first, set()
        if now >= self._whole_at:
            self._whole_at, self._mark = now + WHOLE_SECONDS, -1
            self._told = {id_: affair for id_, affair in self._told.items() if not affair.waits}
        mark = app.postings.mark()
        if mark != self._mark:
            self._requests = defaultdict(list)
            for request in reversed(app.approvals.current(limit=REQUESTS)):
                self._requests[request.remediation.investigation].append(request)
        found = {one.id: one for one in app.postings.investigations()}
        threads = app.postings.threads([*dict.fromkeys([*found, *self._requests])])
        for id_ in (id_ for id_ in threads if id_ not in found):
            try:
                found[id_] = app.investigation(id_)
            except UnknownInvestigation:
                continue
        handlings = app.handlings.of_all([*found])
        halted, ratings = app.approvals.halted() is not None, app.alerting.ratings.of_all([*found])
        alerts = app.occurrences.counts([*found])
        self._mark = mark
        self._told = {id_: affair for id_, affair in self._told.items() if id_ in found}
        self._stories = {id_: story for id_, story in self._stories.items() if id_ in found}
        self._waits.edits = {place: at for place, at in self._waits.edits.items() if place[0] in found}
        order = sorted(found, key=lambda id_: id_ not in first)
        affairs = [
            Affair(found[id_], tuple(self._requests.get(id_, ())), handlings[id_], halted, ratings[id_], alerts[id_])
            for id_ in order
        ]
        return affairs, threads, first

    def _bring_up_to_date(self, affair: Affair, thread: Thread | None) -> float:
        """Post and edit; returns seconds until the rest may be edited, 0 where nothing is left."""
        id_, channel = affair.investigation.id, thread.channel if thread else self._channel
        messages = dict(thread.messages) if thread else {}
        parent, left = "", 0.0
        for wanted in self._wanted(affair):
            kept = messages.get(wanted.name)
            ts = kept.id if kept else ""
            if not ts:
                since = kept.reserved_at if kept else None
                ts, shown = self._post(id_, channel, wanted, parent, looked_for=since is not None)
            else:
                shown = kept.shown if kept else ""
            if wanted.name == _MAIN:
                parent = ts
            if not wanted.once and shown != wanted.digest:
                left = max(left, self._edit(id_, channel, ts, wanted))
        return left

    def _post(self, id_: str, channel: str, wanted: Wanted, parent: str, *, looked_for: bool) -> tuple[str, str]:
        """Post a message, unless somebody who died over it did; returns what Slack calls it, and the digest of what it says."""
        app, name = self._app, f"{id_}/{wanted.name}"
        fresh = app.postings.reserve(id_, channel, wanted.name)
        ts = shown = ""
        if looked_for or not fresh:
            reserved = app.postings.threads([id_])[id_].messages[wanted.name].reserved_at
            self._bot = self._bot or self._slack.whoami()[1]
            ts = self._slack.find(channel, name, bot=self._bot, since=reserved - CLOCKS_DIFFER, thread=parent)
        if not ts:
            if not self._hold_turn(CALL_SECONDS + 1):
                raise _TurnLost
            try:
                ts = self._slack.post(channel, wanted.content, name=name, thread=parent)
            except SlackRefused as problem:
                if problem.error not in _UNREADABLE:
                    raise
                LOG.warning("the message %s cannot say what it should: %s", name, problem)
                ts = self._slack.post(channel, bare(wanted.content), name=name, thread=parent)
            shown = wanted.digest
            self._waits.edits[id_, wanted.name] = time.monotonic()
        held = app.postings.posted(id_, wanted.name, ts, shown)
        if held != ts:  # this process was away for so long that another one took its turn, and both posted
            self._slack.delete(channel, ts)
            raise _TurnLost
        return ts, shown

    def _edit(self, id_: str, channel: str, ts: str, wanted: Wanted) -> float:
        """Edit a message; returns how long that has to wait, 0 where it was done."""
        now, place = time.monotonic(), (id_, wanted.name)
        left = self._waits.edits.get(place, -math.inf) + wanted.edit_seconds - now
        if left > 0:
            return left
        if not self._hold_turn(CALL_SECONDS + 1):
            raise _TurnLost
        try:
            self._slack.edit(channel, ts, wanted.content)
        except SlackRefused as problem:
            if problem.error in _UNREADABLE:
                self._slack.edit(channel, ts, bare(wanted.content))
            elif problem.error not in _GONE:
                raise
            LOG.warning("the message %s of %s cannot say what it should: %s", wanted.name, id_, problem)
        self._waits.edits[place] = now
        self._app.postings.shown(id_, wanted.name, wanted.digest)
        return 0.0

    def _wanted(self, affair: Affair) -> Iterator[Wanted]:
        """All messages of an investigation, the one that stands above the others first."""
        app, id_ = self._app, affair.investigation.id
        public = str(app.settings.public_url).rstrip("/") if app.settings.public_url else ""
        url = f"{public}/investigations/{id_}" if public else ""
        story = self._story(affair.investigation, url)
        parts, messages = [], []
        for request in affair.requests:
            try:
                card = cards.look(app.approvals, request.id)
                card = card.model_copy(update={"request": foreseen(card.request, affair.investigation)})
                page = f"{public}/approvals/{request.id}" if public else ""
                parts.append(request_part(card, brief=True, url=page))
                messages.append(Wanted(request.id, request_message(card, url=page)))
                messages += self._escalations(card)
                recovery = request.execution.recovery if request.execution else None
                if recovery not in {None, Recovery.WATCHING}:
                    messages.append(Wanted(f"{request.id}/recovery", recovery_message(card), once=True))
            except MiddlewatchError as error:
                if error.retryable:
                    raise
                parts.append(untold(request, error.message))
                messages.append(Wanted(request.id, Content(notification(request.id), fit([parts[-1]]))))
        progress = affair.investigation.state is InvestigationState.OPEN and not affair.requests
        rating = affair.rating
        called = rating is not None and app.alerting.ratings.calls_for(affair.investigation, rating)
        told = alerts_line(rating, affair.alerts, called=called)
        main = main_message(story, id_, parts, affair.handling, told=told, url=url)
        yield Wanted(_MAIN, main, edit_seconds=PROGRESS_SECONDS if progress else EDIT_SECONDS)
        if story.details is not None:
            yield Wanted("details", story.details)
        yield from messages
        if rating is not None and called:
            yield from self._severity(rating)
        for number, handover in enumerate(affair.handling.handovers, 1):
            if handover.note or handover.by != handover.to:
                yield Wanted(f"handover-{number}", handover_message(handover), once=True)

    def _escalations(self, card: cards.Card) -> Iterator[Wanted]:
        if card.request.state is not RequestState.PENDING:
            return
        team = f"{self._app.settings.slack_team}/"
        identities = self._app.approvals.identities("slack")
        people = {
            person: tuple(one.removeprefix(team) for one in known if one.startswith(team)) for person, known in identities.items()
        }
        for number, step in enumerate(card.asked):
            if number and step.done:
                yield Wanted(f"{card.request.id}/asked-{number}", asked_message(card, number, people), once=True)

    def _severity(self, rating: Rating) -> Iterator[Wanted]:
        """Who is to be told of an incident that is so severe, once of each severity; and that nobody answered, each time."""
        tell = [one for one in self._app.service_catalogue.tell(rating.severity) if one.startswith("slack")]
        told = mentions(tell)
        if tell:
            yield Wanted(f"told-{rating.severity}", severity_message(rating, told), once=True)
        if rating.escalated_at is not None:
            yield Wanted(f"unanswered-{rating.escalated_at:%Y%m%dT%H%M%S}", unanswered_message(rating, told), once=True)

    def _story(self, investigation: Investigation, url: str) -> Story:
        if investigation.id in self._stories:
            return self._stories[investigation.id]
        snapshot = self._app.snapshot(investigation.id)
        before = self._app.similar.to(snapshot, limit=SEEN_BEFORE).earlier if snapshot.report is not None else ()
        story = Story.of(snapshot, url=url, before=before)
        if snapshot.investigation.state is not InvestigationState.OPEN:
            self._stories[investigation.id] = story
        return story

    def _hold_turn(self, seconds: float) -> bool:
        """Whether it is ours to post for so long from now on; it is prolonged where it is not."""
        now = time.monotonic()
        if self._turn_until - now >= seconds:
            return True
        held = self._app.postings.take_turn(self._holder, TURN_SECONDS)
        self._turn_until = now + TURN_SECONDS if held else -math.inf
        return held

    def _refused(self, id_: str, problem: SlackRefused) -> None:
        seconds = self._waits.refused.get(id_, (0.0, REFUSED_SECONDS))[1]
        told = f"{problem}. {advice(problem)}".rstrip()
        LOG.warning("Slack does not take the messages of %s, it is tried again after %g s: %s", id_, seconds, told)
        self._waits.refused[id_] = (time.monotonic() + seconds, min(LONGEST_REFUSED_SECONDS, 2 * seconds))
