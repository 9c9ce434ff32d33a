"""The face in Slack, whole: what comes in by HTTP or Socket Mode, what people do there, and what is posted."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from slack_bolt import App as Bolt
from slack_bolt import BoltRequest, BoltResponse
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.adapter.starlette.handler import to_bolt_request, to_starlette_response
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient
from starlette.concurrency import run_in_threadpool

from middlewatch.frontends.slack import request_message
from middlewatch.frontends.slack.commands import Commands
from middlewatch.frontends.slack.deliveries import Clicked, Commanded, Submitted, Verified, read
from middlewatch.frontends.slack.guard import LARGEST_BODY, Guard
from middlewatch.frontends.slack.interactions import Interactions
from middlewatch.frontends.slack.poster import Poster
from middlewatch.frontends.slack.web_api import Slack
from middlewatch.idempotency import Answer, Idempotency, UnderWay
from middlewatch.records import digest_of
from middlewatch.records.errors import BadInput, MiddlewatchError, Misconfigured
from middlewatch.settings import Settings

if TYPE_CHECKING:
    from middlewatch.app import App

LOG = logging.getLogger(__name__)

PATH = "/slack/events"
COMMAND = "/middlewatch"
WORKERS = 8
"""Clicks that are dealt with at once, after they were acknowledged (chosen, not derived)."""
STOP_SECONDS = 15.0
"""Longer than the poster's longest call."""
LONGEST_PAUSE_SECONDS = 30.0
"""Between two attempts at a connection."""
_ACTIONS = (request_message.APPROVE, request_message.APPROVE_IN_MODAL, request_message.DENY, request_message.VIEW)
_DONE = Answer(status=200, body="")

Ack = Callable[..., BoltResponse]
Body = dict[str, Any]


def is_configured(settings: Settings) -> bool:
    """Whether anything says that Slack is to be served."""
    return settings.slack_bot_token is not None


def refuse_half(settings: Settings) -> None:
    """See to it that nothing is missing.

    Raises:
        Misconfigured: a setting is; the message names it.
    """
    needed = {"BOT_TOKEN": settings.slack_bot_token, "TEAM": settings.slack_team, "CHANNEL": settings.slack_channel}
    missing = [f"MIDDLEWATCH_SLACK_{name}" for name, value in needed.items() if value is None]
    if settings.slack_signing_secret is None and settings.slack_app_token is None:
        missing.append("MIDDLEWATCH_SLACK_SIGNING_SECRET (HTTP) or MIDDLEWATCH_SLACK_APP_TOKEN (Socket Mode)")
    if missing:
        raise Misconfigured(
            f"Slack cannot be served without {', '.join(missing)}.", remedy="docs/slack.md says where each is found."
        )


def slack_face(app: App) -> SlackFace:
    """The face of an application.

    Raises:
        Misconfigured: a setting that it needs is missing.
    """
    refuse_half(app.settings)
    return SlackFace(app)


