"""Actions in memory, for tests of what is around them: the same seam as `middlewatch.tools.actions.execution.Actions`.

It passes the contract tests in tests/contract/actions, counts what it carries out, and can be made to die or to answer badly at
every step. With a file, what it carried out outlives the process that it died in.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from middlewatch.records import ActionResult, Inspection, Order, Result, Scalar, Undo
from middlewatch.records.errors import MiddlewatchError, Unavailable
from middlewatch.tools.actions.catalogue import ActionCatalogue
from middlewatch.tools.actions.configuration import Configuration
from middlewatch.tools.actions.entries import undo_of
from middlewatch.tools.actions.preconditions import problem_of

STEPS = ("inspect", "before", "carried_out", "after", "probe")
"""Where a hook is called: before an inspection, before anything is sent, once it happened, once it is answered, before a probe."""

FAKE_CONFIGURATION: dict[str, Any] = {
    "webhook": {"fake": {"url": "http://127.0.0.1:9/hook", "secret": "fake"}},
    "targets": {
        name: {
            "min_replicas": 1,
            "max_replicas": 8,
            "webhook": {
                "connection": "fake",
                "actions": [
                    "open_ticket",
                    "scale_up",
                    "scale_down",
                    "restart_instance",
                    "restart_service",
                    "rollback_deploy",
                    "sync_application",
                    "set_flag",
                    "shed_traffic",
                    "drain_traffic",
                ],
            },
            "flags": {"dark_mode": {"safe": False}},
            "runbooks": ["clear_cache"],
        }
        for name in ("orders", "pricing", "storefront")
    },
    "runbooks": {
        "clear_cache": {
            "title": "Clear the cache",
            "tier": "low",
            "blast_radius": "The next requests are slower.",
            "mends": ["data"],
            "webhook": "fake",
        }
    },
}


def fake_configuration(*targets: str) -> Configuration:
    """Every action for each of the targets, and one runbook; for three targets of the tests where none is named."""
    one = next(iter(FAKE_CONFIGURATION["targets"].values()))
    return Configuration.model_validate({**FAKE_CONFIGURATION, **({"targets": dict.fromkeys(targets, one)} if targets else {})})


def fake_catalogue(*targets: str) -> ActionCatalogue:
    """The real catalogue over `fake_configuration`."""
    return ActionCatalogue.of(fake_configuration(*targets))


class FakeActions:
    """Every action on every target of a catalogue. Thread-safe."""

    def __init__(self, catalogue: ActionCatalogue, *, hook: Callable[[str], None] | None = None, file: Path | None = None) -> None:
        """Nothing has happened yet, unless the file says so.

        Args:
            catalogue: what is offered.
            hook: called with each name of `STEPS` as it is reached; may raise, kill the process, or wait.
            file: where what was carried out is kept, one JSON line each; in memory where it is None.
        """
        self.catalogue = catalogue
        self.hook = hook or (lambda _step: None)
        self.changed: Counter[str] = Counter()
        """How often somebody else changed a target: raise it to make its version another one."""
        self.away = False
        """Whether nothing answers."""
        self.lose: str = ""
        """The next run gets no clear answer: `before` it is carried out, or `after`."""
        self.problem = ""
        """Why nothing can be done, for the next inspections."""
        self._file = file
        self._lines: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    @property
    def executions(self) -> Counter[str]:
        """How often each digest was carried out. More than once is what must never happen."""
        return Counter(str(line["digest"]) for line in self._carried_out())

    def of(self, action: str, target: str) -> FakeAction:
        """One action on one target, as `Actions.of`."""
        self.catalogue.spec(action)
        self.catalogue.configuration.place(action, target)
        return FakeAction(self, action, target)

    def inspect(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> Inspection:
        self.hook("inspect")
        checked = self.catalogue.checked(action, target, parameters)
        if self.away:
            raise Unavailable("The fake is away.")
        version = self._version(action, target, checked)
        return Inspection(version=version, problem=self.problem or problem_of(action, checked, version, 1, 8))

    def run(self, order: Order) -> ActionResult:
        self.hook("before")
        if self.away:
            return ActionResult(result=Result.NOT_DONE, detail="Nothing was sent: the fake is away.")
        lost, self.lose = self.lose, ""
        if lost == "before":
            return ActionResult(result=Result.UNKNOWN, detail="The answer was lost.")
        with self._lock:
            why_not = "" if self.executions[order.digest] else self._carry_out(order)
        if why_not:
            return ActionResult(result=Result.NOT_DONE, detail=f"Nothing was sent: {why_not}")
        self.hook("carried_out")
        if lost == "after":
            return ActionResult(result=Result.UNKNOWN, detail="The answer was lost.")
        self.hook("after")
        return ActionResult(result=Result.DONE, reference=order.digest[:8])

    def _carry_out(self, order: Order) -> str:
        """Do it, or say why not."""
        try:
            checked = self.catalogue.checked(order.action, order.target, order.parameters)
        except MiddlewatchError as error:
            return error.message
        if checked != order.parameters or self._version(order.action, order.target, checked) != order.version:
            return "the target's revision changed."
        self._keep({"digest": order.digest, "action": order.action, "target": order.target, "parameters": checked})
        return ""

    def probe(self, order: Order) -> ActionResult:
        self.hook("probe")
        if self.away:
            return ActionResult(result=Result.UNKNOWN, detail="The fake is away.")
        done = bool(self.executions[order.digest])
        return ActionResult(result=Result.DONE if done else Result.NOT_DONE, reference=order.digest[:8] if done else "")

    def undo(self, order: Order) -> Undo | None:
        return undo_of(order)

    def _version(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """How the target is after all that was carried out. The same fields as a real target's, by action."""
        done = [line for line in self._carried_out() if line["target"] == target]
        replicas = 2 + sum(
            line["parameters"]["by"] * (1 if line["action"] == "scale_up" else -1)
            for line in done
            if line["action"].startswith("scale_")
        )
        flags = {line["parameters"]["flag"]: line["parameters"]["value"] for line in done if line["action"] == "set_flag"}
        shares = [line["parameters"]["percent"] for line in done if line["action"] == action and "percent" in line["parameters"]]
        version: dict[str, Scalar] = {"revision": len(done) + self.changed[target], "configuration": "fake"}
        match action:
            case "scale_up" | "scale_down":
                return {**version, "replicas": replicas}
            case "set_flag":
                return {**version, "value": bool(flags.get(parameters["flag"], True))}
            case "shed_traffic" | "drain_traffic":
                return {**version, "percent": shares[-1] if shares else 0}
            case _:
                return version

    def _carried_out(self) -> list[dict[str, Any]]:
        if self._file is None:
            return list(self._lines)
        return [json.loads(line) for line in self._file.read_text().splitlines()] if self._file.exists() else []

    def _keep(self, line: dict[str, Any]) -> None:
        if self._file is None:
            self._lines.append(line)
            return
        handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, json.dumps(line).encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)


class FakeAction:
    """One action on one target: implements `Executable`."""

    def __init__(self, actions: FakeActions, action: str, target: str) -> None:
        self._actions, self._action, self._target = actions, action, target

    def inspect(self, parameters: Mapping[str, Scalar]) -> Inspection:
        return self._actions.inspect(self._action, self._target, parameters)

    def run(self, order: Order) -> ActionResult:
        return self._actions.run(order)

    def probe(self, order: Order) -> ActionResult:
        return self._actions.probe(order)

    def undo(self, order: Order) -> Undo | None:
        return self._actions.undo(order)
