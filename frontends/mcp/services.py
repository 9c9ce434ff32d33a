"""The tool that tells how declared services do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from middlewatch.frontends import health_wording as words
from middlewatch.frontends.mcp.serving_tools import tool_of
from middlewatch.frontends.mcp.untrusted import Ours
from middlewatch.records import BudgetState, Exhaustion, ObjectiveKind, Record, ServiceHealth, Usage
from middlewatch.records.errors import BadInput

if TYPE_CHECKING:
    from mcp.server.mcpserver.tools import Tool

    from middlewatch.app import App


class BudgetTold(Record):
    """One objective."""

    objective: str
    kind: ObjectiveKind
    journey: str = ""
    target: float
    budget_left: float | None = Field(description="share of the error budget; below 0 where it is overdrawn, null for unknown")
    state: BudgetState | None
    burning: Ours = Field(description="how many times as fast as it lasts the budget is spent, by window")
    alert: Ours = Field(default="", description="the burn-rate alert that fires")


class ServiceTold(Record):
    """One service. Null is unknown: nothing was reported."""

    service: str
    tier: int = Field(description="1: money, and everybody notices; 4: nobody does for a day")
    per_second: float | None
    error_share: float | None
    p99_ms: float | None
    saturation: Usage | None = Field(description="the fullest of its limited resources")
    exhaustions: tuple[Exhaustion, ...] = Field(description="what fills up steadily, and when it is full")
    budgets: tuple[BudgetTold, ...]
    maintenance: str = ""


class HealthTold(Record):
    """The declared services, those first on which most hangs."""

    services: tuple[ServiceTold, ...]


class Services:
    """The tools of this module, over one application."""

    def __init__(self, app: App) -> None:
        self._app = app

    def tools(self) -> list[Tool]:
        """All of them."""
        return [tool_of(self.service_health, title="Health of services")]

    def service_health(
        self,
        *,
        service: Annotated[str | None, Field(description="only this one, by its name or an alias of it", max_length=256)] = None,
    ) -> HealthTold:
        """Say how the declared services do: requests, errors, latency, saturation, error budgets, and what will be full soon.

        Only services that the team declared in services.toml are known here; list_services has all that telemetry knows.
        """
        named = None if service is None else self._app.service_catalogue.named(service)
        if named == "":
            raise BadInput(f"No service {service!r} is declared.", remedy="Ask without a service for those that are.")
        found = self._app.health.services()
        return HealthTold(services=tuple(_told(one) for one in found if named in {None, one.service}))


def _told(health: ServiceHealth) -> ServiceTold:
    return ServiceTold(
        service=health.service,
        tier=health.tier,
        per_second=health.per_second,
        error_share=health.error_share,
        p99_ms=health.p99_ms,
        saturation=health.saturation,
        exhaustions=health.exhaustions,
        maintenance=health.maintenance,
        budgets=tuple(
            BudgetTold(
                objective=one.objective.name,
                kind=one.objective.kind,
                journey=one.objective.journey,
                target=one.objective.target,
                budget_left=one.left,
                state=one.state,
                burning=words.burning(one),
                alert=one.firing,
            )
            for one in health.budgets
        ),
    )
