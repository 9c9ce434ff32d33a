"""Invariant: the files that a live lab writes are ones that every reader takes without a mistake, and nobody's own is replaced."""

from __future__ import annotations

from pathlib import Path

from middlewatch.approval.policy.loading import load_policy
from middlewatch.catalogues import examine_actions
from middlewatch.evals.lab.changes import FIRST_VERSIONS
from middlewatch.evals.lab.site import write_site
from middlewatch.service_catalogue import ServiceCatalogue
from middlewatch.settings import Settings


def test_the_files_have_no_mistake_and_know_every_service(tmp_path: Path) -> None:
    written = write_site(tmp_path, tmp_path / "lab" / "control.sock", user="ann")
    assert [path.name for path in written] == ["policy.toml", "actions.toml", "services.toml"]
    policy = load_policy(tmp_path / "policy.toml")
    assert [person.active for person in policy.principals.values()] == [True]
    declared = ServiceCatalogue(tmp_path / "services.toml").declared()
    assert set(declared.services) == set(FIRST_VERSIONS)
    assert declared.objectives
    examined = examine_actions(Settings(data_dir=tmp_path))
    assert set(examined.targets) == set(FIRST_VERSIONS)
    assert all("rollback_deploy" in offers for offers in examined.targets.values())


def test_what_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("# mine\n", encoding="utf-8")
    written = write_site(tmp_path, tmp_path / "control.sock", user="ann")
    assert [path.name for path in written] == ["actions.toml", "services.toml"]
    assert (tmp_path / "policy.toml").read_text(encoding="utf-8") == "# mine\n"
