"""Slack: investigations, their approvals and decisions, in one channel of one workspace."""

from middlewatch.frontends.slack.face import SlackFace, is_configured, slack_face

__all__ = ["SlackFace", "is_configured", "slack_face"]
