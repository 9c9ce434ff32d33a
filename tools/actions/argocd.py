"""Applications over the REST API of Argo CD, as the executor has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field, JsonValue

from middlewatch.records import ActionResult, Inspection, Order, Result, Scalar
from middlewatch.tools.actions.action import Step
from middlewatch.tools.actions.places import ArgoPlace
from middlewatch.tools.actions.wire import Answered, Wire, in_vain
from middlewatch.tools.wording import quoted


class SyncOperation(Answered):
    """What is brought about."""

    revision: str = ""


class Operation(Answered):
    """A sync or a rollback, as it was asked for."""

    sync: SyncOperation = Field(default_factory=SyncOperation)


class OperationState(Answered):
    """The last operation that was begun, and how far it is."""

    phase: str = ""
    message: str = ""
    started: str = Field(default="", alias="startedAt")
    operation: Operation = Field(default_factory=Operation)


class Deployed(Answered):
    """One entry of an application's history."""

    id: int
    revision: str = ""


class Compared(Answered):
    """How the application differs from what is declared."""

    status: str = ""
    revision: str = ""


class Health(Answered):
    """How the application is."""

    status: str = ""


class ApplicationStatus(Answered):
    """What an application is."""

    sync: Compared = Field(default_factory=Compared)
    health: Health = Field(default_factory=Health)
    history: list[Deployed] = Field(default_factory=list)
    last: OperationState = Field(default_factory=OperationState, alias="operationState")


class SyncPolicy(Answered):
    """Whether it syncs by itself: `automated` is there, and not switched off."""

    automated: dict[str, JsonValue] | None = None

    @property
    def by_itself(self) -> bool:
        return self.automated is not None and self.automated.get("enabled") is not False


class ApplicationSpec(Answered):
    """What an application should be."""

    policy: SyncPolicy = Field(default_factory=SyncPolicy, alias="syncPolicy")


class ApplicationMetadata(Answered):
    """Which application it is."""

    name: str
    uid: str


class Application(Answered):
    """As much of it as is used."""

    metadata: ApplicationMetadata
    spec: ApplicationSpec
    status: ApplicationStatus = Field(default_factory=ApplicationStatus)
    operation: Operation | None = Field(default=None, description="asked for and not begun yet")

    @property
    def latest(self) -> Deployed:
        """The newest entry of the history; an entry 0 where there is none."""
        return max(self.status.history, key=lambda entry: entry.id, default=Deployed(id=0))

    @property
    def earlier(self) -> Deployed | None:
        """The newest entry of another revision than the latest one."""
        others = [entry for entry in self.status.history if entry.revision != self.latest.revision]
        return max((entry for entry in others if entry.revision), key=lambda entry: entry.id, default=None)


@dataclass(frozen=True, slots=True)
class ArgoAdapter:
    """One application: implements `Adapter`."""

    place: ArgoPlace
    wire: Wire

    def inspect(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> Inspection:
        """See `Adapter`."""
        del target, parameters
        application = self._application()
        status = application.status
        version: dict[str, Scalar] = {
            "uid": application.metadata.uid,
            "history": application.latest.id,
            "revision": application.latest.revision,
            "operation": status.last.started,
        }
        notes: tuple[str, ...] = (f"Its health is {quoted(status.health.status)} and it is {quoted(status.sync.status)}.",)
        problem = "It syncs by itself, so Argo CD refuses this." if application.spec.policy.by_itself else ""
        if application.operation is not None or status.last.phase == "Running":
            problem = problem or "Another operation is under way."
        if action == "sync_application":
            version |= {"to": status.sync.revision, "state": status.sync.status}
            if status.sync.status == "Synced":
                problem = problem or "It does not differ from its declared state."
            if not status.sync.revision:
                problem = problem or "Argo CD does not name one revision to bring it to."
        elif (earlier := application.earlier) is None:
            problem = problem or "There is no earlier revision to go back to."
        else:
            version |= {"to": earlier.id, "to_revision": earlier.revision}
            notes = (f"It goes from revision {quoted(application.latest.revision)} to {quoted(earlier.revision)}.", *notes)
        return Inspection(version=version, problem=problem, notes=notes)

    def run(self, order: Order) -> ActionResult:
        """One call. Argo CD refuses it where another operation is under way."""
        reply = self.wire.call(self.place.step(order.action, order.target, order.version, order.digest))
        if reply.result is not Result.DONE:
            return reply.outcome
        return ActionResult(result=Result.DONE, detail="Argo CD has taken it on.", reference=self.place.path)

    def probe(self, order: Order) -> ActionResult:
        """See `Adapter`: an operation that began since then, to the approved revision, is this one."""
        application = self._application()
        wanted = order.version.get("to_revision" if order.action == "rollback_deploy" else "to")
        last, before = application.status.last, order.version.get("operation")
        if application.operation is not None:
            if application.operation.sync.revision != wanted:
                raise in_vain("Another operation is asked for.")
            return ActionResult(result=Result.UNKNOWN, detail="It was asked for and not begun yet.")
        if last.started == before:
            return ActionResult(result=Result.NOT_DONE, detail="No operation began since then.")
        if last.operation.sync.revision != wanted:
            raise in_vain("The last operation is another one.")
        if last.phase == "Succeeded":
            health = application.status.health.status
            detail, reference = f"It was synced; its health is {quoted(health)}.", last.operation.sync.revision
            return ActionResult(result=Result.DONE, detail=detail, reference=reference)
        if last.phase in {"Failed", "Error"}:
            return ActionResult(result=Result.NOT_DONE, detail=f"Argo CD says {quoted(last.message or last.phase)}.")
        return ActionResult(result=Result.UNKNOWN, detail="It is under way.")

    def _application(self) -> Application:
        found = self.wire.call(Step("GET", self.place.url, self.place.path)).read(Application)
        if found.metadata.name != self.place.application:
            raise in_vain("The answer is about another application.")
        return found
