"""What people do in Slack: approve, deny, look closer. The gateway judges; what it refuses is said to whoever asked, alone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from middlewatch import cards
from middlewatch.frontends.slack.blocks import (
    ERROR_CHARACTERS,
    SAY,
    Block,
    Content,
    Part,
    break_,
    clip,
    fit,
    notification,
    paragraph,
    words,
)
from middlewatch.frontends.slack.deliveries import Clicked, Person, Submitted
from middlewatch.frontends.slack.poster import Poster
from middlewatch.frontends.slack.request_message import (
    APPROVE,
    APPROVE_IN_MODAL,
    DENY,
    LONGEST_REASON,
    REASON,
    VIEW,
    Subject,
    decision_modal,
    view_modal,
)
from middlewatch.frontends.slack.web_api import Slack, SlackDown, SlackRefused
from middlewatch.records import Decision, Principal, RequestState
from middlewatch.records.errors import AlreadyDecided, MiddlewatchError, Refused

if TYPE_CHECKING:
    from middlewatch.app import App

LOG = logging.getLogger(__name__)

FACE = "slack"
NOT_OURS = "slack:"
"""The identity of somebody of another workspace: policy knows nobody by it, and the log says that they were refused."""


class Interactions:
    """Clicks and modals."""

    def __init__(self, app: App, slack: Slack, poster: Poster) -> None:
        self._app = app
        self._slack = slack
        self._poster = poster
        self._team = app.settings.slack_team or ""

    def click(self, clicked: Clicked) -> None:
        """Do what a button says; whoever clicked is told where it is refused."""
        action = clicked.actions[0]
        act = {APPROVE: self._approve, APPROVE_IN_MODAL: self._ask_why, DENY: self._deny, VIEW: self._show}.get(action.action_id)
        if act is None:
            return
        try:
            act(clicked, Subject.parse(action.value))
        except MiddlewatchError as error:
            self._tell(clicked, told(error))
        except (SlackDown, SlackRefused) as problem:
            LOG.warning("a click of %s could not be answered: %s", clicked.user.id, problem)
        except Exception:  # a fault of ours: Slack has its answer already, so nobody else would tell whoever clicked
            LOG.exception("a click of %s was not dealt with", clicked.user.id)
            self._tell(clicked, _line("Something went wrong here. The message says what was decided; click again if nothing was."))

    def submit(self, submitted: Submitted) -> Block | None:
        """Approve with a reason; returns what the modal says against it, None where it closes."""
        reason = submitted.text(REASON)
        try:
            subject = Subject.parse(submitted.view.private_metadata)
            self._decide(submitted, subject, Decision.APPROVE, reason=reason[:LONGEST_REASON])
        except MiddlewatchError as error:
            return {"response_action": "errors", "errors": {REASON: clip(SAY.clean(str(error)), ERROR_CHARACTERS)}}
        return None

    def _approve(self, clicked: Clicked, subject: Subject) -> None:
        self._decide(clicked, subject, Decision.APPROVE)

    def _deny(self, clicked: Clicked, subject: Subject) -> None:
        self._decide(clicked, subject, Decision.DENY)

    def _decide(self, person: Person, subject: Subject, decision: Decision, *, reason: str = "") -> None:
        principal = self._signed_in(person)
        try:
            answer = self._app.approvals.decide(
                subject.request, decision, principal, digest=subject.digest, reason=reason, face=FACE
            )
        except Refused as refusal:
            request = self._app.approvals.show(subject.request, face=FACE)
            self._poster.wake(request.remediation.investigation)
            if request.digest != subject.digest and not isinstance(refusal, AlreadyDecided):
                raise Refused("It changed since you were shown it.", remedy="Look again.") from None
            raise refusal from None
        self._poster.wake(answer.request.remediation.investigation)

    def _ask_why(self, clicked: Clicked, subject: Subject) -> None:
        """Open the modal, for somebody who may approve; who may not is refused by the gateway at once."""
        principal = self._known(clicked)
        card = cards.card(self._app.approvals, subject.request, principal, face=FACE)
        modal = None
        if card.request.state is RequestState.PENDING and card.request.digest == subject.digest and not card.objection:
            modal = decision_modal(card)
            if modal is None:
                raise Refused("It is too long to be shown here whole.", remedy="Decide on the web page or with the command.")
        if modal is None:
            self._decide(clicked, subject, Decision.APPROVE)  # it is refused, with the reason, and that is written down
        else:
            self._slack.open_modal(clicked.trigger_id, modal)

    def _show(self, clicked: Clicked, subject: Subject) -> None:
        card = cards.card(self._app.approvals, subject.request, self._known(clicked), face=FACE)
        self._slack.open_modal(clicked.trigger_id, view_modal(card))

    def _signed_in(self, person: Person) -> Principal:
        """Who it is, once for each decision: signing in is an event.

        Raises:
            Refused: policy does not know them; the message says how they are added.
        """
        identity = person.identity(self._team)
        principal = self._app.approvals.identify(identity or NOT_OURS, face=FACE)
        if principal is None:
            raise stranger(identity)
        return principal

    def _known(self, person: Person) -> Principal:
        """Who it is, of somebody who only looks. That a stranger tried to is an event all the same."""
        identity = person.identity(self._team)
        principal = self._app.approvals.recognise(identity) if identity else None
        return principal or self._signed_in(person)

    def _tell(self, clicked: Clicked, content: Content) -> None:
        """Say something to whoever clicked, and to nobody else."""
        if clicked.channel is None:
            return
        thread = (clicked.message.thread_ts or "") if clicked.message else ""
        try:
            self._slack.tell(clicked.channel.id, clicked.user.id, content, thread=thread)
        except (SlackDown, SlackRefused) as problem:
            LOG.warning("%s could not be told: %s", clicked.user.id, problem)


def stranger(identity: str) -> Refused:
    """Why somebody whom policy does not know is refused, and what they can do."""
    if not identity:
        return Refused("You belong to another workspace than the one that is served here.", remedy="Ask somebody of this one.")
    account = identity.removeprefix("slack:")
    return Refused(
        f"Policy has nobody active with your Slack account, {account}.",
        remedy=f'Whoever keeps the policy can add you: slack = ["{account}"] below your [principals.NAME].',
    )


def told(error: MiddlewatchError) -> Content:
    """What went wrong, and what to do, for one person."""
    lines = [words(error.message, bold=True)] + ([break_(), words(error.remedy)] if error.remedy else [])
    return Content(notification(error.message), fit([Part((paragraph(*lines),))]))


def _line(text: str) -> Content:
    return Content(notification(text), (paragraph(words(text)),))
