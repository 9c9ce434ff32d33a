"""Language models in the work of this application: which is asked, with what budget, tools and placeholders, and by which tasks.

Without `models.toml` nothing of this is asked for. With it, whatever fails ends one dialogue and says why; the task is done.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from middlewatch.agents.agent import Agents
from middlewatch.agents.language_model.prices import Priced
from middlewatch.agents.language_model.seam import ModelFailure
from middlewatch.agents.language_model.veiled import VeiledModel
from middlewatch.agents.model_work import with_calls
from middlewatch.agents.reasoning.calling import Price, Reservation
from middlewatch.agents.reasoning.dialogue import Bounds
from middlewatch.agents.reasoning.reasoner import Mind, Pace, Reasoner
from middlewatch.agents.weights import Weights
from middlewatch.context_store.model_budgets import Exhausted, ModelBudgets, Spending
from middlewatch.context_store.model_budgets import Reservation as Reserved
from middlewatch.context_store.model_calls import ModelCalls
from middlewatch.context_store.placeholders import Placeholders
from middlewatch.context_store.script import Server
from middlewatch.model_tools import ModelTools
from middlewatch.models import Models, Opened
from middlewatch.records import CallOutcome, Claim, Completion, ModelCall, Report, Snapshot, TaskKind, Tokens
from middlewatch.records.errors import BadInput, LeaseLost, MiddlewatchError, Misconfigured, StaleEpoch, StoreFull, StoreUnavailable
from middlewatch.toolbox import Toolbox

if TYPE_CHECKING:
    from middlewatch.app import App

LOG = logging.getLogger(__name__)
MISCONFIGURED: Final = "cannot be asked with this configuration (middlewatch models check says why)"
T = TypeVar("T")


class Reasoning:
    """What language models do in the investigations of one tenant."""

    def __init__(
        self,
        models: Models,
        agents: Agents,
        server: Server,
        tenant: str,
        toolbox: Callable[[], Toolbox],
        weights: Callable[[str], Weights],
    ) -> None:
        """Prefer `App.reasoning`.

        Args:
            models: of the configuration.
            agents: who investigate.
            server: for budgets and placeholders.
            tenant: whose.
            toolbox: the read-only tools.
            weights: what models of a provider weigh now.
        """
        self.models = models
        self.instead: Opened | None = None
        """What is asked in place of the configured model: by an evaluation."""
        self._agents, self._server, self._tenant = agents, server, tenant
        self._toolbox, self._weights = toolbox, weights
        self.earlier: Callable[[str], Report | None] = lambda _: None
        """The report of the same incident before, of an investigation of one that comes back."""

    def asked(self) -> bool:
        """Whether investigations that are opened now ask a model. Of a file with mistakes each says that it could ask nobody."""
        try:
            return self.instead is not None or bool(self.models.declared().agents)
        except Misconfigured:
            return True

    def prepare(self) -> None:
        """Open the model that is configured: its package takes seconds to load, which no incident has to wait for.

        What is wrong with it the first investigation tells.
        """
        try:
            self.models.for_agents()
        except MiddlewatchError as error:
            LOG.warning("no language model can be asked: %s", error)

    def reason(self, snapshot: Snapshot, claim: Claim, cancelled: threading.Event) -> Completion:
        """An agent's dialogue."""
        return self._held(
            claim,
            lambda reasoner, mind: reasoner.reason(mind, snapshot, claim, cancelled),
            lambda reasoner, why: reasoner.unreasoned(claim, why),
        )

    def challenge(self, snapshot: Snapshot, claim: Claim, done: Completion, cancelled: threading.Event) -> Completion:
        """The challenger's, on top of what its phase hands in."""
        return self._held(
            claim,
            lambda reasoner, mind: reasoner.challenge(mind, snapshot, claim, done, cancelled),
            lambda reasoner, why: reasoner.unchallenged(done, why),
        )

    def write(self, snapshot: Snapshot, claim: Claim, report: Report, cancelled: threading.Event) -> Report:
        """The writer's, over the report. All calls of the investigation are in it, also those of whoever died over a task."""
        told = self._held(
            claim,
            lambda reasoner, mind: reasoner.write(mind, snapshot, claim, report, cancelled),
            lambda reasoner, why: reasoner.unwritten(report, why),
        )
        try:
            return with_calls(told, ModelCalls(self._server, self._tenant).of(claim.task.investigation))
        except StaleEpoch:
            raise
        except MiddlewatchError as error:  # nobody waits for a report because of its costs
            LOG.warning("calls of language models may be missing in a report: %s", error)
            return told

    def _held(self, claim: Claim, hold: Callable[[Reasoner, Mind | None], T], give_up: Callable[[Reasoner, str], T]) -> T:
        reasoner = Reasoner(self._agents, clock=lambda: datetime.now(UTC))
        try:
            opened = self.instead or self.models.for_agents()
            if opened is None:
                return hold(reasoner, None)
            budgets = opened.budgets
            bounds = Bounds(prompt_tokens=budgets.prompt_tokens, output_tokens=budgets.answer_tokens, seconds=budgets.seconds)
            reasoner = replace(reasoner, bounds=bounds, pace=Pace(seconds=budgets.seconds))
            return hold(reasoner, self._mind(opened, claim))
        except (LeaseLost, StaleEpoch, StoreUnavailable):
            raise  # of the task itself: somebody tries it again
        except (Misconfigured, BadInput) as error:
            LOG.info("no language model could be asked: %s", error)  # the report says it, and whoever works said it at the start
            return give_up(reasoner, MISCONFIGURED)
        except Exception as error:  # a fault of ours in what is only an addition: the answer does not wait for it
            LOG.exception("a dialogue with a language model failed")
            return give_up(reasoner, f"came to nothing by a fault of middlewatch ({type(error).__name__})")

    def _mind(self, opened: Opened, claim: Claim) -> Mind:
        placeholders = Placeholders.of(self._server, self._tenant, claim.task.investigation)
        budgets = ModelBudgets(self._server, self._tenant, opened.budgets.limits)
        priced = opened.price
        return Mind(
            model=VeiledModel(opened.model, placeholders),
            tools=ModelTools(self._toolbox, claim.task.investigation),
            veil=placeholders.veil,
            mark=placeholders.mark,
            account=_Account(budgets, claim.task.investigation, priced),
            price=Price(priced.price.dollars, priced.at) if priced else Price(),
            weights=self._weights(opened.model.provider),
            kept=self._keep,
            reach=opened.reach,
            earlier=self._before(claim),
            caches=priced is not None and priced.price.cached < priced.price.input,
        )

    def _keep(self, call: ModelCall) -> None:
        """What it came to, whatever becomes of its task. Nothing waits for a store that does not answer."""
        try:
            ModelCalls(self._server, self._tenant).keep(call)
        except MiddlewatchError as error:
            LOG.warning("a call of a language model is in no costs until its task is done: %s", error)

    def _before(self, claim: Claim) -> Report | None:
        """The report of the same incident before. An evaluation asks anew, and no fault of memory is one of the task."""
        if claim.task.kind is not TaskKind.REASON or self.instead is not None:
            return None
        try:
            return self.earlier(claim.task.investigation)
        except MiddlewatchError as error:
            LOG.warning("whether the incident was there before could not be seen: %s", error)
            return None


