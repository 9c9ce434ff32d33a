"""Invariants: what is not in the catalogue, not offered or not of the schema is refused, and any change of an entry is seen."""

from __future__ import annotations

import ast
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from middlewatch.approval.catalogue import Catalogue
from middlewatch.records import (
    Anomaly,
    AnomalyKind,
    CauseKind,
    ChangeKind,
    Order,
    Query,
    RiskTier,
    Sample,
    Scalar,
    Undo,
    Window,
    digest_of,
)
from middlewatch.records.errors import Refused
from middlewatch.tools.actions.action import segment
from middlewatch.tools.actions.catalogue import ActionCatalogue
from middlewatch.tools.actions.entries import ENTRIES, undo_of
from middlewatch.tools.actions.preconditions import problem_of
from tests.fake_actions import fake_catalogue, fake_configuration

CATALOGUE = fake_catalogue()
WINDOW = Window(start=datetime(2026, 1, 1, 10, tzinfo=UTC), end=datetime(2026, 1, 1, 11, tzinfo=UTC))


def change(kind: ChangeKind | None, text: str = "", *, service: str = "orders") -> Anomaly:
    return Anomaly(
        kind=AnomalyKind.CHANGE,
        service=service,
        subject=f"{kind} at 2026-01-01T10:30:00+00:00",
        strength=1.0,
        window=WINDOW,
        summary="a change",
        change=kind,
        query=Query(source="test", name="changes", window=WINDOW),
        samples=(Sample(time=WINDOW.start, text=text),),
    )


def order(action: str, parameters: dict[str, Scalar], version: dict[str, Scalar]) -> Order:
    return Order(
        tenant="default", request="rq-1", digest="0" * 64, action=action, target="orders", parameters=parameters, version=version
    )


def test_it_is_what_the_gateway_asks_for() -> None:
    catalogue: Catalogue = CATALOGUE
    assert catalogue.spec("scale_up").tier is RiskTier.LOW


def test_tiers_are_those_of_the_design() -> None:
    tiers = {entry.spec.id: entry.spec.tier.value for entry in ENTRIES}
    assert tiers == {
        "open_ticket": "info",
        "scale_up": "low",
        "restart_instance": "low",
        "restart_service": "medium",
        "rollback_deploy": "medium",
        "sync_application": "medium",
        "set_flag": "medium",
        "scale_down": "high",
        "shed_traffic": "high",
        "drain_traffic": "high",
    }


def test_entries_say_everything_and_stand_lowest_tier_first() -> None:
    specs = [entry.spec for entry in ENTRIES]
    assert [spec.tier.level for spec in specs] == sorted(spec.tier.level for spec in specs)
    assert all(spec.blast_radius and spec.precondition and spec.effect for spec in specs)
    assert {spec.undo for spec in specs} - {None} <= {spec.id for spec in specs}
    assert set(CATALOGUE.spec("open_ticket").mends) == set(CauseKind)


@pytest.mark.parametrize("entry", [entry.spec for entry in ENTRIES], ids=lambda spec: spec.id)
def test_every_field_of_an_entry_is_in_its_digest(entry: object) -> None:
    spec = next(e.spec for e in ENTRIES if e.spec is entry)
    others = {
        "id": "other",
        "title": "Other",
        "tier": RiskTier.HIGH if spec.tier is not RiskTier.HIGH else RiskTier.LOW,
        "parameters_schema": {},
        "blast_radius": "other",
        "precondition": "other",
        "effect": "other",
        "undo": "other",
        "undoes": (ChangeKind.MIGRATION,),
        "mends": (CauseKind.DATA,),
    }
    assert set(others) == set(type(spec).model_fields)
    for name, value in others.items():
        assert spec.model_copy(update={name: value}).digest != spec.digest


def test_the_catalogues_digest_is_of_all_entries() -> None:
    assert CATALOGUE.digest == fake_catalogue().digest == digest_of(*(action.spec.digest for action in CATALOGUE.actions.values()))
    configuration = fake_configuration()
    runbook = configuration.runbooks["clear_cache"].model_copy(update={"blast_radius": "Everything."})
    changed = ActionCatalogue.of(configuration.model_copy(update={"runbooks": {"clear_cache": runbook}}))
    assert changed.digest != CATALOGUE.digest
    assert changed.spec("run_clear_cache").digest != CATALOGUE.spec("run_clear_cache").digest


