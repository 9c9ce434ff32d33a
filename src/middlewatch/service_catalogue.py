"""What a team declares of its services in `services.toml`: tiers, other names, objectives, maintenance, and who is told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import AnyHttpUrl, Field, StringConstraints, model_validator

from middlewatch.approval.policy.entries import EVERY, TargetNames, WindowEntry, Zone
from middlewatch.approval.policy.windows import Calendar
from middlewatch.live_file import LiveFile
from middlewatch.records import USUAL_TIER, Objective, Record, ServiceEntry, Severity
from middlewatch.records.errors import Misconfigured
from middlewatch.records.toml_document import Mistake, whole
from middlewatch.records.toml_reader import Reader, nearest
from middlewatch.senders import PrivateUrl, SecretFile, WriteBack, look_at_secret, secret_folder
from middlewatch.service_example import EXAMPLE
from middlewatch.settings import Settings
from middlewatch.team_files import present, write_first
from middlewatch.tools.actions.credentials import Credentials
from middlewatch.tools.budgets import BurnRules

LOG = logging.getLogger(__name__)

SECTIONS = ("services", "objectives", "burn", "maintenance", "severity", "pagerduty")
PAGERDUTY = "pagerduty"
"""In `tell`: whoever is on call there is paged."""
LONGEST_NAME = 256
"""Of a service, as in telemetry and alerts."""

Told = Annotated[str, StringConstraints(pattern=r"^(pagerduty|slack|slack:(here|channel|everyone|[USW][A-Z0-9]{2,31}))$")]


class ObjectiveEntry(Objective):
    """``[[objectives]]``, where `service = "x"` is short for `services = ["x"]`."""

    @model_validator(mode="before")
    @classmethod
    def _one_service(cls, value: object) -> object:
        if not isinstance(value, dict) or "service" not in value:
            return value
        if "services" in value:
            message = "write either service or services"
            raise ValueError(message)
        return {**{key: kept for key, kept in value.items() if key != "service"}, "services": [value["service"]]}

    @property
    def objective(self) -> Objective:
        """Without what only the file has."""
        return Objective.model_validate(self.model_dump())


class MaintenanceEntry(WindowEntry):
    """``[[maintenance]]``: alerts of these services open nothing meanwhile. Written as the windows of the policy file are."""

    name: str = Field(default="maintenance", min_length=1, max_length=100)
    reason: str = Field(default="", max_length=200, alias="why")
    targets: TargetNames = Field(alias="services")
    zone: Zone = "UTC"


class SeverityEntry(Record):
    """``[severity.SEV-1]``."""

    tell: tuple[Told, ...] = Field(description="slack, slack:here, slack:U0123 (a user), slack:S0123 (a group), pagerduty")


class PagerDutyEntry(Record):
    """``[pagerduty]``: whom `tell = ["pagerduty"]` pages, by the integration of a service there."""

    routing_key: SecretFile | None = Field(
        default=None, description="a file in `intake-secrets`: the integration key of an Events API v2 integration"
    )
    url: PrivateUrl = Field(default=AnyHttpUrl("https://events.pagerduty.com"), description="or https://events.eu.pagerduty.com")

    @property
    def end(self) -> WriteBack:
        """Where it is told, and by what."""
        return WriteBack(url=self.url, token=self.routing_key)


@dataclass(frozen=True, slots=True)
class Declarations:
    """What the file says; empty where there is none."""

    digest: str = ""
    services: Mapping[str, ServiceEntry] = field(default_factory=lambda: MappingProxyType({}))
    objectives: tuple[Objective, ...] = ()
    burn: BurnRules = field(default_factory=BurnRules)
    calendar: Calendar = field(default_factory=Calendar)
    tell: Mapping[Severity, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    pagerduty: PagerDutyEntry | None = None

    def named(self, text: str) -> str:
        """The declared service of this name or alias; empty where there is none."""
        if text in self.services:
            return text
        return next((name for name, entry in self.services.items() if text in entry.aliases), "")


EMPTY = Declarations()


class ServiceCatalogue:
    """The declarations as the file is now.

    A mistake in it must not lose alerts. So while the file cannot be used, the last good one that this process has read counts, or
    none, and `problem` says so. What gives leave goes by `declared`, which refuses then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = LiveFile(path, load_services)
        self._lock = threading.Lock()
        self._good = EMPTY
        self._problem = ""

    def declared(self) -> Declarations:
        """What the file says.

        Raises:
            Misconfigured: it cannot be used; the message tells every mistake with its line.
        """
        found = self._file()
        with self._lock:
            self._good, self._problem = found, ""
        return found

    def usable(self) -> Declarations:
        """As `declared`, and what was good before where it cannot be used."""
        try:
            return self.declared()
        except Misconfigured as error:
            with self._lock:
                if error.message != self._problem:
                    LOG.warning("%s cannot be used, what it said before counts: %s", self.path, error.message)
                self._problem = error.message
                return self._good

    @property
    def problem(self) -> str:
        """Why the file cannot be used; empty where it can, or there is none."""
        self.usable()
        return self._problem

    @property
    def services(self) -> Mapping[str, ServiceEntry]:
        """The declared ones."""
        return self.usable().services

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """In the order of the file."""
        return self.usable().objectives

    def tier(self, service: str) -> int:
        """1 to 4; the usual one where nobody declared it."""
        found = self.services.get(service)
        return USUAL_TIER if found is None else found.tier

    def named(self, text: str) -> str:
        """The declared service of this name or alias; empty where there is none."""
        return self.usable().named(text)

    def maintenance(self, service: str, at: datetime) -> str:
        """Why alerts of it open nothing at this time, in words; empty where they do."""
        window = self.usable().calendar.freeze(service, at)
        if window is None:
            return ""
        return f"maintenance until {window.ends_at:%Y-%m-%d %H:%M} UTC" + (f": {window.reason}" if window.reason else "")

    def tell(self, severity: Severity) -> tuple[str, ...]:
        """Who is told of an incident of this severity, beside those who are always."""
        return self.usable().tell.get(severity, ())


