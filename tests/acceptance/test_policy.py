"""Invariants: a first policy works as it is written, a mistake exits with 78 and its line, and what policy means can be asked."""

from __future__ import annotations

import getpass
import hashlib
import json
import stat
from pathlib import Path

from tests.acceptance.command import refused, run
from tests.unit.approval.policy.policies import EXAMPLE

ACTIONS = """
[webhook.deployer]
url = "https://deployer.example.org/"
secret = "deployer"
[targets.checkout]
webhook = { connection = "deployer", actions = ["rollback_deploy", "restart_service"] }
"""
ROLE = 'role = "member"'


def test_a_first_policy_is_written_once_and_can_be_used(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert "middlewatch policy init" in refused(run(data, "policy", "explain", "restart_service", "checkout"), 77)
    assert "middlewatch policy init" in refused(run(data, "policy", "check"), 78)
    written = run(data, "policy", "init")
    assert written.returncode == 0, written.stderr
    assert str(data / "policy.toml") in written.stdout
    assert stat.S_IMODE((data / "policy.toml").stat().st_mode) == 0o600
    before = (data / "policy.toml").read_bytes()
    refused(run(data, "policy", "init"), 65)
    assert (data / "policy.toml").read_bytes() == before
    assert run(data, "policy", "init", "--force").returncode == 0

    checked = json.loads(run(data, "policy", "check", "--json").stdout)
    assert f"  {getpass.getuser()}: manager" in run(data, "policy", "check").stdout
    assert checked["digest"] == hashlib.sha256(before).hexdigest()
    assert checked["mistakes"] == []
    me = getpass.getuser()
    made = json.loads(run(data, "policy", "token", me, "--json").stdout)
    assert made["line"] == f'token_sha256 = ["{hashlib.sha256(made["token"].encode()).hexdigest()}"]'
    assert made["known"]
    assert json.loads(run(data, "policy", "init", "--force", "--json").stdout) == {"file": str(data / "policy.toml"), "user": me}
    told = json.loads(run(data, "policy", "explain", "restart_service", "checkout", "--as", me, "--json").stdout)
    assert told["viewer"] == {"principal": me, "may_approve": True, "may_approve_own": True, "may_approve_over_mcp": False}
    assert told["rule"]["tier"] == "medium"
    assert told["offered"] is None


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text(EXAMPLE.replace(ROLE, 'rol = "member"').replace("trust_after", "trust_afer"), encoding="utf-8")
    result = run(tmp_path / "data", "policy", "check", file)
    assert result.returncode == 78
    assert f"{file}:{_line(ROLE)}: principals.kim.rol: " in result.stdout
    assert f"{file}:{_line('trust_after')}: rules.0.trust_afer: is no key of a policy; did you mean trust_after?" in result.stdout
    told = json.loads(run(tmp_path / "data", "policy", "check", file, "--json").stdout)
    assert [mistake["key"] for mistake in told["mistakes"]] == ["principals.kim.role", "principals.kim.rol", "rules.0.trust_afer"]
    file.write_text("[", encoding="utf-8")
    assert str(file) in refused(run(tmp_path / "data", "policy", "check", file), 78)


def test_what_policy_means_can_be_asked(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "policy.toml").write_text(EXAMPLE, encoding="utf-8")
    (data / "actions.toml").write_text(ACTIONS, encoding="utf-8")
    page = run(
        data, "policy", "explain", "rollback_deploy", "checkout", "--confidence", "0.6", "--at", "2026-06-06T12:00:00Z"
    ).stdout
    assert page.startswith("rollback_deploy on checkout: high")
    assert "below 0.66: one tier up, high." in page
    assert "weekend: until 2026-06-07 22:00:00 UTC" in page
    assert "next from 2026-06-12 22:00:00 UTC" in page
    undo = run(data, "policy", "explain", "rollback_deploy", "checkout", "--undo", "--budget", "exhausted").stdout
    assert "does not hold it up: it takes a change back" in undo
    assert "The target does not offer it" in run(data, "policy", "explain", "scale_up", "checkout").stdout
    assert "not allowed" in run(data, "policy", "explain", "scale_down", "checkout").stdout
    assert "not allowed" in run(data, "policy", "explain", "scale_up", "checkout", "--budget", "frozen").stdout
    refused(run(data, "policy", "explain", "rollback", "checkout"), 77)
    refused(run(data, "policy", "explain", "scale_up", "checkout", "--as", "nobody"), 65)
    refused(run(data, "policy", "explain", "scale_up", "checkout", "--at", "0001-01-01"), 65)
    named = run(data, "policy", "check")
    assert named.returncode == 78, "the example's other targets are not configured"
    assert "no such target is configured" in named.stdout


def test_a_token_is_shown_once_and_kept_as_a_digest(tmp_path: Path) -> None:
    result = run(tmp_path / "data", "policy", "token", "ann")
    token = result.stdout.strip()
    assert len(token) > 40
    assert f'token_sha256 = ["{hashlib.sha256(token.encode()).hexdigest()}"]' in result.stderr
    assert "There is no policy yet" in result.stderr
    assert run(tmp_path / "data", "policy", "token", "ann").stdout != result.stdout


def _line(text: str) -> int:
    """Where a text stands first in the documented example."""
    return len(EXAMPLE[: EXAMPLE.index(text)].split("\n"))
