"""Invariants: whoever starts `serve` can sign in at once and nobody else can; it ends when it is told to, whatever is open."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.acceptance.command import SECONDS, command, environment, refused, run


def test_serve_is_told_of_signs_in_once_and_ends_in_good_order(tmp_path: Path) -> None:
    variables = environment(tmp_path / "data")
    assert "Nothing serves" in refused(run(tmp_path / "data", "sign-in"), 69)
    process = subprocess.Popen(
        command("serve", "--port", "0", "--json", "--no-otlp"),
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        served = json.loads(process.stdout.readline())
        assert served["owner"]
        assert served["working"]
        assert served["mcp"] == f"{served['url']}/mcp"
        assert Path(served["mcp_token_file"]).read_text().startswith("mwl_")
        assert served["slack"] is None
        with httpx.Client(base_url=served["url"], verify=False) as client:  # noqa: S501  by HTTP
            assert client.get("/healthz").text == "ok\n"
            assert client.get("/sessions").status_code == 303
            assert client.post("/mcp", json={}).status_code == 401
            assert client.get(served["sign_in"]).status_code == 303
            assert "policy init" in client.get("/sessions").text
            assert client.get(served["sign_in"]).status_code == 403, "once"
            another = run(tmp_path / "data", "sign-in", "--json")
            link = json.loads(another.stdout)["sign_in"]
            assert link.startswith(served["url"])
            assert client.get(link).status_code == 303
        taken = run(tmp_path / "data", "serve", "--port", served["url"].rpartition(":")[2])
        assert "cannot be listened at" in refused(taken, 65)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
        assert not list((tmp_path / "data" / "serving").iterdir()), "it says no more where it answers"
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "nobody said by which name it is reached"),
        ({"MIDDLEWATCH_PUBLIC_URL": "https://middlewatch.example.com"}, "without a policy nobody can show who they are"),
        ({"MIDDLEWATCH_OIDC_ISSUER": "x"}, "MIDDLEWATCH_OIDC_ISSUER"),
    ],
)
def test_it_does_not_listen_where_everybody_could_come_in(tmp_path: Path, variables: dict[str, str], words: str) -> None:
    assert words in refused(run(tmp_path / "data", "serve", "--host", "0.0.0.0", "--port", "0", **variables), 78)  # noqa: S104  not