class SlackFace:
    """One process's part in it. Prefer `slack_face`."""

    def __init__(self, app: App) -> None:
        settings = app.settings
        self._app = app
        self._slack = Slack(settings, logger=LOG)
        self._poster = Poster(app, self._slack, settings.slack_channel or "")
        self._interactions = Interactions(app, self._slack, self._poster)
        self._commands = Commands(app, self._poster)
        self._once = Idempotency(app.store.server, settings.tenant)
        self._pool = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="middlewatch-slack")
        secret = settings.slack_signing_secret
        self._guard = Guard(secret.get_secret_value()) if secret else None
        self._bolt = self._listening(secret.get_secret_value() if secret else "")
        self.router = APIRouter()
        """`POST /slack/events`: what Slack delivers over HTTP."""
        self.router.add_api_route(PATH, self._deliver, methods=["POST"], include_in_schema=False)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Post what happens, and with an app token listen by Socket Mode, for as long as the block runs."""
        stop = threading.Event()
        threads = [threading.Thread(target=self._poster.run, args=(stop,), name="middlewatch-slack-poster", daemon=True)]
        token = self._app.settings.slack_app_token
        handler = None
        if token is not None:
            handler = SocketModeHandler(self._bolt, token.get_secret_value(), logger=LOG, web_client=self._slack.client)
            threads.append(threading.Thread(target=_connect, args=(handler, stop), name="middlewatch-slack-socket", daemon=True))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            if handler is not None:
                handler.close()  # type: ignore[no-untyped-call]  # the library says nothing of it
            self._pool.shutdown()  # what was acknowledged is done
            self._poster.wake()
            for thread in threads:
                thread.join(STOP_SECONDS)

    async def _deliver(self, request: Request) -> Response:
        """One delivery over HTTP: verified over the raw body, then dispatched in a thread."""
        if self._guard is None:
            return _word(404, "this workspace is served by Socket Mode")
        body = await _body(request)
        status, word = self._guard.objection(request.headers, body)
        return _word(status, word) if status else await run_in_threadpool(self._dispatch, request, body)

    def _dispatch(self, request: Request, body: bytes) -> Response:
        try:
            delivery = to_bolt_request(request, body)
        except (ValueError, TypeError, AttributeError, KeyError):  # JSON, or not the JSON that Slack sends
            return _word(400, "not understood")
        return to_starlette_response(self._bolt.dispatch(delivery))

    def _listening(self, secret: str) -> Bolt:
        """What answers which delivery. Listeners run in the caller's thread: they acknowledge, and leave the work to the pool."""
        token = self._app.settings.slack_bot_token

        def authorize(team_id: str | None) -> AuthorizeResult:
            """The one bot; who may do what is policy's to say."""
            return AuthorizeResult(enterprise_id=None, team_id=team_id, bot_token=token.get_secret_value() if token else "")

        bolt = Bolt(
            name="middlewatch",
            logger=LOG,
            client=WebClient(base_url=str(self._app.settings.slack_api_url), retry_handlers=[]),
            signing_secret=secret,
            request_verification_enabled=self._guard is not None,
            before_authorize=self._first_time,
            authorize=authorize,
            process_before_response=True,
        )
        for action in _ACTIONS:
            bolt.action(action)(self._clicked)
        bolt.view(request_message.DECIDE)(self._submitted)
        bolt.command(COMMAND)(self._commanded)
        return bolt

    def _first_time(self, req: BoltRequest, next: Callable[[], BoltResponse]) -> BoltResponse:  # noqa: A002  bolt calls it so
        """Lets a delivery through that has a shape that is known, and was not there before.

        Every click, modal and command has a trigger of its own in its body, so a body that was seen before is a repetition: by
        Slack, which says so, or by somebody who recorded it.
        """
        delivery = read(req.body)
        if delivery is None:
            return BoltResponse(status=400, body={"error": "not understood"})
        if isinstance(delivery, Verified):
            return next()
        key = digest_of(req.raw_body or json.dumps(req.body, sort_keys=True))
        try:
            _, repeated = self._once.once("slack", key, b"", lambda _turn: _DONE)
        except (UnderWay, BadInput):
            repeated = True
        except MiddlewatchError as error:
            LOG.warning("a delivery is not taken: %s", error)
            return BoltResponse(status=503, body={"error": "try again"})
        if not repeated:
            return next()
        retried = req.mode == "socket_mode" or "x-slack-retry-num" in req.headers
        return BoltResponse(status=200) if retried else BoltResponse(status=409, body={"error": "seen before"})

    def _clicked(self, ack: Ack, body: Body) -> None:
        ack()
        delivery = read(body)
        if isinstance(delivery, Clicked):
            self._pool.submit(self._interactions.click, delivery)

    def _submitted(self, ack: Ack, body: Body) -> None:
        delivery = read(body)
        against = self._interactions.submit(delivery) if isinstance(delivery, Submitted) else None
        ack(**against) if against else ack()

    def _commanded(self, ack: Ack, body: Body) -> None:
        delivery = read(body)
        if isinstance(delivery, Commanded):
            ack(**self._commands.answer(delivery))


def _connect(handler: SocketModeHandler, stop: threading.Event) -> None:
    """Connect by Socket Mode, however long it takes; once connected, the library connects again by itself."""
    pause = 1.0
    while not stop.is_set():
        try:
            handler.connect()  # type: ignore[no-untyped-call]  # the library says nothing of it
        except Exception as problem:  # noqa: BLE001  the library raises whatever its socket does
            LOG.warning("Socket Mode is not connected, it is tried again after %g s: %s", pause, problem)
            stop.wait(pause)
            pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)
        else:
            return


async def _body(request: Request) -> bytes:
    """The body; of one that is too large only so much that it is seen to be."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > LARGEST_BODY:
            break
    return bytes(found)


def _word(status: int, word: str) -> Response:
    return Response(json.dumps({"error": word}), status, media_type="application/json")
