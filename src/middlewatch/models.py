"""Which language models may be asked, where, with which key and at what cost: `models.toml`."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import Field, SecretStr, StringConstraints

from middlewatch.agents.language_model.allowed_hosts import AllowedHosts
from middlewatch.agents.language_model.connection import Connection, ProviderName
from middlewatch.agents.language_model.known_models import how_not_to_think, takes_breakpoints, takes_effort
from middlewatch.agents.language_model.opening import open_model
from middlewatch.agents.language_model.prices import Price, Priced, listed_price
from middlewatch.agents.language_model.reach import Reach
from middlewatch.agents.language_model.seam import LanguageModel
from middlewatch.context_store.model_budgets import BudgetLimits, Spending
from middlewatch.live_file import LiveFile
from middlewatch.model_example import EXAMPLE
from middlewatch.records import Record
from middlewatch.records.errors import BadInput, Misconfigured
from middlewatch.records.toml_document import Mistake, whole
from middlewatch.records.toml_reader import Reader, nearest
from middlewatch.settings import Settings
from middlewatch.team_files import present, write_first

SECTIONS: Final = ("agents", "hosts", "models", "budgets", "prices")
URLS: Final = {ProviderName.ANTHROPIC: "https://api.anthropic.com", ProviderName.OPENAI: "https://api.openai.com/v1"}
PUBLIC_HOSTS: Final = ("api.anthropic.com", "api.openai.com")

ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$")]


class AgentsEntry(Record):
    """``[agents]``."""

    model: str = Field(default="", description="the section of the model that investigations ask; empty for none")


class HostsEntry(Record):
    """``[hosts]``."""

    allowed: tuple[str, ...] = Field(
        default=PUBLIC_HOSTS, max_length=32, description="where text may go; `http://NAME` also without TLS"
    )


class ModelEntry(Record):
    """``[models.NAME]``."""

    provider: ProviderName
    model: ModelName = Field(description="the provider's own name of it")
    url: str = Field(default="", max_length=300, description="of the API; needed for compatible, the provider's own otherwise")
    effort: bool | None = Field(
        default=None, description="whether it can be told how much to think; by default where its provider says so"
    )
    thinking: bool = Field(default=False, description="anthropic: whether it thinks before it answers where it could do without")
    cache_breakpoints: bool | None = Field(
        default=None, description="openai: whether its cache is told where a shared beginning ends; by default from gpt-5.6 on"
    )

    @property
    def address(self) -> str:
        """Of the API."""
        return self.url or URLS.get(self.provider, "")

    @property
    def key_name(self) -> str:
        """The setting that has its key."""
        return f"MIDDLEWATCH_{self.provider.upper()}_KEY"

    def efforts(self) -> bool:
        """Whether it is told how much to think."""
        return takes_effort(self.provider, self.model) if self.effort is None else self.effort

    def unthinking(self) -> str:
        """How it is told not to think before it answers; empty where it is told nothing."""
        return "" if self.thinking else how_not_to_think(self.provider, self.model)

    def breakpoints(self) -> bool:
        """Whether its cache is told where a shared beginning ends."""
        return takes_breakpoints(self.provider, self.model) if self.cache_breakpoints is None else self.cache_breakpoints


class BudgetEntry(Record):
    """``[budgets]``. Those of one investigation are the project's promise; the others are chosen, not derived."""

    calls: int = Field(default=20, ge=0, le=1000, description="requests to a model in one investigation")
    dollars: float = Field(default=0.50, ge=0, le=1000, description="of one investigation")
    tokens: int = Field(default=20 * 14_000, ge=0, le=10**9, description="read and written in one investigation")
    seconds: float = Field(default=60.0, ge=1, le=600, description="after the rules' answer; then models must be done")
    prompt_tokens: int = Field(default=12_000, ge=1000, le=200_000, description="that one call may read")
    answer_tokens: int = Field(default=2000, ge=200, le=32_000, description="that one call may write, its thoughts included")
    day_dollars: float = Field(default=25.0, ge=0, le=100_000, description="of all investigations of a day, by UTC")
    day_calls: int = Field(default=1000, ge=0, le=1_000_000, description="likewise")
    day_tokens: int = Field(default=1000 * 14_000, ge=0, le=10**12, description="likewise")

    @property
    def closed(self) -> tuple[str, ...]:
        """Those that allow no call at all."""
        return tuple(name for name in ("calls", "tokens", "day_calls", "day_tokens") if getattr(self, name) == 0)

    @property
    def limits(self) -> BudgetLimits:
        """As the store keeps accounts of them."""
        return BudgetLimits(
            investigation=Spending(self.calls, self.dollars, self.tokens),
            day=Spending(self.day_calls, self.day_dollars, self.day_tokens),
        )