def reasoning_of(app: App) -> Reasoning:
    """That of an application."""
    settings, weights = app.settings, app.model_weights.weights
    made = Reasoning(Models(settings), app.specialists.agents, app.store.server, settings.tenant, lambda: app.toolbox, weights)
    made.earlier = lambda investigation: app.similar.again(app.snapshot(investigation), app.report)
    return made


@dataclass(frozen=True, slots=True)
class _Account:
    """The budget of one investigation."""

    budgets: ModelBudgets
    investigation: str
    price: Priced | None

    def reserve(self, tokens: Tokens) -> Reservation:
        """See `Account.reserve`. What is read may be kept in the provider's cache, too, or come from there: the dearest counts."""
        ways = (tokens, *(Tokens(**{how: tokens.input}, output=tokens.output) for how in ("cache_written", "cached")))
        dearest = max(map(self.spending, ways), key=_dollars)
        try:
            reserved = self.budgets.reserve(self.investigation, dearest)
        except StoreFull as error:
            raise ModelFailure(error.message.rstrip("."), CallOutcome.OVER_BUDGET, attempts=0) from error
        if isinstance(reserved, Exhausted):
            raise ModelFailure(reserved.words, CallOutcome.OVER_BUDGET, attempts=0)
        return _Reservation(self, reserved)

    def spending(self, tokens: Tokens) -> Spending:
        """What a call of so many tokens comes to."""
        dollars = self.price.price.dollars(tokens) if self.price else 0.0
        return Spending(calls=1, dollars=dollars, tokens=tokens.prompt + tokens.output)


@dataclass(frozen=True, slots=True)
class _Reservation:
    account: _Account
    reserved: Reserved

    def settle(self, tokens: Tokens) -> None:
        """See `Reservation.settle`. Where the store does not answer, it stays spent."""
        try:
            self.account.budgets.settle(self.reserved, self.account.spending(tokens))
        except MiddlewatchError as error:
            LOG.warning("what a call of a language model cost was not settled: %s", error)


def _dollars(spending: Spending) -> float:
    return spending.dollars
