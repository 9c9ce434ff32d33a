"""Where actions are done, out of the configuration: what would be sent there is a pure function of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from middlewatch.records import Record, Scalar, digest_of
from middlewatch.records.errors import Refused
from middlewatch.tools.actions.action import CONFIGURED, REQUEST, Step, segment
from middlewatch.tools.actions.credentials import FILE_NAME

CALL_SECONDS = 10.0
"""Time limit of one call unless the configuration has another; chosen, not derived. Interactive API calls end far below it."""

MOST_CALLS = 16
"""Calls of one execution at most, with the looks before it: ten pages of a full tracker, the repository, a workflow, the change."""
BEFORE_SECONDS = 60.0
"""From the beginning of an execution until its first look: the intent is signed and copied first. And for how long a network may
hold back a call that its sender gave up. Chosen, not derived: a copy may take 5 s, and few logs have more than two."""

PROTOCOL = 1
"""Version of the protocol of webhooks and supervisors (docs/actions.md)."""

CredentialName = Annotated[str, StringConstraints(pattern=FILE_NAME)]


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        message = "it must be an absolute path, so that it is the same wherever a command is started"
        raise ValueError(message)
    return path


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class Place(Record):
    """One target at one connection. Holds names of credentials, never a credential."""

    seconds: float = Field(default=CALL_SECONDS, gt=0, le=120, description="time limit of one call")

    @abstractmethod
    def steps(self, action: str, target: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar]) -> tuple[Step, ...]:
        """What the action sends, with stand-ins in `<>` for what is known only then."""

    @property
    def digest(self) -> str:
        """Changes with every setting that decides where a call goes and what it says."""
        return digest_of(type(self).__name__, self.model_dump(mode="json"))[:16]

    @property
    def acting_seconds(self) -> float:
        """How long after its beginning an execution here can still be under way; a second of each call is for hanging up."""
        return BEFORE_SECONDS + MOST_CALLS * (self.seconds + 1)


class ServerPlace(Place):
    """A place that is reached over HTTP with a credential."""

    url: str
    ca: AbsolutePath | None = None
    credential: CredentialName


class RemotePlace(Place):
    """What speaks middlewatch's own protocol: a webhook, or a supervisor of processes."""

    min_replicas: int
    max_replicas: int

    @property
    @abstractmethod
    def base(self) -> str:
        """Before the paths of the protocol."""

    def steps(self, action: str, target: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar]) -> tuple[Step, ...]:
        return (self.run_step(action, target, parameters, version),)

    def run_step(
        self, action: str, target: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar], request: str = REQUEST
    ) -> Step:
        """The call that changes something."""
        body: dict[str, JsonValue] = {
            **self._about(action, target, parameters),
            "version": {name: value for name, value in version.items() if name != CONFIGURED},
            "request": request,
        }
        return Step("POST", self.base, "/run", body)

    def inspect_step(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> Step:
        """The call that looks at the target."""
        return Step("POST", self.base, "/inspect", self._about(action, target, parameters))

    def status_step(self, request: str) -> Step:
        """The call that asks what became of a request."""
        return Step("GET", self.base, f"/requests/{segment(request)}")

    @staticmethod
    def _about(action: str, target: str, parameters: Mapping[str, Scalar]) -> dict[str, JsonValue]:
        return {"v": PROTOCOL, "action": action, "target": target, "parameters": dict(parameters)}


class WebhookPlace(RemotePlace, ServerPlace):
    """A server that takes signed calls."""

    @property
    def base(self) -> str:
        return self.url


class SupervisorPlace(RemotePlace):
    """A supervisor of processes on this machine. Who may speak to it is the mode of its socket."""

    socket: AbsolutePath

    @property
    def base(self) -> str:
        return f"unix:{self.socket}"


class CommandPlace(Place):
    """A fixed command of this machine, run by the executor without a shell."""

    command: tuple[str, ...] = Field(min_length=1)
    environment: dict[str, str] = Field(default_factory=dict)
    seconds: float = Field(default=300.0, gt=0, le=3600, description="time limit; then the command and its children are killed")

    @property
    def acting_seconds(self) -> float:
        return BEFORE_SECONDS + self.seconds

    def steps(self, action: str, target: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar]) -> tuple[Step, ...]:
        del action, target, parameters, version  # nothing of a request becomes part of a command
        return (
            Step("EXEC", "", "", {"command": list(self.command), "environment": dict(self.environment), "seconds": self.seconds}),
        )


class ArgoPlace(ServerPlace):
    """One application of an Argo CD server."""

    application: str

    @property
    def path(self) -> str:
        return f"/api/v1/applications/{segment(self.application)}"

    def steps(self, action: str, target: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar]) -> tuple[Step, ...]:
        del parameters
        return (self.step(action, target, version),)

    def step(self, action: str, target: str, version: Mapping[str, Scalar], request: str = REQUEST) -> Step:
        """The one call of an action."""
        del target
        if action == "rollback_deploy":
            body: dict[str, JsonValue] = {"name": self.application, "id": version.get("to", 0), "prune": False, "dryRun": False}
            return Step("POST", self.url, f"{self.path}/rollback", body)
        if action == "sync_application":
            infos: JsonValue = [{"name": "middlewatch.io/request", "value": request}]
            body = {"name": self.application, "revision": version.get("to", ""), "prune": False, "dryRun": False, "infos": infos}
            return Step("POST", self.url, f"{self.path}/sync", body)
        raise Refused(f"Argo CD does not do {action}.")


class GitHubPlace(ServerPlace):
    """One repository; a workflow of it where it stands for a runbook."""

    repository: str
    labels: tuple[str, ...] = ()
    workflow: str = ""
    ref: str = ""
    inputs: dict[str, str] = Field(default_factory=dict)

    @property
    def path(self) -> str:
        owner, _, name = self.repository.partition("/")
        return f"/repos/{segment(owner)}/{segment(name)}"

    def steps(self, action: str, target: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar]) -> tuple[Step, ...]:
        del version
        return (self.step(action, target, parameters),)

    def step(self, action: str, target: str, parameters: Mapping[str, Scalar], request: str = REQUEST) -> Step:
        """The one call of an action."""
        if action == "open_ticket":
            return Step("POST", self.url, f"{self.path}/issues", self._ticket(target, parameters, request))
        if not self.workflow:
            raise Refused(f"GitHub does not do {action}.")
        inputs: JsonValue = {**self.inputs, "middlewatch_request": request}
        return Step("POST", self.url, f"{self.workflow_path}/dispatches", {"ref": self.ref, "inputs": inputs})

    @property
    def workflow_path(self) -> str:
        return f"{self.path}/actions/workflows/{segment(self.workflow)}"

    def _ticket(self, target: str, parameters: Mapping[str, Scalar], request: str) -> dict[str, JsonValue]:
        investigation = parameters.get("investigation")
        asked = f"\n\n    middlewatch show {investigation}" if investigation else ""
        body = f"An incident was investigated and a person should look at it.{asked}\n\n{marker(request)}"
        return {"title": f"Incident: {target}", "body": body, "labels": list(self.labels)}


def marker(request: str) -> str:
    """What names a request in a ticket. A comment in Markdown, which readers do not see."""
    return f"<!-- middlewatch.io/request={request} -->"
