"""Actions as the executor has them: with credentials and connections. Nothing else imports this module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from middlewatch.records import ActionResult, Inspection, Order, Result, Scalar, Undo
from middlewatch.records.errors import MiddlewatchError, Misconfigured
from middlewatch.tools.actions import github
from middlewatch.tools.actions.action import CONFIGURED, Executable
from middlewatch.tools.actions.argocd import ArgoAdapter
from middlewatch.tools.actions.catalogue import ActionCatalogue
from middlewatch.tools.actions.command import CommandAdapter, Journal
from middlewatch.tools.actions.configuration import Configuration
from middlewatch.tools.actions.credentials import Credentials
from middlewatch.tools.actions.entries import undo_of
from middlewatch.tools.actions.kubernetes import KubernetesAdapter
from middlewatch.tools.actions.kubernetes_place import DeploymentPlace
from middlewatch.tools.actions.places import ArgoPlace, CommandPlace, GitHubPlace, Place, ServerPlace, SupervisorPlace, WebhookPlace
from middlewatch.tools.actions.remote import RemoteAdapter
from middlewatch.tools.actions.signature import signer
from middlewatch.tools.actions.wire import NoAnswer, Wire, bearer, nobody

LastLook = Callable[[Order], None]
"""Raises where an order must not be carried out any more: it was given up, or everything was halted meanwhile."""


class Adapter(Protocol):
    """What speaks to one place. It raises only where it changed nothing, `NoAnswer` where it looks in vain or cannot tell.

    What it did, or may have done, it answers.
    """

    def inspect(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> Inspection:
        """Reads only."""
        ...

    def run(self, order: Order) -> ActionResult:
        """The version was just found to be the approved one; the call itself says so again where the other end can check it."""
        ...

    def probe(self, order: Order) -> ActionResult:
        """Reads only."""
        ...


@dataclass(frozen=True, slots=True)
class PlacedAction:
    """One action on one target: implements `Executable`, the same way for every adapter."""

    action: str
    target: str
    place: Place
    adapter: Adapter
    last_look: LastLook

    def inspect(self, parameters: Mapping[str, Scalar]) -> Inspection:
        """See `Executable`."""
        try:
            seen = self.adapter.inspect(self.action, self.target, parameters)
        except NoAnswer as error:
            if error.reply.later:
                raise
            return Inspection(problem=error.message)
        return seen.model_copy(update={"version": {**seen.version, CONFIGURED: self.place.digest}})

    def run(self, order: Order) -> ActionResult:
        """See `Executable`. What an earlier try did is found out first, then whether the target is still the approved one."""
        if self._moved(order):
            return _nothing_sent(MOVED)
        try:
            before = self.adapter.probe(order)
            if before.result is not Result.NOT_DONE:
                return before
            seen = self.inspect(order.parameters)
            why_not = seen.problem or _changed(order.version, seen.version)
            if why_not:
                return _nothing_sent(why_not)
            self.last_look(order)
            return self.adapter.run(order)
        except MiddlewatchError as error:
            return _nothing_sent(error.message)

    def probe(self, order: Order) -> ActionResult:
        """See `Executable`."""
        if self._moved(order):
            return ActionResult(result=Result.UNKNOWN, detail=f"Nobody can tell: {MOVED}")
        try:
            return self.adapter.probe(order)
        except MiddlewatchError as error:
            return ActionResult(result=Result.UNKNOWN, detail=error.message)

    def undo(self, order: Order) -> Undo | None:
        """See `Executable`."""
        return undo_of(order)

    def _moved(self, order: Order) -> bool:
        """Whether the order was for another place: this one knows nothing of it."""
        return order.version.get(CONFIGURED) != self.place.digest


MOVED = "the configuration of the target changed since it was approved."


def _nothing_sent(why: str) -> ActionResult:
    return ActionResult(result=Result.NOT_DONE, detail=f"Nothing was sent: {why}")


def _changed(approved: Mapping[str, Scalar], now: Mapping[str, Scalar]) -> str:
    """What of a version is not as it was approved; values of different types are different."""
    names = approved.keys() | now.keys()
    changed = sorted(n for n in names if (type(approved.get(n)), approved.get(n)) != (type(now.get(n)), now.get(n)))
    return f"the target's {', '.join(changed)} changed since it was approved." if changed else ""


class Actions:
    """Every action of the configuration, ready to be executed. Implements the gateway's `Hands`."""

    def __init__(
        self, configuration: Configuration, credentials: Credentials, journal: Path, last_look: LastLook = lambda _order: None
    ) -> None:
        """Nothing is opened before it is needed.

        Args:
            configuration: what can be done where.
            credentials: the executor's.
            journal: a folder of the executor's own, where it notes the beginnings and ends of local commands.
            last_look: asked right before the call that changes something.
        """
        self._catalogue = ActionCatalogue.of(configuration)
        self._credentials = credentials
        self._journal = journal
        self._last_look = last_look

    def of(self, action: str, target: str) -> Executable:
        """One action on one target.

        Raises:
            Refused: there is no such action, or the target does not offer it.
        """
        self._catalogue.spec(action)
        place = self._catalogue.configuration.place(action, target)
        return PlacedAction(action, target, place, self._adapter(place), self._last_look)

    def inspect(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> Inspection:
        """How the target is, and whether the action can be done. Reads only.

        Raises:
            Refused: the catalogue does not let it.
            Unavailable: the other end does not answer now.
        """
        checked = self._catalogue.checked(action, target, parameters)
        return self.of(action, target).inspect(checked)

    def run(self, order: Order) -> ActionResult:
        """Do it, at most once per order."""
        try:
            checked = self._catalogue.checked(order.action, order.target, order.parameters)
            if checked != order.parameters:
                raise Misconfigured("What was approved leaves a parameter open.")
            executable = self.of(order.action, order.target)
        except MiddlewatchError as error:
            return _nothing_sent(error.message)
        return executable.run(order)

    def probe(self, order: Order) -> ActionResult:
        """Whether it was done, and worked."""
        try:
            executable = self.of(order.action, order.target)
        except MiddlewatchError as error:
            return ActionResult(result=Result.UNKNOWN, detail=error.message)
        return executable.probe(order)

    def undo(self, order: Order) -> Undo | None:
        """What would take it back, if the target offers it."""
        undo = undo_of(order)
        return undo if undo is not None and undo.action in self._catalogue.offers(order.target) else None

    def acting_seconds(self, order: Order) -> float:
        """How long after its beginning whoever executes an order can still be acting.

        Raises:
            Refused: there is no such action, or the target does not offer it.
        """
        return self._catalogue.configuration.place(order.action, order.target).acting_seconds

    def _adapter(self, place: Place) -> Adapter:
        match place:
            case WebhookPlace():
                return RemoteAdapter(place, self._wire(place))
            case SupervisorPlace():
                wire = Wire("http://supervisor", seconds=place.seconds, signer=nobody, unix=place.socket)
                return RemoteAdapter(place, wire)
            case DeploymentPlace():
                return KubernetesAdapter(place, self._wire(place))
            case ArgoPlace():
                return ArgoAdapter(place, self._wire(place))
            case GitHubPlace():
                headers = {"Accept": github.ACCEPT, "X-GitHub-Api-Version": github.API_VERSION}
                return github.GitHubAdapter(place, self._wire(place, headers))
            case CommandPlace():
                return CommandAdapter(place, Journal(self._journal))
            case _:
                raise Misconfigured(f"Nothing executes what is done at a {type(place).__name__}.")

    def _wire(self, place: ServerPlace, headers: Mapping[str, str] | None = None) -> Wire:
        secret = partial(self._credentials.read, place.credential)
        shown = signer(secret) if isinstance(place, WebhookPlace) else bearer(secret, headers or {})
        return Wire(place.url, seconds=place.seconds, signer=shown, secret=secret, ca=place.ca)