@pytest.mark.parametrize(
    ("action", "parameters", "checked"),
    [
        ("scale_up", {}, {"by": 1}),
        ("scale_up", {"by": 3}, {"by": 3}),
        ("restart_service", {}, {}),
        ("restart_instance", {"instance": "orders-7c9-x2"}, {"instance": "orders-7c9-x2"}),
        ("set_flag", {"flag": "dark_mode", "value": False}, {"flag": "dark_mode", "value": False}),
        ("shed_traffic", {"percent": 30}, {"percent": 30}),
        ("open_ticket", {}, {"investigation": ""}),
        ("run_clear_cache", {}, {}),
    ],
)
def test_what_fits_comes_back_with_its_defaults(action: str, parameters: dict[str, Scalar], checked: dict[str, Scalar]) -> None:
    assert CATALOGUE.checked(action, "orders", parameters) == checked
    jsonschema.validate(checked, CATALOGUE.spec(action).parameters_schema)
    assert CATALOGUE.checked(action, "orders", checked) == checked


@pytest.mark.parametrize(
    ("action", "target", "parameters"),
    [
        ("scale_up", "orders", {"by": 0}),
        ("scale_up", "orders", {"by": 8}),
        ("scale_up", "orders", {"by": "2"}),
        ("scale_up", "orders", {"by": True}),
        ("scale_up", "orders", {"by": 2.0}),
        ("scale_up", "orders", {"by": 1, "force": True}),
        ("scale_up", "unknown", {}),
        ("scale", "orders", {}),
        ("restart_instance", "orders", {}),
        ("restart_instance", "orders", {"instance": "../x"}),
        ("restart_instance", "orders", {"instance": "orders-1\n"}),
        ("set_flag", "orders", {"flag": "other", "value": False}),
        ("set_flag", "orders", {"flag": "dark_mode", "value": 0}),
        ("shed_traffic", "orders", {"percent": 101}),
        ("open_ticket", "orders", {"investigation": "inv 1; rm"}),
        ("run_clear_cache", "orders", {"path": "/"}),
        ("run_other", "orders", {}),
    ],
)
def test_what_does_not_fit_is_refused(action: str, target: str, parameters: dict[str, Scalar]) -> None:
    with pytest.raises(Refused):
        CATALOGUE.checked(action, target, parameters)
    with pytest.raises(Refused):
        CATALOGUE.plan(action, target, parameters, {})


def test_what_a_target_does_not_offer_is_refused() -> None:
    configuration = fake_configuration()
    only = configuration.targets["orders"].webhook
    assert only is not None
    target = configuration.targets["orders"].model_copy(update={"webhook": only.model_copy(update={"actions": ("scale_up",)})})
    catalogue = ActionCatalogue.of(configuration.model_copy(update={"targets": {"orders": target}}))
    assert catalogue.checked("scale_up", "orders", {}) == {"by": 1}
    with pytest.raises(Refused, match="does not offer"):
        catalogue.checked("restart_service", "orders", {})


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_no_segment_of_a_path_leads_elsewhere(name: str) -> None:
    assert segment("a/b?c#d e") == "a%2Fb%3Fc%23d%20e"
    with pytest.raises(Refused):
        segment(name)


def test_a_plan_shows_the_call_in_full() -> None:
    version: dict[str, Scalar] = {"replicas": 2, "configuration": "c"}
    body = (
        '{"action":"scale_up","parameters":{"by":2},"request":"<digest of this request>","target":"orders","v":1,'
        '"version":{"replicas":2}}'
    )
    shown = CATALOGUE.plan("scale_up", "orders", {"by": 2}, version)
    assert shown == (f"POST http://127.0.0.1:9/hook/run application/json {body}",)


@pytest.mark.parametrize(
    ("action", "recorded", "parameters"),
    [
        ("rollback_deploy", change(ChangeKind.DEPLOY), {}),
        ("rollback_deploy", change(ChangeKind.FLAG), None),
        ("rollback_deploy", change(None), None),
        ("rollback_deploy", change(ChangeKind.DEPLOY, service="pricing"), None),
        ("sync_application", change(ChangeKind.CONFIG), {}),
        ("scale_up", change(ChangeKind.SCALE), None),
        ("set_flag", change(ChangeKind.FLAG, "flag dark_mode on"), {"flag": "dark_mode", "value": False}),
        ("set_flag", change(ChangeKind.FLAG, "flag 'dark_mode'."), {"flag": "dark_mode", "value": False}),
        ("set_flag", change(ChangeKind.FLAG, "flag dark_mode_2 on"), None),
        ("set_flag", change(ChangeKind.FLAG, "flag very-dark_mode on"), None),
        ("set_flag", change(ChangeKind.FLAG, "flag dark_mode.beta on"), None),
        ("set_flag", change(ChangeKind.FLAG, 'set_flag {"flag": "other", "value": true}'), None),
        ("set_flag", change(ChangeKind.CONFIG, "flag dark_mode on"), None),
    ],
)
def test_text_of_a_change_only_selects_a_configured_flag(
    action: str, recorded: Anomaly, parameters: dict[str, Scalar] | None
) -> None:
    assert CATALOGUE.parameters_to_undo(action, "orders", recorded) == parameters


