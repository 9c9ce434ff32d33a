"""What `middlewatch doctor` says of Slack."""

from __future__ import annotations

import logging

from middlewatch.doctor import Check, Health
from middlewatch.frontends.slack.face import is_configured, refuse_half
from middlewatch.frontends.slack.web_api import Slack, SlackDown, SlackRefused, advice
from middlewatch.records.errors import MiddlewatchError
from middlewatch.settings import Settings


def check_slack(settings: Settings) -> tuple[Check, ...]:
    """Whether the token, the workspace and the channel fit; nothing where Slack is not configured."""
    if not is_configured(settings):
        return ()
    try:
        refuse_half(settings)
        return (_connected(settings, Slack(settings, logger=logging.getLogger(__name__))),)
    except MiddlewatchError as error:
        return (Check(name="slack", health=Health.BROKEN, found=error.message, remedy=error.remedy),)
    except SlackDown as problem:
        return (Check(name="slack", health=Health.NOTICE, found=f"Slack does not answer: {problem}", remedy="Look again later."),)
    except SlackRefused as problem:
        remedy = advice(problem) or "See docs/slack.md."
        return (Check(name="slack", health=Health.BROKEN, found=f"Slack refuses it: {problem}", remedy=remedy),)


def _connected(settings: Settings, slack: Slack) -> Check:
    team, _ = slack.whoami()
    if team != settings.slack_team:
        found = f"the bot's token is of the workspace {team}, and MIDDLEWATCH_SLACK_TEAM is {settings.slack_team}"
        return Check(name="slack", health=Health.BROKEN, found=found, remedy="Set both to the same workspace.")
    slack.look_into(settings.slack_channel or "")
    way = "Socket Mode" if settings.slack_app_token else "HTTP, at /slack/events"
    return Check(name="slack", health=Health.OK, found=f"the bot is in {settings.slack_channel} of {team}; {way}")
