"""What there is beside investigations: who asks, people, targets, recordings, the read-only tools, the version."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import Field, JsonValue

from middlewatch import __version__
from middlewatch.frontends.web.api.answers import answers, json_of
from middlewatch.frontends.web.api.callers import Calling
from middlewatch.records import (
    REPORT_FORMAT,
    ROLE_OF_TIER,
    ActionSpec,
    ImportedRecording,
    Principal,
    Record,
    RiskTier,
    Role,
    Tenant,
)
from middlewatch.toolbox import Tool

router = APIRouter()

API_VERSION = "v1"


class Me(Record):
    """Who asks, and what they may."""

    tenant: Tenant
    principal: Principal | None = Field(
        description="as policy has you now; null where it does not know you: then you may only look"
    )
    tiers: tuple[RiskTier, ...] = Field(
        description="that your role may decide on; a rule may ask for more: see `objection` of a card"
    )
    may_halt: bool
    may_resume: bool


class Version(Record):
    """What answers."""

    middlewatch: str
    api: str
    report: str = Field(description="the format of reports")


class People(Record):
    """Those whom policy names."""

    people: tuple[Principal, ...]


class Target(Record):
    """A service that something can be done to."""

    target: str
    actions: tuple[ActionSpec, ...]


class Targets(Record):
    """All of them."""

    targets: tuple[Target, ...]


class Recordings(Record):
    """The imported recordings."""

    recordings: tuple[ImportedRecording, ...]


class ToolCard(Record):
    """A read-only tool."""

    name: str
    title: str
    description: str
    arguments: dict[str, JsonValue] = Field(description="JSON schema of what it is asked")
    result: dict[str, JsonValue] = Field(description="JSON schema of what it answers")


class Tools(Record):
    """All of them."""

    tools: tuple[ToolCard, ...]


@router.get("/me", tags=["about"], response_model=Me, responses=answers())
def me(caller: Calling) -> Response:
    """Who you are to policy, and what your role may."""
    known = caller.principal
    tiers = tuple(tier for tier, least in ROLE_OF_TIER.items() if known and known.role.level >= least.level)
    return json_of(
        Me(
            tenant=caller.app.settings.tenant,
            principal=known,
            tiers=tiers,
            may_halt=known is not None,
            may_resume=known is not None and known.role is Role.MANAGER,
        )
    )


@router.get("/version", tags=["about"], response_model=Version, responses=answers())
def version(_caller: Calling) -> Response:
    """What answers here."""
    return json_of(Version(middlewatch=__version__, api=API_VERSION, report=REPORT_FORMAT))


@router.get("/people", tags=["about"], response_model=People, responses=answers())
def people(caller: Calling) -> Response:
    """Those whom policy names, for handing over to them."""
    return json_of(People(people=caller.app.approvals.people()))


@router.get("/targets", tags=["approvals"], response_model=Targets, responses=answers())
def targets(caller: Calling) -> Response:
    """What can be done to which service. Empty where no actions are configured."""
    approvals = caller.app.approvals
    return json_of(
        Targets(
            targets=tuple(
                Target(target=name, actions=tuple(approvals.spec(action) for action in approvals.offers(name)))
                for name in approvals.targets()
            )
        )
    )


@router.get("/recordings", tags=["telemetry"], response_model=Recordings, responses=answers())
def recordings(caller: Calling) -> Response:
    """The imported recordings and their incidents. `middlewatch investigate --recording DIR` imports one."""
    return json_of(Recordings(recordings=caller.app.recordings()))


@router.get("/tools", tags=["telemetry"], response_model=Tools, responses=answers())
def tools(caller: Calling) -> Response:
    """The typed, read-only tools over the telemetry: those that the agents use."""
    return json_of(Tools(tools=tuple(map(_tool_card, caller.app.toolbox.tools.values()))))


@cache
def _tool_card(tool: Tool) -> ToolCard:
    """A schema takes milliseconds to make, and does not change."""
    return ToolCard(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        arguments=tool.arguments.model_json_schema(),
        result=tool.result.model_json_schema(mode="serialization"),
    )


@router.post("/tools/{tool}", tags=["telemetry"], response_model=dict[str, Any], responses=answers(404))
def ask(
    tool: Annotated[str, Path(pattern=r"^[a-z_]{1,64}$", description="its name; GET /api/v1/tools lists them")],
    body: dict[str, JsonValue],
    caller: Calling,
) -> Response:
    """Ask a tool. It changes nothing; what it reads of an investigation ends where its window does."""
    return json_of(caller.app.toolbox.call(tool, body))