def load_services(path: Path) -> Declarations:
    """Read and check the file as a whole; `EMPTY` where there is none.

    Raises:
        Misconfigured: it cannot be used; the message tells every mistake with its line.
    """
    return whole(examine_services(path), "slo") if path.exists() else EMPTY


def examine_services(path: Path, secrets: Credentials | None = None) -> tuple[Declarations | None, tuple[Mistake, ...]]:
    """Read the file and say everything that is wrong with it.

    Args:
        path: the file.
        secrets: the folder of the secrets, where those are looked at as well.

    Returns:
        What it says where there is no mistake; the mistakes in the order of the file.

    Raises:
        Misconfigured: there is no such file, or it is not TOML.
    """
    reader = Reader.of(path, "services.toml", "docs/objectives.md")
    document = reader.document
    reader.only(SECTIONS)
    services = reader.table("services", ServiceEntry)
    objectives = {number: entry.objective for number, entry in reader.array("objectives", ObjectiveEntry).items()}
    _check_targets(reader)
    burn = reader.one("burn", BurnRules)
    maintenance = reader.array("maintenance", MaintenanceEntry)
    severity = reader.table("severity", SeverityEntry)
    pagerduty = reader.one("pagerduty", PagerDutyEntry) if "pagerduty" in document.data else None
    known = reader.names("services")
    _check_services(reader, services)
    _check_objectives(reader, objectives, known)
    for number, entry in maintenance.items():
        _check_known(reader, ("maintenance", number, "services"), entry.targets, known)
    for name in severity:
        if name not in {*Severity}:
            reader.note(("severity", name), f"is no severity{nearest(name.upper(), [*Severity]) or '; they are SEV-1 to SEV-4'}")
    _check_pages(reader, severity, pagerduty, secrets)
    if reader.mistakes:
        return None, reader.told
    return Declarations(
        digest=document.digest,
        services=MappingProxyType(services),
        objectives=tuple(objectives.values()),
        burn=burn,
        calendar=Calendar(freezes=[entry.window for entry in maintenance.values()]),
        tell=MappingProxyType({Severity(name): entry.tell for name, entry in severity.items()}),
        pagerduty=pagerduty,
    ), ()


