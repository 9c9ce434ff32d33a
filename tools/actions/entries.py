"""The entries of the catalogue that are the same everywhere. Runbooks are entries too; those come from the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from middlewatch.records import ActionName, ActionSpec, CauseKind, ChangeKind, RiskTier, Scalar, Undo
from middlewatch.records.action import Order
from middlewatch.tools.actions.parameters import (
    FlagParameters,
    InstanceParameters,
    NoParameters,
    Parameters,
    ScaleParameters,
    TicketParameters,
    TrafficParameters,
)

RUNBOOK_PREFIX = "run_"
"""A runbook `x` of the configuration is the action `run_x`, an entry of its own: its tier and its digest are its own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry and the model of its parameters."""

    spec: ActionSpec
    model: type[Parameters]

    @classmethod
    def of(  # noqa: PLR0913  an entry has that many columns; they are named at every call
        cls,
        action: ActionName,
        title: str,
        tier: RiskTier,
        model: type[Parameters],
        *,
        blast_radius: str,
        precondition: str,
        effect: str,
        undo: ActionName | None = None,
        undoes: tuple[ChangeKind, ...] = (),
        mends: tuple[CauseKind, ...] = (),
    ) -> Entry:
        """An entry whose parameters' schema is that of its model."""
        spec = ActionSpec(
            id=action,
            title=title,
            tier=tier,
            parameters_schema=model.model_json_schema(),
            blast_radius=blast_radius,
            precondition=precondition,
            effect=effect,
            undo=undo,
            undoes=undoes,
            mends=mends,
        )
        return cls(spec, model)


ENTRIES: tuple[Entry, ...] = (
    Entry.of(
        "open_ticket",
        "Open a ticket",
        RiskTier.INFO,
        TicketParameters,
        blast_radius="Nothing that serves traffic; whoever reads the tracker is told.",
        precondition="The tracker takes new tickets.",
        effect="The tracker has a ticket that names the request.",
        mends=tuple(CauseKind),
    ),
    Entry.of(
        "scale_up",
        "Add instances",
        RiskTier.LOW,
        ScaleParameters,
        blast_radius="The target gets more instances, up to its configured most; what it depends on gets more connections.",
        precondition="The target can be scaled, nothing else scales it, and its configured most allows it.",
        effect="As many instances as asked for are available.",
        undo="scale_down",
        mends=(CauseKind.LOAD, CauseKind.SATURATION),
    ),
    Entry.of(
        "restart_instance",
        "Restart one instance",
        RiskTier.LOW,
        InstanceParameters,
        blast_radius="One instance ends and is replaced; its requests under way may fail.",
        precondition="The instance runs and belongs to the target.",
        effect="The instance of before is gone and the target has all of its instances available.",
        mends=(CauseKind.SATURATION, CauseKind.INFRASTRUCTURE),
    ),
    Entry.of(
        "restart_service",
        "Restart a service",
        RiskTier.MEDIUM,
        NoParameters,
        blast_radius="All instances of the target are replaced, a few at a time; caches start empty.",
        precondition="The target exists and its rollouts are not paused.",
        effect="Every instance was replaced and is available.",
        mends=(CauseKind.SATURATION,),
    ),
    Entry.of(
        "rollback_deploy",
        "Roll back a deploy",
        RiskTier.MEDIUM,
        NoParameters,
        blast_radius="All instances of the target are replaced by the version before; newer data or calls may not suit it.",
        precondition="There is an earlier version, and no other rollout is held back or enforced by something else.",
        effect="Every instance runs the earlier version and is available.",
        undo="rollback_deploy",
        undoes=(ChangeKind.DEPLOY,),
    ),
    Entry.of(
        "sync_application",
        "Bring an application to its declared state",
        RiskTier.MEDIUM,
        NoParameters,
        blast_radius="Everything of the application that differs from its declared state is changed; nothing is deleted.",
        precondition="The application differs from its declared state and does not sync by itself.",
        effect="The application was synced to the approved revision.",
        undo="rollback_deploy",
        undoes=(ChangeKind.CONFIG,),
    ),
    Entry.of(
        "set_flag",
        "Switch a feature flag",
        RiskTier.MEDIUM,
        FlagParameters,
        blast_radius="Everything that reads the flag of the target behaves the other way from then on.",
        precondition="The target has the flag, and it has the other value now.",
        effect="The flag has the value.",
        undo="set_flag",
        undoes=(ChangeKind.FLAG,),
    ),
    Entry.of(
        "scale_down",
        "Remove instances",
        RiskTier.HIGH,
        ScaleParameters,
        blast_radius="Instances of the target end; those that are left carry its load.",
        precondition="The target can be scaled, nothing else scales it, and its configured least is kept.",
        effect="No more instances than asked for are left, and those are available.",
        undo="scale_up",
    ),
    Entry.of(
        "shed_traffic",
        "Shed traffic",
        RiskTier.HIGH,
        TrafficParameters,
        blast_radius="A share of the requests to the target is refused; users see it.",
        precondition="What stands before the target can refuse requests for it.",
        effect="What stands before the target reports the share.",
        undo="shed_traffic",
        mends=(CauseKind.LOAD, CauseKind.SATURATION),
    ),
    Entry.of(
        "drain_traffic",
        "Drain traffic",
        RiskTier.HIGH,
        TrafficParameters,
        blast_radius="A share of the requests to the target goes elsewhere; what takes it carries more load.",
        precondition="There is somewhere else for the traffic to go.",
        effect="What stands before the target reports the share.",
        undo="drain_traffic",
        mends=(CauseKind.INFRASTRUCTURE, CauseKind.NETWORK),
    ),
)
"""Lowest tier first."""

BUILT_IN: dict[ActionName, Entry] = {entry.spec.id: entry for entry in ENTRIES}


def undo_of(order: Order) -> Undo | None:
    """The action that takes an order back, out of what was approved: the version holds how things were before."""
    entry = BUILT_IN.get(order.action)
    if entry is None or entry.spec.undo is None:
        return None
    parameters = _former(order)
    return None if parameters is None else Undo(action=entry.spec.undo, parameters=parameters)


def _former(order: Order) -> dict[str, Scalar] | None:
    """The parameters of the undo; None where it is not known how things were."""
    match order.action:
        case "scale_up" | "scale_down":
            return {"by": order.parameters["by"]}
        case "set_flag":
            value = order.version.get("value")
            return {"flag": order.parameters["flag"], "value": value} if isinstance(value, bool) else None
        case "shed_traffic" | "drain_traffic":
            percent = order.version.get("percent")
            return {"percent": percent} if isinstance(percent, int) and not isinstance(percent, bool) else None
        case _:
            return {}
