"""What each adapter is tested with: the adapter, the other end, and orders that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from middlewatch.records import ActionResult, Inspection, Order, Scalar, Undo
from middlewatch.tools.actions.configuration import Configuration
from middlewatch.tools.actions.credentials import Credentials
from middlewatch.tools.actions.entries import BUILT_IN
from middlewatch.tools.actions.execution import Actions
from tests.contract.actions import argocd_end, github_end
from tests.contract.actions.argocd_end import ArgoEnd
from tests.contract.actions.github_end import GitHubEnd
from tests.contract.actions.kubernetes_end import TOKEN, KubernetesEnd
from tests.contract.actions.loopback import CUT_AFTER, CUT_BEFORE, OtherEnd, served
from tests.contract.actions.remote_end import SECRET, RemoteEnd
from tests.fake_actions import FakeActions, fake_catalogue

TARGET = 'shop/orders "☃"'
"""An ordinary name of a service would hide what is not encoded."""
ALL_BUILT_IN = [*BUILT_IN]
Case = tuple[str, dict[str, Scalar]]
REMOTE_CASES: tuple[Case, ...] = (
    ("scale_up", {"by": 2}),
    ("set_flag", {"flag": "dark_mode", "value": False}),
    ("shed_traffic", {"percent": 20}),
    ("rollback_deploy", {}),
    ("restart_instance", {"instance": "orders-1"}),
    ("run_clear_cache", {}),
)


class Hands(Protocol):
    def inspect(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> Inspection: ...
    def run(self, order: Order) -> ActionResult: ...
    def probe(self, order: Order) -> ActionResult: ...
    def undo(self, order: Order) -> Undo | None: ...


@dataclass
class Bench:
    """One adapter with what it speaks to."""

    actions: Hands
    cases: tuple[Case, ...]
    carried_out: Callable[[], int]
    """How many changes the other end made."""
    change: Callable[[], None]
    """Somebody else changes the target."""
    lose: Callable[[bool], None]
    """The next answer to a change is lost; whether it was carried out before."""
    end: OtherEnd | None = None
    finish: Callable[[], None] = lambda: None
    """What was begun takes effect."""

    def order(self, case: Case, digest: str = "ab" * 32) -> Order:
        """An approved order for a case, with the version as it is now."""
        action, parameters = case
        seen = self.actions.inspect(action, TARGET, parameters)
        assert seen.problem == ""
        return Order(
            tenant="default",
            request="rq-1",
            digest=digest,
            action=action,
            target=TARGET,
            parameters=parameters,
            version=seen.version,
        )


def credentials(folder: Path, **contents: str) -> Credentials:
    folder.mkdir(mode=0o700)
    for name, content in contents.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(content + "\n")
    return Credentials(folder)


def actions_for(folder: Path, configuration: Mapping[str, Any], **contents: str) -> Actions:
    """The executor's side over a configuration of one target."""
    journal = folder / "journal"
    return Actions(Configuration.model_validate(dict(configuration)), credentials(folder / "credentials", **contents), journal)


def faulty(end: OtherEnd) -> Callable[[bool], None]:
    def lose(carried_out: bool) -> None:  # noqa: FBT001
        end.write_fault = CUT_AFTER if carried_out else CUT_BEFORE

    return lose


def nothing_to_lose(carried_out: bool) -> None:  # noqa: FBT001
    """A command gives no answer over a wire; what its journal may lack is in its own tests."""
    raise NotImplementedError(carried_out)


RUNBOOK = {"title": "Clear the cache", "tier": "low", "blast_radius": "The next requests are slower."}
COMMON = {"min_replicas": 1, "max_replicas": 8, "runbooks": ["clear_cache"]}


@contextmanager
def remote(folder: Path, kind: str, seconds: float) -> Iterator[Bench]:
    end = RemoteEnd(signed=kind == "webhook")
    with served(end, folder / "s" if kind == "supervisor" else None) as where:
        connection: dict[str, Any] = {"seconds": seconds}
        connection |= {"url": f"{where}/hook", "secret": "key"} if kind == "webhook" else {"socket": where}
        at = {"connection": "x", **({"actions": ALL_BUILT_IN} if kind == "webhook" else {})}
        configuration = {
            kind: {"x": connection},
            "targets": {TARGET: {**COMMON, kind: at, "flags": {"dark_mode": {"safe": False}}}},
            "runbooks": {"clear_cache": {**RUNBOOK, kind: "x"}},
        }

        def change() -> None:
            end.state = {"replicas": 3, "revision": 8, "dark_mode": False, "percent": 5}

        cases = tuple(case for case in REMOTE_CASES if kind == "webhook" or case[0] != "shed_traffic")
        contents = {"key": SECRET} if kind == "webhook" else {}
        yield Bench(actions_for(folder, configuration, **contents), cases, lambda: len(end.carried_out), change, faulty(end), end)


