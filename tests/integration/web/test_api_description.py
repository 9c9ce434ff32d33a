"""Invariants: what is published of the API is what it is, every example works, and every line of docs/api.md runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import schemathesis

from middlewatch.frontends.web.api import alerts, approvals, changes, handling, investigations
from middlewatch.frontends.web.api.description import EXAMPLES, description
from middlewatch.frontends.web.problems import BY_STATUS, KINDS, PREFIX
from middlewatch.records.errors import MiddlewatchError
from tests.report_finding import finding
from tests.web_server import served
from tests.web_site import WebSite, token

DOCS = Path(__file__).parents[3] / "docs"


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, one) for path, found in description()["paths"].items() for method, one in found.items()]


def test_the_published_description_is_the_one_that_is_served(site: WebSite) -> None:
    published = (DOCS / "api" / "openapi.json").read_text(encoding="utf-8")
    assert json.loads(published) == description(), "run: .venv/bin/python scripts/publish_api.py"
    assert site.program("mia").get("/api/v1/openapi.json").json() == description()


def test_it_is_openapi() -> None:
    schemathesis.openapi.from_dict(json.loads(json.dumps(description()))).validate()


def test_every_request_says_what_it_does_and_what_may_go_wrong() -> None:
    for path, method, one in operations():
        assert one["summary"], path
        assert one["security"], path
        assert {"401", "403", "422", "503"} <= set(one["responses"]), (path, method)
        assert len(one["tags"]) == 1, path
    assert len({one["operationId"] for _, _, one in operations()}) == len(operations())


def test_whatever_changes_something_takes_a_key() -> None:
    without = {
        path
        for path, method, one in operations()
        if method == "post" and "Idempotency-Key" not in [given["name"] for given in one.get("parameters", ())]
    }
    assert without == {"/api/v1/tools/{tool}"}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_examples_fit(name: str) -> None:
    (model,) = {getattr(module, name) for module in (alerts, approvals, changes, handling, investigations) if hasattr(module, name)}
    model.model_validate_json(json.dumps(EXAMPLES[name]))


def test_the_page_for_people_shows_every_request_without_a_script_of_its_own(site: WebSite) -> None:
    page = site.client("mia").get("/api/v1/docs").text
    for path, method, _ in operations():
        assert f"<code>{method.upper()} {path}</code>" in page
    assert "<script>" not in page
    assert " style=" not in page


def every_error(of: type[MiddlewatchError] = MiddlewatchError) -> set[type[MiddlewatchError]]:
    return {of}.union(*(every_error(one) for one in of.__subclasses__()))


def test_every_error_has_a_status_and_asks_again_only_where_that_helps() -> None:
    for error in every_error():
        kind = next(kind for sort, kind in KINDS.items() if issubclass(error, sort))
        assert 400 <= kind.status < 600
        assert not error.retryable or kind.retry_seconds is not None, error
    ordered = list(KINDS)
    hidden = [one for n, one in enumerate(ordered) if any(issubclass(one, before) for before in ordered[:n])]
    assert hidden == [], "a line above it takes them all"


def test_the_documented_problems_are_those_there_are() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.+) \|$", (DOCS / "api.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    documented = {(int(status), name) for status, names in rows for name in re.findall(r"`([a-z-]+)`", names)}
    assert documented == {(kind.status, kind.type.removeprefix(PREFIX)) for kind in (*BY_STATUS.values(), *KINDS.values())}


def test_the_documented_commands_run(site: WebSite) -> None:
    shell = shutil.which("sh")
    if shell is None or shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / "api.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    with served(site.site) as url:
        variables = {"URL": url, "TOKEN": token("leo"), "INVESTIGATION": site.seed(finding()).id, "REQUEST": site.propose().id}
        script = "set -eu\n" + "\necho\n".join(blocks)
        ran = subprocess.run(
            [shell, "-c", script], env=os.environ | variables, capture_output=True, text=True, check=False, timeout=60
        )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
    assert script.count("curl ") > 10
