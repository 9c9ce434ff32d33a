"""Slack's Web API, as far as it is used: post, edit, delete and find messages, tell one person, open a modal.

No call is repeated here. A call whose answer was lost may have been done: who posts looks for the message before posting again.
"""

from __future__ import annotations

import http.client
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from middlewatch.frontends.slack.blocks import Block, Content
from middlewatch.settings import Settings

CALL_SECONDS = 5
"""After which a call is given up (chosen: Slack itself answers within a second, and gives apps three)."""
POSTED = "middlewatch_posted"
"""Of the metadata that names a message."""
_PAGE = 200
_MOST_PAGES = 10
"""Of a channel's history that are looked through for a message (chosen: more than any channel writes between two looks)."""
_LEAST_RETRY_SECONDS = 1.0
_SERVER_ERROR = 500
_LIMITED = 429
_DOWN = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"})
"""Errors by which Slack says that it is not the caller's fault."""

_INVITE = "Invite the bot into the channel of MIDDLEWATCH_SLACK_CHANNEL: /invite @middlewatch"
_REMEDIES = {
    "channel_not_found": _INVITE,
    "not_in_channel": _INVITE,
    "is_archived": "The channel is archived: set MIDDLEWATCH_SLACK_CHANNEL to another one.",
    "invalid_auth": "Set MIDDLEWATCH_SLACK_BOT_TOKEN to the bot's token.",
    "not_authed": "Set MIDDLEWATCH_SLACK_BOT_TOKEN to the bot's token.",
    "token_revoked": "Install the app again, and set MIDDLEWATCH_SLACK_BOT_TOKEN.",
    "account_inactive": "Install the app again, and set MIDDLEWATCH_SLACK_BOT_TOKEN.",
    "missing_scope": "Install the app again with the manifest of docs/slack.md.",
}


class SlackDown(Exception):
    """Slack does not answer, or says that it cannot."""


class SlackLimited(SlackDown):
    """Slack wants fewer calls."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Slack wants no calls for {seconds:g} s")
        self.seconds = seconds


class SlackRefused(Exception):
    """Slack does not do this, now or later."""

    def __init__(self, method: str, error: str) -> None:
        super().__init__(f"{method}: {error}")
        self.error = error


class Slack:
    """One workspace's bot. Every method raises `SlackDown` or `SlackRefused`."""

    def __init__(self, settings: Settings, *, logger: logging.Logger) -> None:
        token = settings.slack_bot_token
        self.client = WebClient(
            token=token.get_secret_value() if token else None,
            base_url=str(settings.slack_api_url),
            timeout=CALL_SECONDS,
            retry_handlers=[],
            logger=logger,
        )

    def whoami(self) -> tuple[str, str]:
        """Ids of the workspace and of the bot."""
        found = self._call("auth.test")
        return str(found.get("team_id") or ""), str(found.get("bot_id") or "")

    def look_into(self, channel: str) -> None:
        """Read one message of a channel, which takes being in it."""
        self._call("conversations.history", channel=channel, limit=1)

    def post(self, channel: str, content: Content, *, name: str, thread: str = "") -> str:
        """Write a message under a name; returns what Slack calls it."""
        metadata = {"event_type": POSTED, "event_payload": {"name": name}}
        within: dict[str, object] = {"thread_ts": thread} if thread else {}
        quiet = {"mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
        answer = self._call("chat.postMessage", channel=channel, metadata=metadata, **within, **quiet, **_said(content))
        return str(answer["ts"])

    def edit(self, channel: str, ts: str, content: Content) -> None:
        """Let a message say something else."""
        self._call("chat.update", channel=channel, ts=ts, **_said(content))

    def delete(self, channel: str, ts: str) -> None:
        """Take a message away."""
        self._call("chat.delete", channel=channel, ts=ts)

    def find(self, channel: str, name: str, *, bot: str, since: datetime, thread: str = "") -> str:
        """The message that was posted under a name, by this bot; empty where there is none."""
        for message in self._messages(channel, since, thread):
            metadata = message.get("metadata") or {}
            ours = message.get("bot_id") == bot and metadata.get("event_type") == POSTED
            if ours and (metadata.get("event_payload") or {}).get("name") == name:
                return str(message["ts"])
        return ""

    def tell(self, channel: str, user: str, content: Content, *, thread: str = "") -> None:
        """Say something that one person alone sees."""
        within = {"thread_ts": thread} if thread else {}
        self._call("chat.postEphemeral", channel=channel, user=user, **within, **_said(content))

    def open_modal(self, trigger: str, view: Block) -> None:
        """Show somebody a modal, in answer to what they clicked within the last three seconds."""
        self._call("views.open", trigger_id=trigger, view=view)

    def _messages(self, channel: str, since: datetime, thread: str) -> Iterator[dict[str, Any]]:
        method, more = ("conversations.replies", {"ts": thread}) if thread else ("conversations.history", {})
        cursor = ""
        for _ in range(_MOST_PAGES):
            asked = {"channel": channel, "oldest": f"{since.timestamp():.6f}", "limit": _PAGE, "include_all_metadata": True}
            found = self._call(method, **asked, **more, **({"cursor": cursor} if cursor else {}))
            yield from found.get("messages") or ()
            cursor = (found.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return

    def _call(self, method: str, **arguments: object) -> dict[str, Any]:
        try:
            answer = self.client.api_call(method, json=arguments)
        except SlackApiError as problem:
            raise _problem(method, problem) from None
        except (SlackClientError, OSError, http.client.HTTPException, ValueError) as problem:
            raise SlackDown(f"{method}: {problem}") from None
        if not isinstance(answer.data, dict):
            raise SlackDown(f"{method}: an answer that is not JSON")
        return answer.data


def advice(problem: SlackRefused) -> str:
    """What to do about it; empty where nobody knows."""
    return _REMEDIES.get(problem.error, "")


def _problem(method: str, problem: SlackApiError) -> SlackDown | SlackRefused:
    response = problem.response
    status = getattr(response, "status_code", 0)
    error = str(response.get("error") or "") if hasattr(response, "get") else ""
    if status == _LIMITED or error in {"ratelimited", "rate_limited"}:
        headers = {name.lower(): value for name, value in (getattr(response, "headers", None) or {}).items()}
        try:
            seconds = float(headers.get("retry-after") or _LEAST_RETRY_SECONDS)
        except ValueError:
            seconds = _LEAST_RETRY_SECONDS
        return SlackLimited(max(_LEAST_RETRY_SECONDS, seconds))
    if status >= _SERVER_ERROR or error in _DOWN or " " in error:  # a page in the place of JSON
        return SlackDown(f"{method}: {status} {error}"[:300])
    return SlackRefused(method, error)


def _said(content: Content) -> dict[str, object]:
    """A message's arguments; nothing in it is looked at for names and links."""
    return {"text": content.text, "blocks": list(content.blocks), "parse": "none", "link_names": False}
