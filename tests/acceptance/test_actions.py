"""A first configuration works as it is written, every mistake is told with its line, and nothing is overwritten unasked."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.command import refused, run


def test_the_first_configuration_is_whole_and_offers_something_to_try(tmp_path: Path) -> None:
    made = run(tmp_path, "actions", "init")
    assert made.returncode == 0, made.stderr
    assert "--force" in refused(run(tmp_path, "actions", "init"), 65)
    checked = run(tmp_path, "actions", "check", "--json")
    assert checked.returncode == 0, checked.stderr
    found = json.loads(checked.stdout)
    assert found["targets"] == {"inventory": ["run_try"]}
    assert not found["credentials_open"]
    listed = run(tmp_path, "actions", "list", "--json")
    assert {"run_try", "rollback_deploy"} <= {spec["id"] for spec in json.loads(listed.stdout)}


def test_a_mistake_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "actions.toml"
    file.write_text("[targets.checkout]\nmax_replicas = 3\nmin_replica = 2\n[runbooks.clean]\ntier = 'lowest'\n")
    said = run(tmp_path / "data", "actions", "check", file)
    assert (said.returncode, len(said.stdout.splitlines())) == (78, 4)
    assert "actions.toml:3: targets.checkout.min_replica: " in said.stdout
    told = json.loads(run(tmp_path / "data", "actions", "check", file, "--json").stdout)
    assert {one["line"] for one in told["mistakes"]} == {3, 4, 5}
    assert "actions init" in refused(run(tmp_path / "data", "actions", "check"), 78)
