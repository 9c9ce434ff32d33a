"""The catalogue: every action there is, which target offers it, and what exactly would run. Opens no credential."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pydantic import ValidationError

from middlewatch.records import ActionName, ActionSpec, Anomaly, Scalar, digest_of
from middlewatch.records.errors import Refused
from middlewatch.records.misfit import misfit_words
from middlewatch.tools.actions.configuration import Configuration, Runbook
from middlewatch.tools.actions.entries import ENTRIES, RUNBOOK_PREFIX, Entry
from middlewatch.tools.actions.parameters import NoParameters
from middlewatch.tools.wording import quoted


@dataclass(frozen=True, slots=True)
class CatalogueAction:
    """One entry with the configuration: implements `Action`."""

    entry: Entry
    configuration: Configuration

    @property
    def spec(self) -> ActionSpec:
        return self.entry.spec

    def checked(self, target: str, parameters: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """See `Action`."""
        self.configuration.place(self.spec.id, target)
        try:
            model = self.entry.model.model_validate(dict(parameters))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = ".".join(quoted(str(part)) for part in first["loc"])
            raise Refused(f"{self.spec.id} does not take {name}: {misfit_words(first)}.", remedy="See its parameters.") from None
        checked: dict[str, Scalar] = model.model_dump()
        found = self.configuration.target(target)
        if self.spec.id == "set_flag" and checked["flag"] not in found.flags:
            raise Refused(f"{quoted(target)} has no flag {quoted(str(checked['flag']))} in the configuration.")
        room = found.max_replicas - found.min_replicas
        if self.spec.id in {"scale_up", "scale_down"} and int(checked["by"]) > room:
            raise Refused(f"{quoted(target)} is kept between {found.min_replicas} and {found.max_replicas} instances.")
        return checked

    def plan(self, target: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar]) -> tuple[str, ...]:
        """See `Action`."""
        checked = self.checked(target, parameters)
        return tuple(
            str(step) for step in self.configuration.place(self.spec.id, target).steps(self.spec.id, target, checked, version)
        )


@dataclass(frozen=True, slots=True)
class ActionCatalogue:
    """Implements `middlewatch.approval.catalogue.Catalogue`. Names match whole."""

    actions: Mapping[ActionName, CatalogueAction]
    configuration: Configuration

    @classmethod
    def of(cls, configuration: Configuration) -> Self:
        """The entries that are the same everywhere, and one for each runbook of the configuration."""
        entries = (*ENTRIES, *(_entry(name, runbook) for name, runbook in configuration.runbooks.items()))
        return cls({entry.spec.id: CatalogueAction(entry, configuration) for entry in entries}, configuration)

    @property
    def digest(self) -> str:
        """SHA-256 over all entries."""
        return digest_of(*(action.spec.digest for action in self.actions.values()))

    def spec(self, action: str) -> ActionSpec:
        """See `Catalogue`."""
        return self._action(action).spec

    def offers(self, target: str) -> tuple[str, ...]:
        """See `Catalogue`: built-in actions of the lowest tier first, then the target's runbooks."""
        return self.configuration.offers(target)

    def checked(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """See `Catalogue`."""
        return self._action(action).checked(target, parameters)

    def plan(self, action: str, target: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar]) -> tuple[str, ...]:
        """See `Catalogue`."""
        return self._action(action).plan(target, parameters, version)

    def parameters_to_undo(self, action: str, target: str, change: Anomaly) -> dict[str, Scalar] | None:
        """See `Catalogue`. The change's text only selects among the flags that the operator configured, by their exact names."""
        if change.change is None or change.service != target or action not in self.offers(target):
            return None
        if change.change not in self.spec(action).undoes:
            return None
        if action != "set_flag":
            return {}
        flags = self.configuration.target(target).flags
        named = [flag for flag in flags if _names(change, flag)]
        return {"flag": named[0], "value": flags[named[0]].safe} if len(named) == 1 else None

    def _action(self, name: str) -> CatalogueAction:
        found = self.actions.get(name)
        if found is None:
            raise Refused(f"There is no action {quoted(name)}.", remedy="Names match whole.")
        return found


def _names(change: Anomaly, flag: str) -> bool:
    """Whether the text of a change has a flag's name, whole: `new` is not in `new-basket`."""
    whole = re.compile(rf"(?<![\w.-]){re.escape(flag)}(?![\w-]|\.\w)")
    return any(whole.search(text) for text in (change.subject, *(sample.text for sample in change.samples)))


def _entry(name: str, runbook: Runbook) -> Entry:
    return Entry.of(
        f"{RUNBOOK_PREFIX}{name}",
        runbook.title,
        runbook.tier,
        NoParameters,
        blast_radius=runbook.blast_radius,
        precondition=runbook.precondition,
        effect=runbook.effect,
        mends=runbook.mends,
    )
