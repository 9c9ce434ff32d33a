"""Who may tell middlewatch of alerts and changes, and how each shows who it is: `intake.toml`, and the secrets beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, AnyHttpUrl, Field, StringConstraints, field_validator

from middlewatch.live_file import LiveFile
from middlewatch.records import Record
from middlewatch.records.errors import BadInput, Misconfigured
from middlewatch.records.loopback import is_loopback
from middlewatch.records.tokens import line_of_token, new_token
from middlewatch.records.toml_document import KeyPath, Mistake, load_toml, whole
from middlewatch.records.toml_reader import Reader
from middlewatch.sender_example import EXAMPLE
from middlewatch.settings import Settings
from middlewatch.team_files import present, write_first
from middlewatch.tools.actions.credentials import FILE_NAME, Credentials

SENDER: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""A sender's name: it stands in an address."""
OWN_SENDERS: Final = frozenset({"objectives", "deploy-watch"})
"""Who is in no file: what middlewatch itself finds. A sender of such a name would share its alerts, and could end them."""
REFUSED: Final = (
    "Until intake.toml is mended no sender is believed (all are answered 503), their rules map no alert, "
    "and nothing is written back to them"
)
"""What a mistake in the file means for those who do not look at it: alerts that do not come are not missed by anybody."""
SERVICE_LABELS: Final = (
    *("service.name", "service_name", "service", "app_kubernetes_io_name", "app.kubernetes.io/name"),
    *("app", "deployment", "k8s.deployment.name", "kube_deployment", "statefulset", "daemonset", "job"),
)
"""What alert rules mostly name a service with; the surest first."""
MOST_HOURS: Final = 72
"""A silence that outlives its incident hides the next one. Chosen, not derived: a long weekend."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
SecretFile = Annotated[str, StringConstraints(pattern=FILE_NAME)]
Topic = Annotated[str, StringConstraints(pattern=r"^arn:aws(-cn|-us-gov)?:sns:[a-z0-9-]{3,32}:[0-9]{12}:[A-Za-z0-9_.-]{1,256}$")]
Header = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=256)]
AlertKind = Literal["alertmanager", "grafana", "pagerduty", "datadog", "opsgenie", "cloudwatch", "generic"]
ChangeKind = Literal["github", "gitlab", "argocd", "kubernetes", "changes"]
CHANGE_KINDS: Final = frozenset(get_args(ChangeKind))
"""Of senders that tell of changes, and of no alerts; docs/changes.md."""

_BY_TOKEN: Final = frozenset({"alertmanager", "grafana", "datadog", "opsgenie", "generic"}) | CHANGE_KINDS - {"github"}
_BY_SECRET: Final = frozenset({"grafana", "pagerduty", "generic", "github", "gitlab", "changes"})
_ALERTS: Final = frozenset(get_args(AlertKind))
_WRITTEN_TO: Final = frozenset({"alertmanager", "pagerduty"})


def _private(url: AnyHttpUrl) -> AnyHttpUrl:
    if url.scheme != "https" and not is_loopback(url.host or ""):
        message = "must be https, or http on this machine alone"
        raise ValueError(message)
    if url.username or url.password or url.query or url.fragment:
        message = "must have no user, password, query or fragment; a token is a file of its own"
        raise ValueError(message)
    return url


PrivateUrl = Annotated[AnyHttpUrl, AfterValidator(_private)]
"""Where something is told that is nobody else's business."""


class MapRule(Record):
    """``[[senders.NAME.map]]``: alerts whose labels all match are of a service. The first rule that does counts."""

    match: dict[str, Glob] = Field(min_length=1, description="label = pattern, with * and ?")
    service: str = Field(min_length=1, max_length=256)


class WriteBack(Record):
    """``[senders.NAME.write_back]``: what people do here is done there too."""

    url: PrivateUrl = Field(description="of Alertmanager, or https://api.pagerduty.com; https, or http on loopback")
    token: SecretFile | None = Field(default=None, description="a file in `intake-secrets`")
    from_: str = Field(default="", alias="from", max_length=200, description="PagerDuty: the e-mail of the user who acts there")
    hours: float = Field(default=4.0, gt=0, le=MOST_HOURS, description="Alertmanager: how long a silence lasts at most")
    look_seconds: float = Field(
        default=30.0, ge=1, le=3600, description="Alertmanager: how often it is asked whether it still fires"
    )


class PathRule(Record):
    """``[[senders.NAME.paths]]``: a push that touches such a file is a change. The first one that fits a file counts."""

    path: Glob = Field(description="of files, such as config/**, where ** stands for any folders")
    kind: Literal["config", "flag", "migration", "deploy", "scale"]
    branch: Glob = Field(default="", description="which counts; empty: the repository's default branch")


