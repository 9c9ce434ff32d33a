"""A Slack workspace on this machine: its Web API, strict about what it is sent, able to misbehave, and people who click."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.contract.actions.loopback import Answer, OtherEnd, Request, Wrong, served
from tests.slack_limits import Fault, check_message, check_notification, check_view, need, texts_in

__all__ = ["CHANNEL", "SECRET", "TEAM", "Post", "SlackEnd", "signed", "texts_in", "workspace"]

TEAM, CHANNEL, BOT, TOKEN, SECRET = "T0TEAM", "C0INCIDENTS", "B0BOT", "xoxb-test", "8f742231b10e8888abcd99yyyzzz85a5"
_EARLIEST = 1_763_700_000


@dataclass
class Post:
    """A message."""

    channel: str
    ts: str
    thread_ts: str
    text: str
    blocks: list[dict[str, Any]]
    metadata: dict[str, Any]
    bot_id: str = BOT
    edits: int = 0

    @property
    def name(self) -> str:
        return str(self.metadata.get("event_payload", {}).get("name", ""))

    @property
    def words(self) -> str:
        """All that is read in it."""
        return " ".join(texts_in(self.blocks))

    def button(self, action: str) -> dict[str, Any] | None:
        found = [e for block in self.blocks if block["type"] == "actions" for e in block["elements"] if e["action_id"] == action]
        return found[0] if found else None


@dataclass
class Said:
    """What one person alone was told."""

    user: str
    channel: str
    thread_ts: str
    words: str


class SlackEnd(OtherEnd):
    """The workspace. `faults` of a method happen once each, in turn: an `Answer`, or a word of `loopback`."""

    def __init__(self) -> None:
        super().__init__()
        self.posts: list[Post] = []
        self.said: list[Said] = []
        self.views: list[tuple[str, dict[str, Any]]] = []
        self.calls: list[tuple[str, dict[str, Any], float]] = []
        self.faults: dict[str, deque[str | Answer]] = {}
        self.socket_url = ""
        self.users: list[str] = []
        """Ids that a mention may name."""
        self._numbers = itertools.count(1)
        self._triggers = itertools.count(1)

    def writes(self, method: str, path: str) -> bool:  # noqa: ARG002  every fault here is of one method
        return False

    def handle(self, request: Request) -> Answer:
        arguments = json.loads(request.body) if request.body[:1] == b"{" else {}
        method = request.path.removeprefix("/api/")
        self.calls.append((method, arguments, time.monotonic()))
        return Answer(200, {"ok": True, **self._do(method, arguments)})

    def fault(self, method: str, path: str) -> str | Answer | None:
        waiting = self.faults.get(path.removeprefix("/api/"))
        return waiting.popleft() if waiting else super().fault(method, path)

    def fail(self, method: str, *faults: str | Answer) -> None:
        self.faults.setdefault(method, deque()).extend(faults)

    def taken(self, request: Request) -> Answer:
        with self.lock:
            self.requests.append(request)
            try:
                need(request.headers.get("authorization") in {f"Bearer {TOKEN}", "Bearer xapp-test"}, "a token")
                return self.handle(request)
            except Refusal as refusal:
                return Answer(200, {"ok": False, "error": str(refusal)})
            except (Fault, Wrong, KeyError, ValueError, TypeError) as error:
                self.wrong.append(f"{request.path} {request.body!r}: {type(error).__name__}: {error}")
                return Answer(200, {"ok": False, "error": "invalid_arguments"})

    def _do(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: PLR0911  one answer for each method
        match method:
            case "auth.test":
                return {"team_id": TEAM, "bot_id": BOT, "user_id": "U0BOT"}
            case "chat.postMessage":
                return self._post(arguments)
            case "chat.update":
                post = self._found(arguments)
                self._check(arguments)
                post.text, post.blocks, post.edits = arguments["text"], arguments["blocks"], post.edits + 1
                return {"ts": post.ts}
            case "chat.delete":
                self.posts.remove(self._found(arguments))
                return {}
            case "chat.postEphemeral":
                self._channel(arguments)
                self._check(arguments)
                words = " ".join(texts_in(arguments["blocks"]))
                self.said.append(Said(arguments["user"], arguments["channel"], arguments.get("thread_ts", ""), words))
                return {"message_ts": self._ts()}
            case "views.open":
                check_view(arguments["view"])
                self.views.append((arguments["trigger_id"], arguments["view"]))
                return {"view": {"id": f"V{len(self.views)}"}}
            case "conversations.history" | "conversations.replies":
                return self._history(arguments)
            case "apps.connections.open":
                return {"url": self.socket_url}
        raise Fault(f"a method that is known, not {method}")

    def _post(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self._channel(arguments)
        self._check(arguments)
        need(arguments.get("mrkdwn") is False, "nothing is mrkdwn")
        need(arguments.get("unfurl_links") is False, "no link is unfurled")
        thread = arguments.get("thread_ts", "")
        if thread and not any(post.ts == thread for post in self.posts):
            raise Refusal("thread_not_found")
        need(set(arguments["metadata"]) == {"event_type", "event_payload"}, "metadata")
        made = Post(arguments["channel"], self._ts(), thread, arguments["text"], arguments["blocks"], arguments["metadata"])
        self.posts.append(made)
        return {"ts": made.ts, "channel": made.channel}

    def _check(self, arguments: dict[str, Any]) -> None:
        check_notification(arguments["text"])
        check_message(arguments["blocks"])
        need(arguments.get("parse") == "none", "nothing is parsed")
        need(arguments.get("link_names") is False, "no names are linked")
        mentioned = {e["user_id"] for e in _elements(arguments["blocks"]) if e.get("type") == "user"}
        need(mentioned <= set(self.users), f"only people of the policy are mentioned: {mentioned}")

    def _channel(self, arguments: dict[str, Any]) -> None:
        if arguments["channel"] != CHANNEL:
            raise Refusal("channel_not_found")

    def _found(self, arguments: dict[str, Any]) -> Post:
        self._channel(arguments)
        for post in self.posts:
            if post.ts == arguments["ts"]:
                return post
        raise Refusal("message_not_found")

    def _history(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self._channel(arguments)
        thread, oldest = arguments.get("ts", ""), float(arguments.get("oldest", 0))
        found = [p for p in self.posts if float(p.ts) >= oldest and (thread in {p.thread_ts, p.ts} if thread else not p.thread_ts)]
        start = int(arguments.get("cursor", 0))
        page = found[::-1][start : start + 2]  # small, so that more than one page is read
        following = str(start + 2) if start + 2 < len(found) else ""
        shown = arguments.get("include_all_metadata")
        return {
            "messages": [{"ts": p.ts, "bot_id": p.bot_id} | ({"metadata": p.metadata} if shown else {}) for p in page],
            "response_metadata": {"next_cursor": following},
        }

    def _ts(self) -> str:
        return f"{int(time.time())}.{next(self._numbers):06d}"

    # What a test looks at, and does

    def named(self, name: str) -> Post:
        (found,) = [post for post in list(self.posts) if post.name == name]
        return found

    def names(self) -> list[str]:
        return [post.name for post in list(self.posts)]

    def click(self, post: Post, action: str, clicker: str, **update: Any) -> bytes:
        """What Slack sends when somebody clicks, with a trigger of its own."""
        button = post.button(action)
        assert button is not None, f"there is no button {action}"
        payload = {
            "type": "block_actions",
            "user": {"id": clicker, "username": "mara", "name": "mara", "team_id": TEAM},
            "api_app_id": "A0",
            "token": "deprecated",
            "container": {"type": "message", "message_ts": post.ts, "channel_id": post.channel, "is_ephemeral": False},
            "trigger_id": self.trigger(),
            "team": {"id": TEAM, "domain": "example"},
            "enterprise": None,
            "is_enterprise_install": False,
            "channel": {"id": post.channel, "name": "incidents"},
            "message": {"ts": post.ts, **({"thread_ts": post.thread_ts} if post.thread_ts else {}), "blocks": post.blocks},
            "response_url": "https://hooks.slack.invalid/actions/1",
            "actions": [{"action_id": action, "value": button["value"], "type": "button", "block_id": "b", "action_ts": post.ts}],
        }
        return form(payload=json.dumps(payload | update))

    def send_in(self, view: dict[str, Any], user: str, reason: str, **update: Any) -> bytes:
        """What Slack sends when somebody sends a modal in."""
        (block,) = [block for block in view["blocks"] if block["type"] == "input"]
        typed = {"type": "plain_text_input", "value": reason or None}
        payload = {
            "type": "view_submission",
            "user": {"id": user, "name": "mara", "team_id": TEAM},
            "team": {"id": TEAM, "domain": "example"},
            "trigger_id": self.trigger(),
            "view": {
                "id": "V1",
                "type": "modal",
                "callback_id": view["callback_id"],
                "private_metadata": view["private_metadata"],
                "state": {"values": {block["block_id"]: {block["element"]["action_id"]: typed}}},
            },
        }
        return form(payload=json.dumps(payload | update))

    def command(self, text: str, user: str, **update: str) -> bytes:
        fields = {
            "command": "/middlewatch",
            "text": text,
            "team_id": TEAM,
            "team_domain": "example",
            "user_id": user,
            "user_name": "mara",
            "channel_id": CHANNEL,
            "trigger_id": self.trigger(),
            "response_url": "https://hooks.slack.invalid/commands/1",
        }
        return form(**(fields | update))

    def trigger(self) -> str:
        return f"{next(self._triggers)}.{_EARLIEST}.{hashlib.md5(str(id(self)).encode()).hexdigest()}"  # noqa: S324  no secret


class Refusal(Exception):
    """Slack answers that it does not do this."""


def form(**fields: str) -> bytes:
    return urlencode(fields).encode()


def signed(body: bytes, *, at: float | None = None, secret: str = SECRET) -> dict[str, str]:
    """The headers with which Slack sends a body."""
    timestamp = str(int(time.time() if at is None else at))
    signature = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": timestamp,
        "x-slack-signature": f"v0={signature}",
    }


def _elements(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _elements(item)


@contextmanager
def workspace() -> Iterator[tuple[SlackEnd, str]]:
    """A workspace and the address of its Web API. Whatever it was sent that Slack would not take fails the test."""
    end = SlackEnd()
    with served(end) as url:
        yield end, f"{url}/api/"
    assert end.wrong == []
