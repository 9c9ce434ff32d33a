"""As much of an Argo CD server as the adapter uses, strict about what it is sent."""

from __future__ import annotations

from typing import Any

from tests.contract.actions.loopback import Answer, OtherEnd, Request, check

TOKEN = "token-of-the-project-role"  # noqa: S105  of a server of the tests
PATH = "/api/v1/applications/orders-app"


class ArgoEnd(OtherEnd):
    """One application that was deployed twice and drifted since."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = 0
        self.automated: dict[str, Any] | None = None
        self.application: dict[str, Any] = {
            "metadata": {"name": "orders-app", "uid": "a-1"},
            "spec": {"source": {"targetRevision": "main"}},
            "status": {
                "sync": {"status": "OutOfSync", "revision": "c2"},
                "health": {"status": "Degraded"},
                "history": [{"id": 4, "revision": "c1"}, {"id": 5, "revision": "c2"}],
                "operationState": {"phase": "Succeeded", "startedAt": "t-0", "operation": {"sync": {"revision": "c2"}}},
            },
        }

    def writes(self, method: str, path: str) -> bool:
        del path
        return method == "POST"

    def handle(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(401, {"error": "no session information", "code": 16})
        if request.method == "GET":
            check(request.path == PATH and request.body == b"", "the application's path")
            spec = {
                **self.application["spec"],
                **({"syncPolicy": {"automated": self.automated}} if self.automated is not None else {}),
            }
            return Answer(200, {**self.application, "spec": spec})
        check(request.method == "POST" and request.headers["content-type"] == "application/json", "a POST of JSON")
        if "operation" in self.application:
            return Answer(400, {"error": "another operation is already in progress", "code": 9})
        body = request.json
        check(body["name"] == "orders-app" and body["prune"] is False and body["dryRun"] is False, "the application")
        if request.path == f"{PATH}/rollback":
            check(set(body) == {"name", "id", "prune", "dryRun"}, "the fields of a rollback")
            entry = next((e for e in self.application["status"]["history"] if e["id"] == body["id"]), None)
            check(entry is not None, "an entry of the history")
            assert entry is not None
            return self.begin(entry["revision"])
        check(request.path == f"{PATH}/sync", "a known path")
        check(set(body) == {"name", "revision", "prune", "dryRun", "infos"}, "the fields of a sync")
        check(body["infos"][0]["name"] == "middlewatch.io/request", "the request's name")
        return self.begin(body["revision"])

    def begin(self, revision: str) -> Answer:
        self.begun += 1
        self.application["operation"] = {"sync": {"revision": revision}}
        return Answer(200, self.application)

    def settle(self) -> None:
        """What the controller does after a while."""
        with self.lock:
            if (operation := self.application.pop("operation", None)) is None:
                return
            status = self.application["status"]
            status["operationState"] = {"phase": "Succeeded", "startedAt": f"t-{self.begun}", "operation": operation}
            status["history"].append({"id": status["history"][-1]["id"] + 1, "revision": operation["sync"]["revision"]})

    def drift(self) -> None:
        """For the next order."""
        self.application["status"]["sync"] = {"status": "OutOfSync", "revision": "c2"}

    def sync_elsewhere(self) -> None:
        """Somebody else syncs it to a newer commit."""
        with self.lock:
            self.application["operation"] = {"sync": {"revision": "c3"}}
            self.begun += 100
            self.settle()
            self.begun -= 100
            self.application["status"]["sync"]["revision"] = "c3"
