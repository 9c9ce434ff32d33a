"""The routes of a running lab's socket."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from middlewatch.evals.lab.changes import FIRST_VERSIONS
from middlewatch.evals.lab.control import Answering, Requests, body_of
from middlewatch.evals.lab.supervisor import Supervisor
from middlewatch.records.errors import BadInput, MiddlewatchError, Refused


def control_app(supervisor: Supervisor, requests: Requests, end: threading.Event) -> Starlette:
    """What is answered on the socket.

    Args:
        supervisor: who does it.
        requests: approved actions.
        end: set when somebody asks for the end.
    """

    def fault(body: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- JSON
        seconds = body.get("seconds")
        if not (seconds is None or (isinstance(seconds, int | float) and seconds > 0)):
            raise BadInput("The seconds of a fault are a number over 0.")
        return supervisor.fault(str(body.get("name", "")), service=str(body.get("service", "")), seconds=seconds)

    def down(body: Mapping[str, Any]) -> dict[str, str]:
        del body
        end.set()
        return {}

    def run(body: Mapping[str, Any]) -> dict[str, str]:
        action, target, parameters = _asked(body)
        digest = str(body.get("request", ""))
        known = requests.state(digest)
        if known is None and requests.inspect(action, target, parameters)["version"] != body.get("version"):
            raise Refused("It is not as it was when this was approved.")
        return known or requests.run(digest, action, target, parameters)

    answers: dict[str, Answering] = {
        "/faults": fault,
        "/mend": lambda _: {"mended": supervisor.mend()},
        "/deploys": lambda body: supervisor.deploy(str(body.get("service", "")), str(body.get("version", ""))),
        "/rollbacks": lambda body: supervisor.rollback(str(body.get("service", ""))),
        "/down": down,
        "/inspect": lambda body: requests.inspect(*_asked(body)),
        "/run": run,
    }

    async def post(request: Request) -> Response:
        body = body_of(await request.body())
        return JSONResponse(await run_in_threadpool(answers[request.url.path], body))

    async def status(request: Request) -> Response:
        del request
        return JSONResponse(await run_in_threadpool(supervisor.status))

    async def state(request: Request) -> Response:
        found = requests.state(request.path_params["digest"])
        return JSONResponse(found or {"problem": "It was never received."}, status_code=200 if found else 404)

    return Starlette(
        routes=[
            Route("/status", status),
            Route("/requests/{digest}", state),
            *(Route(path, post, methods=["POST"]) for path in answers),
        ],
        exception_handlers={MiddlewatchError: _refused},
    )


def _asked(body: Mapping[str, Any]) -> tuple[str, str, Mapping[str, Any]]:
    """Action, target and parameters of the protocol of supervisors.

    Raises:
        BadInput: there is no such service.
    """
    target, parameters = str(body.get("target", "")), body.get("parameters")
    if target not in FIRST_VERSIONS:
        raise BadInput("There is no such service.")
    return str(body.get("action", "")), target, parameters if isinstance(parameters, Mapping) else {}


def _refused(request: Request, error: Exception) -> Response:
    del request
    message = error.message if isinstance(error, MiddlewatchError) else ""
    remedy = error.remedy if isinstance(error, MiddlewatchError) else ""
    status = 409 if isinstance(error, Refused) else 400
    return JSONResponse({"problem": message, "remedy": remedy}, status_code=status)