class PriceEntry(Record):
    """``[[prices]]``: US dollars per million tokens."""

    model: ModelName
    input: float = Field(ge=0, le=10_000)
    output: float = Field(ge=0, le=10_000)
    cached: float | None = Field(default=None, ge=0, le=10_000, description="as `input` where it is not said")
    cache_written: float | None = Field(default=None, ge=0, le=10_000, description="likewise")

    @property
    def price(self) -> Price:
        """With what is not said filled in."""
        cached = self.input if self.cached is None else self.cached
        written = self.input if self.cache_written is None else self.cache_written
        return Price(input=self.input, output=self.output, cached=cached, cache_written=written)


@dataclass(frozen=True, slots=True)
class Declared:
    """What the file says; without one, no model may be asked."""

    digest: str = ""
    agents: str = ""
    """The model that investigations ask; empty for none."""
    allowed: AllowedHosts = field(default_factory=lambda: AllowedHosts.of(()))
    models: Mapping[str, ModelEntry] = field(default_factory=lambda: MappingProxyType({}))
    budgets: BudgetEntry = field(default_factory=BudgetEntry)
    prices: Mapping[str, Price] = field(default_factory=lambda: MappingProxyType({}))

    def price(self, entry: ModelEntry) -> Priced | None:
        """What it costs; None where nobody knows."""
        own = self.prices.get(entry.model)
        return listed_price(entry.provider, entry.model) if own is None else Priced(own, "models.toml")

    def named(self, name: str) -> tuple[str, ModelEntry]:
        """The section of this name, or the one of the model of this name.

        Raises:
            BadInput: there is none.
        """
        found = next((section for section, entry in self.models.items() if name in {section, entry.model}), None)
        if found is None:
            raise BadInput(f"models.toml has no model {name}.", remedy=f"It has: {', '.join(self.models) or 'none'}.")
        return found, self.models[found]


EMPTY: Final = Declared()


class ConfiguredModel(Record):
    """A model of the file, as it is shown."""

    section: str
    provider: ProviderName
    model: str
    host: str
    used: bool = Field(description="investigations ask it")
    key_name: str
    key_set: bool
    price: Price | None = Field(description="US dollars per million tokens; null where nobody knows")
    priced_at: str = Field(description="the day of the list, or models.toml; empty without a price")

    @property
    def ready(self) -> bool:
        """Whether it can be asked."""
        return self.key_set or self.provider is ProviderName.COMPATIBLE


@dataclass(frozen=True, slots=True)
class Opened:
    """A model that can be asked, what it costs, and what it may cost."""

    section: str
    model: LanguageModel
    price: Priced | None
    budgets: BudgetEntry
    reach: Reach = field(default_factory=Reach)
    """What is known of its server; the same for whoever opens it."""


