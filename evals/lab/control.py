"""How others speak to a running lab: JSON over HTTP on a private unix socket.

The supervisor's own requests (`LabControl`), and the protocol of supervisors in docs/actions.md, so that an approved action is
carried out by the same process.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from middlewatch.evals.lab.supervisor import Supervisor
from middlewatch.records.errors import BadInput, MiddlewatchError, Refused, Unavailable

LOG = logging.getLogger(__name__)

LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel's limit is 107 on Linux and 103 on macOS."""
ANSWER_SECONDS = 120.0
"""A deploy replaces instances one after the other, which takes some seconds each."""
RUN_SECONDS = 8.0
"""How long an approved action is waited for before it is said to be under way; a caller waits for ten."""

_KEPT = 1000
"""Results of approved actions that are remembered."""


class LabControl:
    """A client of a running lab."""

    def __init__(self, socket_path: Path) -> None:
        self._socket = socket_path

    def status(self) -> dict[str, Any]:
        return self._ask("GET", "/status")

    def fault(self, name: str, *, service: str = "", seconds: float | None = None) -> dict[str, Any]:
        return self._ask("POST", "/faults", {"name": name, "service": service, "seconds": seconds})

    def mend(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("POST", "/mend")["mended"]
        return found

    def deploy(self, service: str, version: str) -> dict[str, Any]:
        return self._ask("POST", "/deploys", {"service": service, "version": version})

    def rollback(self, service: str) -> dict[str, Any]:
        return self._ask("POST", "/rollbacks", {"service": service})

    def down(self) -> None:
        """Ask it to end; it does so within some seconds."""
        self._ask("POST", "/down")

    def answers(self) -> bool:
        """Whether a lab runs there."""
        try:
            self.status()
        except Unavailable:
            return False
        return True

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """What it answers.

        Raises:
            Unavailable: no lab runs there, or it does not answer.
            BadInput: it cannot do that.
            Refused: not as things are.
        """
        if not self._socket.exists():
            raise _absent()
        try:
            with httpx.Client(transport=httpx.HTTPTransport(uds=str(self._socket)), timeout=ANSWER_SECONDS) as client:
                reply = client.request(method, f"http://lab{path}", json=body)
                answer: dict[str, Any] = reply.json()
        except httpx.TimeoutException:
            raise Unavailable("The lab does not answer in time.", remedy="See `middlewatch lab status`.") from None
        except (httpx.TransportError, ValueError):
            raise _absent() from None
        if reply.is_error:
            kind = Refused if reply.status_code == httpx.codes.CONFLICT else BadInput
            raise kind(str(answer.get("problem", "It refused.")), remedy=str(answer.get("remedy", "")))
        return answer


def _absent() -> Unavailable:
    return Unavailable("No lab runs here.", remedy="Start one: `middlewatch lab up`.")


class Requests:
    """Approved actions, each done once, under the digest of its request."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._states: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def inspect(self, action: str, target: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """What an approval is bound to, and why it cannot be done, if so."""
        supervisor = self._supervisor
        instances = supervisor.shop.instances(target)
        version: dict[str, Any] = {
            "version": supervisor.version(target),
            "instances": ", ".join(sorted(f"{each.name} {each.version}" for each in instances)),
        }
        problem = ""
        if action == "rollback_deploy":
            version["earlier"] = supervisor.earlier_version(target)
            problem = "" if version["earlier"] else "There is no earlier version."
        elif action == "restart_instance":
            known = {each.name for each in instances}
            problem = "" if parameters.get("instance") in known else "There is no such instance."
        elif action != "restart_service":
            problem = "It can only roll back and restart."
        return {"version": version, "problem": problem}

    def run(self, digest: str, action: str, target: str, parameters: Mapping[str, Any]) -> dict[str, str]:
        """Begin it, and wait for its end for a while."""
        with self._lock:
            if digest in self._states:
                return self._states[digest]
            while len(self._states) >= _KEPT:
                self._states.pop(next(iter(self._states)))
            self._states[digest] = {"state": "running"}
        work = threading.Thread(target=self._do, args=(digest, action, target, dict(parameters)), name="action", daemon=True)
        work.start()
        work.join(RUN_SECONDS)
        return self._states[digest]

    def state(self, digest: str) -> dict[str, str] | None:
        """What became of it; None where it was never received."""
        return self._states.get(digest)

    def _do(self, digest: str, action: str, target: str, parameters: Mapping[str, Any]) -> None:
        supervisor = self._supervisor
        try:
            if action == "rollback_deploy":
                detail = str(supervisor.rollback(target, actor="middlewatch")["description"])
            else:
                detail = "started " + ", ".join(supervisor.restart(target, instance=str(parameters.get("instance", ""))))
        except MiddlewatchError as error:
            self._states[digest] = {"state": "failed", "detail": error.message}
            return
        except Exception as error:  # whoever waits for it must learn of any
            LOG.exception("%s of %s failed", action, target)
            self._states[digest] = {"state": "failed", "detail": f"{type(error).__name__}: {error}"}
            return
        self._states[digest] = {"state": "done", "detail": detail}


@contextmanager
def serving(supervisor: Supervisor, socket_path: Path, end: threading.Event) -> Iterator[None]:
    """Answer on the socket while the block runs.

    Args:
        supervisor: who does what is asked for.
        socket_path: created with mode 0700; whatever was there is replaced.
        end: set when somebody asks for the end.

    Raises:
        BadInput: the path is too long for a socket.
    """
    import uvicorn  # noqa: PLC0415 -- of the extra `lab`, like the next

    from middlewatch.evals.lab.control_app import control_app  # noqa: PLC0415

    if len(os.fsencode(socket_path)) > LONGEST_SOCKET_PATH:
        raise BadInput(
            f"The path of the lab's socket is longer than {LONGEST_SOCKET_PATH} bytes: {socket_path}.",
            remedy="Set MIDDLEWATCH_DATA_DIR to a folder with a shorter path.",
        )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    socket_path.unlink(missing_ok=True)
    before = os.umask(0o077)
    try:
        listener.bind(str(socket_path))
    finally:
        os.umask(before)
    app = control_app(supervisor, Requests(supervisor), end)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="control")
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        with suppress(FileNotFoundError):
            socket_path.unlink()


Answering = Callable[[Mapping[str, Any]], Any]
"""What answers the body of a request."""


def body_of(raw: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        BadInput: it is none.
    """
    try:
        found = json.loads(raw or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadInput("The body is no JSON object.")
    return found
