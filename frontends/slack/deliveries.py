"""What Slack delivers, read: clicks, modals that were sent in, and commands. What has another shape is refused."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

UserId = Annotated[str, StringConstraints(pattern=r"^[UW][A-Z0-9]{1,31}$")]
TeamId = Annotated[str, StringConstraints(pattern=r"^[TE][A-Z0-9]{1,31}$")]
ChannelId = Annotated[str, StringConstraints(pattern=r"^[CGD][A-Z0-9]{1,31}$")]
Text = Annotated[str, StringConstraints(max_length=4000)]
Ts = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}\.[0-9]{1,9}$")]
Trigger = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Team(_Shape):
    """A workspace."""

    id: TeamId


class User(_Shape):
    """Who did it. Names are among what is ignored."""

    id: UserId
    team_id: TeamId | None = None


class Person(_Shape):
    """Who did it, and where; a shared channel has people of several workspaces."""

    user: User
    team: Team | None = None

    def identity(self, served: str) -> str:
        """As policy knows them; empty where they are not of the workspace that is served."""
        teams = {team for team in (self.user.team_id, self.team.id if self.team else None) if team}
        return f"slack:{served}/{self.user.id}" if teams == {served} else ""


class Channel(_Shape):
    """Where a message is."""

    id: ChannelId


class Message(_Shape):
    """The one that the button is on."""

    ts: Ts
    thread_ts: Ts | None = None


class Action(_Shape):
    """A button."""

    action_id: Text
    value: Text = ""


class Clicked(Person):
    """Somebody clicked a button."""

    type: Literal["block_actions"]
    trigger_id: Trigger
    actions: Annotated[list[Action], Field(min_length=1, max_length=20)]
    channel: Channel | None = None
    message: Message | None = None


class _Value(_Shape):
    value: Text | None = None


class _State(_Shape):
    values: dict[str, dict[str, _Value]] = Field(default_factory=dict)


class View(_Shape):
    """A modal."""

    callback_id: Text
    private_metadata: Text = ""
    state: _State = Field(default_factory=_State)


class Submitted(Person):
    """Somebody sent a modal in."""

    type: Literal["view_submission"]
    view: View

    def text(self, block: str) -> str:
        """What was typed into the one input of a block."""
        return next((one.value or "" for one in self.view.state.values.get(block, {}).values()), "")


class Commanded(_Shape):
    """Somebody typed a command."""

    command: Text
    text: Text = ""
    team_id: TeamId
    user_id: UserId
    trigger_id: Trigger

    def identity(self, served: str) -> str:
        """As policy knows them; empty where they are not of the workspace that is served."""
        return f"slack:{served}/{self.user_id}" if self.team_id == served else ""


class Verified(_Shape):
    """Slack looks whether the address is ours."""

    type: Literal["url_verification"]
    challenge: Text


Delivery = Clicked | Submitted | Commanded | Verified
_DELIVERY: TypeAdapter[Delivery] = TypeAdapter(Delivery)


def read(body: object) -> Delivery | None:
    """A delivery; None where it is nothing that Slack sends us."""
    try:
        return _DELIVERY.validate_python(body)
    except ValidationError:
        return None