class Models:
    """The models of the file as it is now. Each is opened once; one that is reached otherwise now is opened anew.

    Whoever holds the old one goes on with it: it closes itself once nobody holds it any more.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file = LiveFile(settings.models_path, load_models)
        self._lock = threading.Lock()
        self._open: dict[str, tuple[Connection, LanguageModel, Reach]] = {}

    def declared(self) -> Declared:
        """What the file says.

        Raises:
            Misconfigured: it cannot be used; the message tells every mistake with its line.
        """
        return self._file()

    def for_agents(self) -> Opened | None:
        """The model that investigations ask; None where the file names none, or there is none.

        Raises:
            Misconfigured: the file cannot be used, or its key is missing.
        """
        declared = self.declared()
        return self.opened(declared.agents) if declared.agents else None

    def opened(self, name: str) -> Opened:
        """A model by its section, or by the provider's name of it.

        Raises:
            BadInput: there is none of that name.
            Misconfigured: the file cannot be used, its key is missing, or text may not go to it.
        """
        declared = self.declared()
        section, entry = declared.named(name)
        model, reach = self._model(declared, section, entry)
        return Opened(section, model, declared.price(entry), declared.budgets, reach)

    def close(self) -> None:
        """Close all models; what is in flight ends."""
        with self._lock:
            models, self._open = [model for _, model, _ in self._open.values()], {}
        for model in models:
            model.close()

    def _model(self, declared: Declared, section: str, entry: ModelEntry) -> tuple[LanguageModel, Reach]:
        wanted = connection(self._settings, declared, entry)
        with self._lock:
            found = self._open.get(section)
            if found is None or found[0] != wanted:
                self._open[section] = wanted, open_model(wanted), Reach()
            return self._open[section][1:]


def _keys(settings: Settings) -> Mapping[ProviderName, SecretStr | None]:
    return {
        ProviderName.ANTHROPIC: settings.anthropic_key,
        ProviderName.OPENAI: settings.openai_key,
        ProviderName.COMPATIBLE: settings.compatible_key,
    }


def configured_models(settings: Settings, declared: Declared) -> tuple[ConfiguredModel, ...]:
    """The models of the file, in its order."""
    keys = _keys(settings)
    found = []
    for section, entry in declared.models.items():
        priced = declared.price(entry)
        found.append(
            ConfiguredModel(
                section=section,
                provider=entry.provider,
                model=entry.model,
                host=declared.allowed.host_of(entry.address),
                used=section == declared.agents,
                key_name=entry.key_name,
                key_set=keys[entry.provider] is not None,
                price=None if priced is None else priced.price,
                priced_at="" if priced is None else priced.at,
            )
        )
    return tuple(found)


def connection(settings: Settings, declared: Declared, entry: ModelEntry) -> Connection:
    """How a model is reached.

    Raises:
        Misconfigured: its key is missing.
    """
    key = _keys(settings)[entry.provider]
    if key is None and entry.provider is not ProviderName.COMPATIBLE:
        raise Misconfigured(f"{entry.model} is configured and {entry.key_name} is not set.", remedy=f"Set {entry.key_name}.")
    return Connection(
        provider=entry.provider,
        model=entry.model,
        url=entry.address,
        key=key,
        key_name=entry.key_name,
        allowed=declared.allowed,
        effort=entry.efforts(),
        thinking=entry.unthinking(),
        breakpoints=entry.breakpoints(),
    )


def load_models(path: Path) -> Declared:
    """Read and check the file as a whole; `EMPTY` where there is none.

    Raises:
        Misconfigured: it cannot be used; the message tells every mistake with its line.
    """
    return whole(examine_models(path), "models") if path.exists() else EMPTY


def examine_models(path: Path) -> tuple[Declared | None, tuple[Mistake, ...]]:
    """Read the file and say everything that is wrong with it.

    Returns:
        What it says where there is no mistake; the mistakes in the order of the file.

    Raises:
        Misconfigured: there is no such file, or it is not TOML.
    """
    reader = Reader.of(path, "models.toml", "docs/models.md")
    reader.only(SECTIONS)
    agents = reader.one("agents", AgentsEntry)
    hosts = reader.one("hosts", HostsEntry)
    models = reader.table("models", ModelEntry)
    budgets = reader.one("budgets", BudgetEntry)
    prices = reader.array("prices", PriceEntry)
    known = reader.names("models")
    if agents.model and agents.model not in known:
        reader.note(("agents", "model"), f"{agents.model} is no model of this file{nearest(agents.model, known)}")
    allowed = _allowed(reader, hosts)
    for name, entry in models.items():
        _check_model(reader, name, entry, allowed)
    if reader.mistakes or allowed is None:
        return None, reader.told
    return Declared(
        digest=reader.document.digest,
        agents=agents.model,
        allowed=allowed,
        models=MappingProxyType(models),
        budgets=budgets,
        prices=MappingProxyType({entry.model: entry.price for entry in prices.values()}),
    ), ()


def _allowed(reader: Reader, hosts: HostsEntry) -> AllowedHosts | None:
    try:
        return AllowedHosts.of(hosts.allowed)
    except Misconfigured as error:
        reader.note(("hosts", "allowed"), error.message.rstrip("."))
        return None


def _check_model(reader: Reader, name: str, entry: ModelEntry, allowed: AllowedHosts | None) -> None:
    if not entry.address:
        reader.note(("models", name, "url"), "is missing: where the server is, such as http://127.0.0.1:11434/v1")
        return
    try:
        if allowed is not None:
            allowed.host_of(entry.address)
    except Misconfigured as error:
        what = error.message.rstrip(".").removesuffix(", so nothing was sent to it")
        what += "; name it in `allowed` of [hosts], if text may go there" if "is not on the list" in what else ""
        reader.note(("models", name, "url" if entry.url else "provider"), what)


def init_models(settings: Settings, *, force: bool) -> Path:
    """Write a first file, in which no model is asked yet.

    Raises:
        BadInput: there is a file already.
    """
    return write_first(settings.models_path, EXAMPLE, force=force)


def check_models(settings: Settings, file: Path | None) -> tuple[Path, Declared | None, tuple[Mistake, ...]]:
    """Everything that is wrong with a file; the one in force where none is named.

    Raises:
        BadInput: there is no file of that name.
        Misconfigured: none is in force, it cannot be read, or is not TOML.
    """
    path = present(file, settings.models_path, "models")
    return path, *examine_models(path)
