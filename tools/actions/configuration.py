"""`actions.toml`: what can be done to which target, and where. Read whole and checked whole; it holds no credential, only names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from middlewatch.records import CauseKind, Record, RiskTier
from middlewatch.records.errors import Refused
from middlewatch.records.loopback import is_loopback
from middlewatch.records.toml_document import load_checked
from middlewatch.tools.actions.entries import BUILT_IN, RUNBOOK_PREFIX
from middlewatch.tools.actions.kubernetes_place import DeploymentPlace
from middlewatch.tools.actions.places import (
    CALL_SECONDS,
    AbsolutePath,
    ArgoPlace,
    CommandPlace,
    CredentialName,
    GitHubPlace,
    Place,
    SupervisorPlace,
    WebhookPlace,
)
from middlewatch.tools.wording import quoted

DnsName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$")]
"""A name of Kubernetes and of Argo CD (RFC 1123)."""
RunbookName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,57}$")]
ShownText = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")]
"""One line, in words."""


def _safe_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        message = "it must be http(s)://host[:port][/path], without a query"
        raise ValueError(message)
    if "@" in parts.netloc:
        message = "a credential does not belong into a URL; name a file of the credentials folder"
        raise ValueError(message)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        message = "a credential is sent there, so it must be https unless the host is this machine"
        raise ValueError(message)
    if not url.isascii() or not url.isprintable() or " " in url or "/." in parts.path or "%" in url or "\\" in url:
        message = "it must be plain: no spaces, percent signs, backslashes or dot segments"
        raise ValueError(message)
    return url.rstrip("/")


Url = Annotated[str, AfterValidator(_safe_url)]


class Connection(Record):
    """How a server is reached."""

    seconds: float = Field(default=CALL_SECONDS, gt=0, le=120, description="time limit of one call")


class Server(Connection):
    """A server that takes a token."""

    url: Url
    token: CredentialName = Field(description="name of a file in the credentials folder")
    ca: AbsolutePath | None = Field(default=None, description="certificates that the server's is checked with; else the system's")


class Webhook(Connection):
    """A server that takes signed calls."""

    url: Url
    secret: CredentialName = Field(description="name of a file in the credentials folder; the key of the signatures")
    ca: AbsolutePath | None = None


class GitHub(Connection):
    """A repository."""

    repository: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$")]
    url: Url = "https://api.github.com"
    token: CredentialName
    ca: AbsolutePath | None = None


class Supervisor(Connection):
    """A supervisor of processes on this machine."""

    socket: AbsolutePath


class At(Record):
    """What of a target a connection serves: all that it can, or the actions that are named."""

    connection: str
    actions: tuple[str, ...] | None = Field(default=None, min_length=1)


class AtKubernetes(At):
    """A deployment."""

    namespace: DnsName
    deployment: DnsName


class AtArgo(At):
    """An application."""

    application: DnsName


class AtWebhook(At):
    """A webhook can do anything, so what it does is named."""

    actions: tuple[str, ...] = Field(min_length=1)


class AtGitHub(At):
    """Where tickets are opened."""

    labels: tuple[Annotated[str, StringConstraints(min_length=1, max_length=50)], ...] = ()


class Flag(Record):
    """A feature flag."""

    safe: bool = Field(description="the value that takes it back: what the feature was before it was switched")


class Target(Record):
    """One service, under the exact name that telemetry has for it."""

    min_replicas: int = Field(default=1, ge=1, description="fewer instances are never left")
    max_replicas: int = Field(default=1, ge=1, description="more instances are never started")
    kubernetes: AtKubernetes | None = None
    argocd: AtArgo | None = None
    supervisor: At | None = None
    webhook: AtWebhook | None = None
    github: AtGitHub | None = None
    flags: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")], Flag] = Field(
        default_factory=dict
    )
    runbooks: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.max_replicas < self.min_replicas:
            message = f"max_replicas is {self.max_replicas}, less than min_replicas, which is {self.min_replicas}"
            raise ValueError(message)
        return self


class Workflow(Record):
    """A workflow of a GitHub repository, at one fixed ref with fixed inputs."""

    connection: str
    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.ya?ml$")]
    ref: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$")]
    inputs: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")], str] = Field(default_factory=dict)


class Runbook(Record):
    """A named procedure. It takes nothing from a request: what it does is written here."""

    title: ShownText
    tier: RiskTier
    blast_radius: ShownText
    precondition: ShownText = "None that could be looked at."
    effect: ShownText = "It ended and reported success."
    mends: tuple[CauseKind, ...] = ()
    command: tuple[Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00]*$")], ...] | None = Field(
        default=None, min_length=1
    )
    environment: dict[str, str] = Field(default_factory=dict, description="of the command; nothing else is in it")
    seconds: float = Field(default=300.0, gt=0, le=3600, description="time limit of the command")
    workflow: Workflow | None = None
    webhook: str | None = Field(default=None, description="the connection that runs it")
    supervisor: str | None = Field(default=None, description="the connection that runs it")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [way for way in ("command", "workflow", "webhook", "supervisor") if getattr(self, way) is not None]
        if len(ways) != 1:
            message = f"one of command, workflow, webhook and supervisor runs it, and there are {len(ways)}"
            raise ValueError(message)
        if self.tier is RiskTier.INFO:
            message = "a runbook changes something, so its tier is low at least"
            raise ValueError(message)
        if self.command is not None and not Path(self.command[0]).is_absolute():
            message = "the first word of a command is the absolute path of a program"
            raise ValueError(message)
        return self


CAN: dict[str, tuple[str, ...]] = {
    "kubernetes": ("scale_up", "scale_down", "restart_instance", "restart_service", "rollback_deploy"),
    "argocd": ("rollback_deploy", "sync_application"),
    "supervisor": ("scale_up", "scale_down", "restart_instance", "restart_service", "rollback_deploy", "set_flag"),
    "webhook": tuple(BUILT_IN),
    "github": ("open_ticket",),
}
"""What each kind of connection can do."""


class Configuration(Record):
    """All of it. Checked by `of`, which looks at how the parts fit as well."""

    kubernetes: dict[str, Server] = Field(default_factory=dict)
    argocd: dict[str, Server] = Field(default_factory=dict)
    webhook: dict[str, Webhook] = Field(default_factory=dict)
    github: dict[str, GitHub] = Field(default_factory=dict)
    supervisor: dict[str, Supervisor] = Field(default_factory=dict)
    targets: dict[Annotated[str, StringConstraints(min_length=1, max_length=256)], Target] = Field(default_factory=dict)
    runbooks: dict[RunbookName, Runbook] = Field(default_factory=dict)

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            Misconfigured: something is wrong with it; every mistake names the file, the line and the key.
        """
        return load_checked(path, cls, cls.misfits)

    def misfits(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Parts that are named and not there, and actions that are served twice: the key path of each, and what is wrong."""
        for name, runbook in self.runbooks.items():
            for kind, connection in (("webhook", runbook.webhook), ("supervisor", runbook.supervisor)):
                if connection is not None and connection not in self._connections(kind):
                    yield ("runbooks", name, kind), f"there is no [{kind}.{connection}]"
            if runbook.workflow is not None and runbook.workflow.connection not in self.github:
                yield ("runbooks", name, "workflow"), f"there is no [github.{runbook.workflow.connection}]"
        for name, target in self.targets.items():
            yield from self._target_misfits(name, target)

    def _target_misfits(self, name: str, target: Target) -> Iterator[tuple[tuple[str | int, ...], str]]:
        served: dict[str, str] = {}
        for kind, at in _served_by(target).items():
            here = ("targets", name, kind)
            if at.connection not in self._connections(kind):
                yield here, f"there is no [{kind}.{at.connection}]"
            for action in actions_at(kind, at, target):
                if action not in CAN[kind]:
                    yield (*here, "actions"), f"{kind} cannot do {quoted(action)}; it can do {', '.join(CAN[kind])}"
                if action in served:
                    yield here, f"{action} is served by {served[action]} as well; name the `actions` of each"
                served[action] = kind
        if target.flags and "set_flag" not in served:
            yield ("targets", name, "flags"), "nothing serves set_flag for this target"
        for i, runbook in enumerate(target.runbooks):
            if runbook not in self.runbooks:
                yield ("targets", name, "runbooks", i), f"there is no [runbooks.{runbook}]"

    def _connections(self, kind: str) -> Mapping[str, Connection]:
        found: Mapping[str, Connection] = getattr(self, kind)
        return found

    def offers(self, target: str) -> tuple[str, ...]:
        """The actions that a target offers; none where it is not configured."""
        if (found := self.targets.get(target)) is None:
            return ()
        served = {action for kind, at in _served_by(found).items() for action in actions_at(kind, at, found)}
        built_in = tuple(action for action in BUILT_IN if action in served)
        return (*built_in, *(f"{RUNBOOK_PREFIX}{name}" for name in found.runbooks))

    def target(self, name: str) -> Target:
        """A target by its exact name.

        Raises:
            Refused: nobody configured it.
        """
        if name not in self.targets:
            raise Refused(
                f"{quoted(name)} is not a configured target.", remedy="Add it to [targets] of the actions' configuration."
            )
        return self.targets[name]

    def place(self, action: str, target: str) -> Place:
        """Where an action is done to a target.

        Raises:
            Refused: the target does not offer it.
        """
        found = self.target(target)
        if action not in self.offers(target):
            raise Refused(
                f"{quoted(target)} does not offer {quoted(action)}.", remedy="See its entry of the actions' configuration."
            )
        if action.startswith(RUNBOOK_PREFIX):
            return self._runbook_place(self.runbooks[action.removeprefix(RUNBOOK_PREFIX)], found)
        served_by = _served_by(found)
        kind = next(kind for kind, at in served_by.items() if action in actions_at(kind, at, found))
        return self._target_place(served_by[kind], found)

    def _target_place(self, at: At, target: Target) -> Place:
        bounds = {"min_replicas": target.min_replicas, "max_replicas": target.max_replicas}
        match at:
            case AtKubernetes():
                reached = _reached(self.kubernetes[at.connection])
                return DeploymentPlace(**reached, **bounds, namespace=at.namespace, deployment=at.deployment)
            case AtArgo():
                return ArgoPlace(**_reached(self.argocd[at.connection]), application=at.application)
            case AtGitHub():
                repository = self.github[at.connection].repository
                return GitHubPlace(**_reached(self.github[at.connection]), repository=repository, labels=at.labels)
            case AtWebhook():
                return WebhookPlace(**_reached(self.webhook[at.connection]), **bounds)
            case _:
                supervisor = self.supervisor[at.connection]
                return SupervisorPlace(socket=supervisor.socket, seconds=supervisor.seconds, **bounds)

    def _runbook_place(self, runbook: Runbook, target: Target) -> Place:
        if runbook.command is not None:
            return CommandPlace(command=runbook.command, environment=runbook.environment, seconds=runbook.seconds)
        if (workflow := runbook.workflow) is not None:
            github = self.github[workflow.connection]
            return GitHubPlace(
                **_reached(github), repository=github.repository, workflow=workflow.file, ref=workflow.ref, inputs=workflow.inputs
            )
        return self._target_place(_at_runner(runbook), target)


def actions_at(kind: str, at: At, target: Target) -> tuple[str, ...]:
    """What a connection serves for a target. A flag needs to be configured to be switched, and room to be scaled."""
    named = CAN[kind] if at.actions is None else at.actions
    scalable = target.max_replicas > target.min_replicas
    return tuple(
        action
        for action in named
        if (action != "set_flag" or target.flags) and (action not in {"scale_up", "scale_down"} or scalable)
    )


def _served_by(target: Target) -> dict[str, At]:
    ways = {kind: getattr(target, kind) for kind in CAN}
    return {kind: at for kind, at in ways.items() if isinstance(at, At)}


def _at_runner(runbook: Runbook) -> At:
    if runbook.webhook is not None:
        return AtWebhook(connection=runbook.webhook, actions=("run",))
    return At(connection=runbook.supervisor or "")


def _reached(server: Server | Webhook | GitHub) -> dict[str, object]:
    credential = server.secret if isinstance(server, Webhook) else server.token
    return {"url": server.url, "ca": server.ca, "seconds": server.seconds, "credential": credential}
