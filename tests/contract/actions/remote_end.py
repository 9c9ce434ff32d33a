"""The protocol of webhooks and supervisors, as docs/actions.md has it, from the other end."""

from __future__ import annotations

import re
from typing import Any

from middlewatch.tools.actions.signature import verified
from tests.contract.actions.loopback import Answer, OtherEnd, Request, check

SECRET = "a-secret-of-the-webhook"  # noqa: S105  of a server of the tests


class RemoteEnd(OtherEnd):
    """Keeps replicas, a flag and shares of traffic of one target, and what became of each request."""

    def __init__(self, *, signed: bool) -> None:
        super().__init__()
        self.signed = signed
        self.state: dict[str, Any] = {"replicas": 2, "revision": 7, "dark_mode": True, "percent": 0}
        self.seen: dict[str, dict[str, str]] = {}
        self.carried_out: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.problem = ""

    def writes(self, method: str, path: str) -> bool:
        return method == "POST" and path.endswith("/run")

    def handle(self, request: Request) -> Answer:
        if self.signed:
            check("/hook/" in request.path, "the path of the configuration")
            good = verified(SECRET, request.headers, request.method, request.path, request.body)
            if not good:
                return Answer(401, {"problem": "bad signature"})
        path = request.path.removeprefix("/hook")
        if request.method == "GET":
            found = re.fullmatch(r"/requests/([0-9a-f]{64})", path)
            check(found is not None and request.body == b"", "the path of a request")
            assert found is not None
            status = self.seen.get(found[1])
            return Answer(404, {"problem": "never seen"}) if status is None else Answer(200, status)
        check(request.method == "POST" and request.headers["content-type"] == "application/json", "a POST of JSON")
        body = request.json
        check(body["v"] == 1 and isinstance(body["parameters"], dict), "the version of the protocol")
        if path == "/inspect":
            check(set(body) == {"v", "action", "target", "parameters"}, "the fields of an inspection")
            return Answer(200, {"version": self.version(body), "problem": self.problem, "notes": self.notes})
        check(path == "/run", "a path of the protocol")
        check(set(body) == {"v", "action", "target", "parameters", "version", "request"}, "the fields of a run")
        return self.run(body)

    def version(self, body: dict[str, Any]) -> dict[str, Any]:
        match body["action"]:
            case "scale_up" | "scale_down":
                return {"replicas": self.state["replicas"]}
            case "set_flag":
                return {"value": self.state[body["parameters"]["flag"]]}
            case "shed_traffic" | "drain_traffic":
                return {"percent": self.state["percent"]}
            case _:
                return {"revision": self.state["revision"]}

    def run(self, body: dict[str, Any]) -> Answer:
        if body["request"] in self.seen:
            return Answer(200, self.seen[body["request"]])
        if self.version(body) != body["version"]:
            return Answer(409, {"problem": "the target changed"})
        self.carry_out(body)
        self.carried_out.append(body)
        self.seen[body["request"]] = {"state": "done", "detail": "as asked", "reference": "r-1"}
        return Answer(200, self.seen[body["request"]])

    def carry_out(self, body: dict[str, Any]) -> None:
        parameters = body["parameters"]
        match body["action"]:
            case "scale_up" | "scale_down":
                self.state["replicas"] += parameters["by"] * (1 if body["action"] == "scale_up" else -1)
            case "set_flag":
                self.state[parameters["flag"]] = parameters["value"]
            case "shed_traffic" | "drain_traffic":
                self.state["percent"] = parameters["percent"]
            case _:
                self.state["revision"] += 1