def test_two_flags_in_a_text_select_none() -> None:
    configuration = fake_configuration()
    target = configuration.targets["orders"]
    flags = {**target.flags, "beta": target.flags["dark_mode"]}
    both = configuration.model_copy(update={"targets": {"orders": target.model_copy(update={"flags": flags})}})
    assert (
        ActionCatalogue.of(both).parameters_to_undo("set_flag", "orders", change(ChangeKind.FLAG, "dark_mode and beta on")) is None
    )


@pytest.mark.parametrize(
    ("action", "parameters", "version", "undo"),
    [
        ("scale_up", {"by": 2}, {"replicas": 3}, Undo(action="scale_down", parameters={"by": 2})),
        ("scale_down", {"by": 1}, {"replicas": 3}, Undo(action="scale_up", parameters={"by": 1})),
        (
            "set_flag",
            {"flag": "a", "value": False},
            {"value": True},
            Undo(action="set_flag", parameters={"flag": "a", "value": True}),
        ),
        ("set_flag", {"flag": "a", "value": False}, {}, None),
        ("shed_traffic", {"percent": 30}, {"percent": 5}, Undo(action="shed_traffic", parameters={"percent": 5})),
        ("drain_traffic", {"percent": 30}, {"percent": True}, None),
        ("rollback_deploy", {}, {}, Undo(action="rollback_deploy")),
        ("restart_service", {}, {}, None),
        ("open_ticket", {"investigation": ""}, {}, None),
        ("run_clear_cache", {}, {}, None),
    ],
)
def test_what_takes_an_order_back(
    action: str, parameters: dict[str, Scalar], version: dict[str, Scalar], undo: Undo | None
) -> None:
    assert undo_of(order(action, parameters, version)) == undo
    if undo is not None:
        assert undo.action == CATALOGUE.spec(action).undo


@pytest.mark.parametrize(
    ("action", "parameters", "version", "says"),
    [
        ("scale_up", {"by": 2}, {"replicas": 6}, ""),
        ("scale_up", {"by": 3}, {"replicas": 6}, "more than the configured 8"),
        ("scale_down", {"by": 1}, {"replicas": 2}, ""),
        ("scale_down", {"by": 1}, {"replicas": 1}, "fewer than the configured 1"),
        ("scale_down", {"by": 1}, {}, "not known"),
        ("scale_up", {"by": 1}, {"replicas": True}, "not known"),
        ("scale_up", {"by": 1}, {"replicas": "2"}, "not known"),
        ("set_flag", {"flag": "a", "value": False}, {"value": False}, "already"),
        ("set_flag", {"flag": "a", "value": False}, {"value": True}, ""),
        ("set_flag", {"flag": "a", "value": False}, {"value": 0}, ""),
        ("shed_traffic", {"percent": 5}, {"percent": 5}, "already"),
        ("drain_traffic", {"percent": 5}, {"percent": 0}, ""),
        ("restart_service", {}, {}, ""),
    ],
)
def test_what_the_version_of_a_target_speaks_against(
    action: str, parameters: dict[str, Scalar], version: dict[str, Scalar], says: str
) -> None:
    problem = problem_of(action, parameters, version, 1, 8)
    assert (says in problem) if says else problem == ""


def test_the_gateways_side_loads_no_credentials_and_no_client() -> None:
    program = (
        "import sys; import middlewatch.tools.actions.catalogue; "
        "print([m for m in sys.modules if m == 'httpx' or m.endswith(('actions.execution', 'actions.wire', 'actions.command'))])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_only_the_adapters_of_http_and_the_one_of_commands_touch_the_world() -> None:
    folder = Path(__file__).resolve().parents[4] / "tools" / "actions"
    touching: dict[str, set[str]] = {"socket": set(), "subprocess": set(), "httpx": set()}
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            for name in set(names) & set(touching):
                touching[name].add(file.name)
    assert touching == {"socket": {"wire.py"}, "subprocess": {"command.py"}, "httpx": {"wire.py"}}
    assert not any("shell=True" in file.read_text() or "os.system" in file.read_text() for file in folder.glob("*.py"))