class SenderEntry(Record):
    """``[senders.NAME]``."""

    kind: Literal[AlertKind, ChangeKind]  # one list and no union, of which a wrong one would be two mistakes
    token_sha256: tuple[Digest, ...] = Field(default=(), max_length=8)
    user: str = Field(
        default="", max_length=64, description="with it, basic authentication: this name, and a token as the password"
    )
    secret: tuple[SecretFile, ...] = Field(
        default=(), max_length=4, description="files in `intake-secrets`; several while one rotates"
    )
    signature_header: Header = Field(default="X-Grafana-Alerting-Signature", description="Grafana: where the signature is")
    timestamp_header: Header | None = Field(default=None, description="Grafana: where the time is that it signs as well")
    topics: tuple[Topic, ...] = Field(default=(), max_length=64, description="CloudWatch: the SNS topics that are believed")
    service_labels: tuple[str, ...] = Field(default=SERVICE_LABELS, max_length=32, description="which labels name a service")
    map: tuple[MapRule, ...] = Field(default=(), max_length=256)
    write_back: WriteBack | None = None
    service: str = Field(default="", max_length=256, description="of changes: whose they are that nothing else maps")
    paths: tuple[PathRule, ...] = Field(default=(), max_length=256, description="GitHub, GitLab: files whose pushes are changes")
    environments: tuple[Glob, ...] = Field(default=(), max_length=32, description="of deployments: which count; empty: all")
    region: str = Field(default="", max_length=256, description="of changes, where the sender does not say it")
    cluster: str = Field(default="", max_length=256, description="likewise")

    @field_validator("token_sha256", "secret", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Intake:
    """What the file says; empty where there is none."""

    digest: str = ""
    senders: Mapping[str, SenderEntry] = field(default_factory=lambda: MappingProxyType({}))


EMPTY: Final = Intake()


class Senders:
    """The senders as the file is now. Secrets are read anew for each message, so that one that is replaced counts at once."""

    def __init__(self, settings: Settings) -> None:
        self._file = LiveFile(settings.intake_path, load_intake)
        self._secrets = secret_folder(settings)

    def all(self) -> Mapping[str, SenderEntry]:
        """By their names.

        Raises:
            Misconfigured: the file cannot be used; the message tells what does not work until it is mended, and every mistake with
                its line.
        """
        try:
            return self._file().senders
        except Misconfigured as error:
            raise Misconfigured(f"{REFUSED}: {error.message}", remedy=error.remedy) from None

    def entry(self, name: str) -> SenderEntry | None:
        """One by its name; None where there is none.

        Raises:
            Misconfigured: the file cannot be used; what it says is not told to whoever sends.
        """
        try:
            return self.all().get(name)
        except Misconfigured:
            raise Misconfigured(
                "The configuration of senders cannot be used, so nobody is known.",
                remedy="On the server, run: middlewatch intake check",
            ) from None

    def secrets_of(self, entry: SenderEntry) -> tuple[bytes, ...]:
        """What a sender signs with.

        Raises:
            Misconfigured: a file is missing or open to others; its path is not told to whoever sends.
        """
        try:
            return tuple(self._secrets.read(name).encode() for name in entry.secret)
        except Misconfigured:
            raise Misconfigured(
                "The secret of this sender cannot be read.", remedy="On the server, run: middlewatch intake check"
            ) from None

    def token_of(self, write_back: WriteBack) -> str:
        """What is shown to the other end; empty where nothing is.

        Raises:
            Misconfigured: the file is missing or open to others.
        """
        return self._secrets.read(write_back.token) if write_back.token else ""


def secret_folder(settings: Settings) -> Credentials:
    """The folder of the secrets that senders sign with, and of tokens that are shown to them."""
    return Credentials(settings.intake_secrets_path, reader="middlewatch")


def load_intake(path: Path) -> Intake:
    """Read and check the file as a whole; `EMPTY` where there is none.

    Raises:
        Misconfigured: it cannot be used; the message tells every mistake with its line.
    """
    return whole(examine_intake(path), "intake") if path.exists() else EMPTY


def examine_intake(path: Path, folder: Credentials | None = None) -> tuple[Intake | None, tuple[Mistake, ...]]:
    """Read the file and say everything that is wrong with it.

    Args:
        path: the file.
        folder: of the secrets, where those are looked at as well.

    Returns:
        What it says where there is no mistake; the mistakes in the order of the file.

    Raises:
        Misconfigured: there is no such file, or it is not TOML.
    """
    reader = Reader.of(path, "intake.toml", "docs/alerts.md")
    reader.only(("senders",))
    entries = reader.table("senders", SenderEntry)
    for name, entry in entries.items():
        if SENDER.fullmatch(name) is None:
            reader.note(
                ("senders", name), "a sender's name has small letters, digits, dashes and underscores, and at most 63 of them"
            )
        if name in OWN_SENDERS:
            reader.note(("senders", name), "is the name of middlewatch's own alerts: choose another one")
        for key, what in _misfits(entry):
            reader.note(("senders", name, key), what)
        if folder is not None:
            _look_at_secrets(reader, name, entry, folder)
    if reader.mistakes:
        return None, reader.told
    return Intake(reader.document.digest, MappingProxyType(entries)), ()


def _misfits(entry: SenderEntry) -> list[tuple[str, str]]:
    """What its kind does not have, or lacks."""
    kind, given = entry.kind, entry.model_fields_set
    kinds = {
        "token_sha256": _BY_TOKEN,
        "user": _BY_TOKEN,
        "secret": _BY_SECRET,
        "signature_header": {"grafana"},
        "timestamp_header": {"grafana"},
        "topics": {"cloudwatch"},
        "write_back": _WRITTEN_TO,
        "service_labels": _ALERTS,
        "service": CHANGE_KINDS,
        "paths": {"github", "gitlab"},
        "environments": {"github", "gitlab", "changes"},
        "region": CHANGE_KINDS,
        "cluster": CHANGE_KINDS,
    }
    found = [(key, f"is nothing that {kind} has") for key, of in kinds.items() if key in given and kind not in of]
    lacking = {"pagerduty": "secret", "github": "secret", "cloudwatch": "topics"}.get(kind, "token_sha256")
    if not getattr(entry, lacking) and not (kind in _BY_SECRET and entry.secret):
        more = ", or secret" if lacking == "token_sha256" and kind in _BY_SECRET else ""
        found.append((lacking, f"is missing{more}: without it anybody could send"))
    if entry.user and not entry.token_sha256:
        found.append(("user", "needs token_sha256: the digest of the password"))
    if kind == "pagerduty" and entry.write_back is not None and not (entry.write_back.token and entry.write_back.from_):
        found.append(("write_back", "needs token and from: PagerDuty asks who acts"))
    return found


def _look_at_secrets(reader: Reader, name: str, entry: SenderEntry, folder: Credentials) -> None:
    named = [("secret", one) for one in entry.secret]
    if entry.write_back is not None and entry.write_back.token:
        named.append(("write_back", entry.write_back.token))
    for key, one in named:
        look_at_secret(reader, ("senders", name, key), folder, one)


def look_at_secret(reader: Reader, key: KeyPath, folder: Credentials, name: str) -> None:
    """Note a secret that cannot be read where the file names it."""
    try:
        folder.read(name)
    except Misconfigured as error:
        reader.note(key, f"{error.message} {error.remedy}".strip().rstrip("."))


@dataclass(frozen=True, slots=True)
class SenderToken:
    """A new token, and what to write into intake.toml. Nothing keeps the token itself."""

    token: str
    line: str
    lacks: str
    """What is to be done with the line, in a sentence."""


def make_sender_token(settings: Settings, name: str) -> SenderToken:
    """A new token for a sender, and the line that knows it. The file is not changed.

    Raises:
        BadInput: no sender can have this name.
    """
    if SENDER.fullmatch(name) is None or name in OWN_SENDERS:
        own = ", ".join(sorted(OWN_SENDERS))
        raise BadInput(
            f"{name!r} is no sender's name.", remedy=f"Use small letters, digits, dashes and underscores, and none of {own}."
        )
    token = new_token("mwi")
    return SenderToken(token, line_of_token(token), _lacking(settings.intake_path, name))


def _lacking(path: Path, name: str) -> str:
    if not path.exists():
        return "There is no intake.toml yet: write one with `middlewatch intake init`."
    try:
        senders = load_toml(path).data.get("senders")
    except Misconfigured as error:
        return f"The file cannot be read: {error.message}"
    entry = senders.get(name) if isinstance(senders, dict) else None
    if not isinstance(entry, dict):
        return f'There is no [senders.{name}]: add that line, `kind = "..."` below it, and then this one.'
    if entry.get("token_sha256"):
        return f"[senders.{name}] has a token_sha256 already: put the new digest into that list, a key stands once."
    return f"[senders.{name}] has no token yet: add this line."


def init_intake(settings: Settings, *, force: bool) -> Path:
    """Write a first file, all of it commented out, and the folder of secrets.

    Raises:
        BadInput: there is a file already.
    """
    path = write_first(settings.intake_path, EXAMPLE, force=force)
    secret_folder(settings).folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def check_intake(settings: Settings, file: Path | None) -> tuple[Path, Intake | None, tuple[Mistake, ...]]:
    """Everything that is wrong with a file and its secrets; the one in force where none is named.

    Raises:
        BadInput: there is no file of that name.
        Misconfigured: none is in force, it cannot be read, or is not TOML.
    """
    path = present(file, settings.intake_path, "intake")
    return path, *examine_intake(path, secret_folder(settings))
