"""As much of the REST API of GitHub as the adapter uses, strict about what it is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.contract.actions.loopback import Answer, OtherEnd, Request, check

TOKEN = "github_pat_of_the_tests"  # noqa: S105  of a server of the tests
REPOSITORY = "/repos/acme/shop.operations"
WORKFLOW = f"{REPOSITORY}/actions/workflows/clear.yml"
LONG_AGO = "2020-01-01T00:00:00Z"


def now() -> str:
    """As GitHub writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class GitHubEnd(OtherEnd):
    """One repository with tickets of others and one workflow."""

    def __init__(self) -> None:
        super().__init__()
        self.repository: dict[str, Any] = {"id": 7, "has_issues": True, "archived": False, "disabled": False}
        self.issues: list[dict[str, Any]] = [
            {"number": 1, "html_url": "https://example.test/1", "body": None, "created_at": LONG_AGO}
        ]
        self.runs: list[dict[str, Any]] = [
            {"status": "completed", "conclusion": "failure", "display_title": "clear", "html_url": "", "created_at": LONG_AGO}
        ]
        self.changes = 0

    def writes(self, method: str, path: str) -> bool:
        del path
        return method == "POST"

    def handle(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(401, {"message": "Bad credentials"})
        check(request.headers["accept"] == "application/vnd.github+json", "the media type")
        check(request.headers["x-github-api-version"] == "2022-11-28", "the version of the API")
        parts = urlsplit(request.path)
        if request.method == "GET":
            check(request.body == b"", "no body")
            return self.get(parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()})
        check(request.method == "POST" and request.headers["content-type"] == "application/json", "a POST of JSON")
        body = request.json
        if parts.path == f"{REPOSITORY}/issues":
            check(set(body) == {"title", "body", "labels"} and body["labels"] == ["incident"], "the fields of an issue")
            self.changes += 1
            issue = {
                "number": len(self.issues) + 1,
                "html_url": "https://example.test/2",
                "body": body["body"],
                "created_at": now(),
            }
            self.issues.insert(0, issue)
            return Answer(201, issue)
        check(parts.path == f"{WORKFLOW}/dispatches", "a known path")
        check(set(body) == {"ref", "inputs"} and body["ref"] == "main", "the configured ref")
        check(body["inputs"]["scope"] == "all" and set(body["inputs"]) == {"scope", "middlewatch_request"}, "the configured inputs")
        self.changes += 1
        title = f"clear {body['inputs']['middlewatch_request']}"
        run = {"status": "queued", "conclusion": None, "display_title": title, "html_url": "https://example.test/r"}
        self.runs.insert(0, run | {"created_at": now()})
        return Answer(204)

    def get(self, path: str, query: dict[str, str]) -> Answer:
        if path == REPOSITORY:
            return Answer(200, self.repository)
        if path == f"{REPOSITORY}/issues":
            check(query["state"] == "all" and query["sort"] == "created" and query["direction"] == "desc", "the newest of all")
            return Answer(200, paged(self.issues, query))
        if path == WORKFLOW:
            return Answer(200, {"id": 70 + self.repository["id"], "state": "active"})
        check(path == f"{WORKFLOW}/runs" and query["event"] == "workflow_dispatch", "a known path")
        return Answer(200, {"total_count": len(self.runs), "workflow_runs": paged(self.runs, query)})

    def settle(self) -> None:
        """The runs end."""
        with self.lock:
            for run in self.runs:
                if run["status"] == "queued":
                    run |= {"status": "completed", "conclusion": "success"}


def paged(items: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
    size, page = int(query["per_page"]), int(query["page"])
    check(0 < size <= 100, "the size of a page")
    return items[size * (page - 1) : size * page]