def _check_services(reader: Reader, services: Mapping[str, ServiceEntry]) -> None:
    taken = {name: name for name in services}
    for name, entry in services.items():
        if not 0 < len(name) <= LONGEST_NAME:
            reader.note(("services", name), f"a service's name has 1 to {LONGEST_NAME} characters")
        for alias in entry.aliases:
            other = taken.setdefault(alias, name)
            if other != name or alias == name:
                what = "is the name of a service itself" if alias in services else f"is an alias of {other} already"
                reader.note(("services", name, "aliases"), f"{alias} {what}")


def _check_objectives(reader: Reader, objectives: Mapping[int, Objective], known: set[str]) -> None:
    taken: dict[str, int] = {}
    for number, objective in objectives.items():
        if taken.setdefault(objective.name, number) != number:
            reader.note(("objectives", number, "name"), f"{objective.name} is the name of another objective already")
    for number, entry in _written_objectives(reader):  # one with a mistake elsewhere may name nobody as well
        named = [(key, value) for key in ("service", "services") for value in _texts(entry.get(key))]
        for key, value in named:
            _check_known(reader, ("objectives", number, key), (value,), known)


def _check_targets(reader: Reader) -> None:
    """A share that was written in per cent: what it is as a share."""
    for number, entry in _written_objectives(reader):
        target = entry.get("target")
        if isinstance(target, int | float) and 1.0 < target < 100.0:  # noqa: PLR2004  per cent
            reader.note(("objectives", number, "target"), f"{target:g} % is {target / 100.0:.10g}")


def _written_objectives(reader: Reader) -> list[tuple[int, dict[str, object]]]:
    """The tables as they are written, also those with a mistake."""
    written = reader.document.data.get("objectives", [])
    return [(number, entry) for number, entry in enumerate(written) if isinstance(entry, dict)] if isinstance(written, list) else []


def _texts(value: object) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _check_pages(
    reader: Reader, severity: Mapping[str, SeverityEntry], pagerduty: PagerDutyEntry | None, secrets: Credentials | None
) -> None:
    """Whoever is to be paged must be reachable: a page that nobody gets is told of by nothing else."""
    for name, entry in severity.items():
        if PAGERDUTY in entry.tell and pagerduty is None:
            reader.note(("severity", name, "tell"), "pagerduty needs a section [pagerduty] with a routing_key")
    if pagerduty is None:
        return
    if pagerduty.routing_key is None:
        reader.note(("pagerduty", "routing_key"), "is missing: a file in intake-secrets")
    elif secrets is not None:
        look_at_secret(reader, ("pagerduty", "routing_key"), secrets, pagerduty.routing_key)


def _check_known(reader: Reader, key: tuple[str | int, ...], named: tuple[str, ...], known: set[str]) -> None:
    """A name that nobody declared is mostly a misspelt one, and would say nothing."""
    for name in named:
        if name not in known and name != EVERY:
            reader.note(key, f"{name} is not declared{nearest(name, known) or f'; add [services.{name}]'}")


def init_services(settings: Settings, *, force: bool) -> Path:
    """Write a first file, all of it commented out but one line.

    Raises:
        BadInput: there is a file already.
    """
    return write_first(settings.services_path, EXAMPLE, force=force)


def check_services(settings: Settings, file: Path | None) -> tuple[Path, Declarations | None, tuple[Mistake, ...]]:
    """Everything that is wrong with a file; the one in force where none is named.

    Raises:
        BadInput: there is no file of that name.
        Misconfigured: none is in force, it cannot be read, or is not TOML.
    """
    path = present(file, settings.services_path, "slo")
    return path, *examine_services(path, secret_folder(settings))