@contextmanager
def kubernetes(folder: Path, seconds: float) -> Iterator[Bench]:
    end = KubernetesEnd()
    with served(end) as url:
        at = {"connection": "x", "namespace": "shop", "deployment": "orders"}
        configuration = {
            "kubernetes": {"x": {"url": url, "token": "key", "seconds": seconds}},
            "targets": {TARGET: {"max_replicas": 8, "kubernetes": at}},
        }
        cases: tuple[Case, ...] = (
            ("scale_up", {"by": 2}),
            ("restart_instance", {"instance": "orders-1"}),
            ("restart_service", {}),
            ("rollback_deploy", {}),
            ("scale_down", {"by": 1}),
        )

        def change() -> None:
            end.deploy("orders:3")
            end.deployment["spec"]["replicas"] = 3

        actions = actions_for(folder, configuration, key=TOKEN)
        yield Bench(actions, cases, lambda: end.changes, change, faulty(end), end, end.settle)


@contextmanager
def argocd(folder: Path, seconds: float) -> Iterator[Bench]:
    end = ArgoEnd()
    with served(end) as url:
        configuration = {
            "argocd": {"x": {"url": url, "token": "key", "seconds": seconds}},
            "targets": {TARGET: {"argocd": {"connection": "x", "application": "orders-app"}}},
        }
        actions = actions_for(folder, configuration, key=argocd_end.TOKEN)
        cases: tuple[Case, ...] = (("rollback_deploy", {}), ("sync_application", {}))
        yield Bench(actions, cases, lambda: end.begun, end.sync_elsewhere, faulty(end), end, end.settle)


@contextmanager
def github(folder: Path, seconds: float) -> Iterator[Bench]:
    end = GitHubEnd()
    with served(end) as url:
        workflow = {"connection": "x", "file": "clear.yml", "ref": "main", "inputs": {"scope": "all"}}
        at = {"connection": "x", "labels": ["incident"]}
        configuration = {
            "github": {"x": {"repository": "acme/shop.operations", "url": url, "token": "key", "seconds": seconds}},
            "targets": {TARGET: {"github": at, "runbooks": ["clear_cache"]}},
            "runbooks": {"clear_cache": {**RUNBOOK, "workflow": workflow}},
        }

        def change() -> None:
            end.repository["id"] = 8

        actions = actions_for(folder, configuration, key=github_end.TOKEN)
        cases: tuple[Case, ...] = (("open_ticket", {"investigation": "inv-1"}), ("run_clear_cache", {}))
        yield Bench(actions, cases, lambda: end.changes, change, faulty(end), end, end.settle)


@contextmanager
def command(folder: Path, seconds: float) -> Iterator[Bench]:
    """A command that counts its runs in a file. What is lost of it is the note of its end, or of its beginning as well."""
    del seconds
    program, count = folder / "count", folder / "counted"
    program.write_text(f"#!/bin/sh\nprintf x >> '{count}'\n")
    program.chmod(0o700)
    runbook = {**RUNBOOK, "command": [str(program), "--all", "; touch /tmp/never"]}
    configuration = {"targets": {TARGET: {"runbooks": ["clear_cache"]}}, "runbooks": {"clear_cache": runbook}}

    def change() -> None:
        program.write_text("#!/bin/sh\nexit 3\n")

    def counted() -> int:
        return count.stat().st_size if count.exists() else 0

    yield Bench(actions_for(folder, configuration), (("run_clear_cache", {}),), counted, change, nothing_to_lose)


@contextmanager
def fake(folder: Path, seconds: float) -> Iterator[Bench]:
    del seconds
    actions = FakeActions(fake_catalogue(TARGET), file=folder / "world")

    def change() -> None:
        actions.changed[TARGET] += 1

    def lose(carried_out: bool) -> None:  # noqa: FBT001
        actions.lose = "after" if carried_out else "before"

    yield Bench(actions, REMOTE_CASES, lambda: sum(actions.executions.values()), change, lose)


BENCHES: dict[str, Callable[[Path, float], Any]] = {
    "webhook": lambda folder, seconds: remote(folder, "webhook", seconds),
    "supervisor": lambda folder, seconds: remote(folder, "supervisor", seconds),
    "kubernetes": kubernetes,
    "argocd": argocd,
    "github": github,
    "command": command,
    "fake": fake,
}
"""By the name of the adapter: a folder and the time limit of a call to a context with the bench."""
