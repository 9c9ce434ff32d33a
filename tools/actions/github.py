"""Tickets and workflows over the REST API of GitHub, as the executor has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from middlewatch.records import ActionResult, Inspection, Order, Result, Scalar
from middlewatch.tools.actions.action import Step
from middlewatch.tools.actions.places import GitHubPlace, marker
from middlewatch.tools.actions.wire import Answered, NoAnswer, Reply, Wire, in_vain
from middlewatch.tools.wording import quoted

ACCEPT = "application/vnd.github+json"
API_VERSION = "2022-11-28"
PAGE = 100
"""Items of a page; the most that the API gives."""
PAGES = 10
"""Pages of items that are younger than a request, until it is given up; chosen, not derived: few incidents see 1000 tickets."""
CLOCKS = timedelta(hours=1)
"""How far GitHub's clock and the store's may be apart; chosen, not derived: more is a fault, and an hour costs no further page."""
SETTLE_SECONDS = 15.0
"""How long a dispatched workflow is waited for before its run is listed; chosen, not derived. It takes a few seconds."""
PAUSE_SECONDS = 1.0


class Repository(Answered):
    """As much of it as is used."""

    id: int
    has_issues: bool = True
    archived: bool = False
    disabled: bool = False


class Made(Answered):
    """What GitHub lists with the newest first."""

    at: AwareDatetime = Field(alias="created_at", strict=False)


class Issue(Made):
    """A ticket."""

    number: int
    html_url: str = ""
    body: str | None = None


class Workflow(Answered):
    """A workflow of a repository."""

    id: int
    state: str


class Run(Made):
    """One run of a workflow."""

    status: str | None = None
    conclusion: str | None = None
    title: str = Field(default="", alias="display_title")
    html_url: str = ""


class Runs(Answered):
    """The newest runs of a workflow."""

    workflow_runs: list[Run]


_ISSUES = TypeAdapter(list[Issue])
_Made = TypeVar("_Made", bound=Made)


@dataclass(frozen=True, slots=True)
class GitHubAdapter:
    """A repository: implements `Adapter` for tickets and for runbooks that are workflows of it."""

    place: GitHubPlace
    wire: Wire
    pause: Callable[[float], None] = time.sleep

    def inspect(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> Inspection:
        """See `Adapter`."""
        del action, target, parameters
        repository = self._get(self.place.path).read(Repository)
        version: dict[str, Scalar] = {"repository": repository.id}
        problem = "The repository is archived." if repository.archived or repository.disabled else ""
        if not self.place.workflow:
            problem = problem or ("" if repository.has_issues else "The repository takes no issues.")
            return Inspection(version=version, problem=problem)
        workflow = self._get(self.place.workflow_path).read(Workflow)
        version["workflow"] = workflow.id
        if workflow.state != "active":
            problem = problem or f"The workflow is {quoted(workflow.state)}."
        return Inspection(version=version, problem=problem)

    def run(self, order: Order) -> ActionResult:
        """One call. A workflow's run is listed a few seconds later; it is waited for, so that a probe finds it."""
        reply = self.wire.call(self.place.step(order.action, order.target, order.parameters, order.digest))
        if reply.result is not Result.DONE:
            return reply.outcome
        if not self.place.workflow:
            try:
                return _opened(reply.read(Issue))
            except NoAnswer as error:
                return ActionResult(result=Result.UNKNOWN, detail=error.message)
        for _ in range(round(SETTLE_SECONDS / PAUSE_SECONDS)):
            try:
                if (run := self._run_of(order)) is not None:
                    return ActionResult(result=Result.DONE, detail="GitHub has begun it.", reference=run.html_url)
            except NoAnswer:
                break
            self.pause(PAUSE_SECONDS)
        return ActionResult(result=Result.DONE, detail="GitHub has taken it on.", reference=self.place.workflow)

    def probe(self, order: Order) -> ActionResult:
        """See `Adapter`: a ticket names its request in its body, a run in its title."""
        if not self.place.workflow:
            return self._ticket_of(order)
        run = self._run_of(order)
        if run is None:
            return ActionResult(result=Result.NOT_DONE, detail="No run of the workflow names the request.")
        if run.status != "completed":
            return ActionResult(result=Result.UNKNOWN, detail="The workflow runs.", reference=run.html_url)
        done = run.conclusion == "success"
        detail = f"The workflow ended with {quoted(run.conclusion or '')}."
        return ActionResult(result=Result.DONE if done else Result.NOT_DONE, detail=detail, reference=run.html_url)

    def _ticket_of(self, order: Order) -> ActionResult:
        path = f"{self.place.path}/issues?state=all&sort=created&direction=desc"
        issue = self._find(order, path, self._issues, lambda issue: marker(order.digest) in (issue.body or ""))
        return ActionResult(result=Result.NOT_DONE, detail="No ticket names the request.") if issue is None else _opened(issue)

    def _run_of(self, order: Order) -> Run | None:
        path = f"{self.place.workflow_path}/runs?event=workflow_dispatch"
        return self._find(order, path, lambda reply: reply.read(Runs).workflow_runs, lambda run: order.digest in run.title)

    def _find(
        self, order: Order, path: str, read: Callable[[Reply], Sequence[_Made]], ours: Callable[[_Made], bool]
    ) -> _Made | None:
        """What an order made, among all that is not older than its request: however much is, a tracker is never too full."""
        oldest = datetime.min.replace(tzinfo=UTC) if order.since is None else order.since - CLOCKS
        for page in range(1, PAGES + 1):
            items = read(self._get(f"{path}&per_page={PAGE}&page={page}"))
            if (found := next(filter(ours, items), None)) is not None:
                return found
            if len(items) < PAGE or items[-1].at < oldest:
                return None
        raise in_vain(f"None of the newest {PAGES * PAGE} names the request, and all are younger than it.")

    @staticmethod
    def _issues(reply: Reply) -> list[Issue]:
        if reply.result is not Result.DONE:
            raise NoAnswer(reply)
        try:
            return _ISSUES.validate_python(reply.body)
        except ValidationError:
            raise in_vain("The answer is not a list of tickets.") from None

    def _get(self, path: str) -> Reply:
        return self.wire.call(Step("GET", self.place.url, path))


def _opened(issue: Issue) -> ActionResult:
    return ActionResult(result=Result.DONE, detail=f"Ticket {issue.number} is open.", reference=issue.html_url[:500])
