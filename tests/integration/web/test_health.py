"""The health of services in every face of the site: what nobody measured is unknown, and names are harmless."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from middlewatch.app import App
from middlewatch.doctor import Health, _services
from middlewatch.frontends.cli import slo
from middlewatch.records import BudgetState
from middlewatch.records.errors import BadInput, Misconfigured, Refused, SourceUnavailable
from tests.acceptance.approvals_site import TARGET
from tests.health_data import seed_health
from tests.markup import foreign_markup, seen
from tests.web_site import WebSite

SERVICES = """\
[services.checkout]
tier = 1
owner = "<script>alert(1)</script>"
[services."<b>mail"]

[[objectives]]
name = "checkout-availability"
journey = "A <b>customer</b> buys"
service = "checkout"
kind = "availability"
target = 0.999
"""


@pytest.fixture
def declared(site: WebSite) -> Iterator[WebSite]:
    path: Path = site.app.settings.services_path
    path.write_text(SERVICES)
    yield site
    path.unlink()


def test_without_declared_services_the_page_says_how_to_declare_them(site: WebSite) -> None:
    answer = site.client("leo").get("/health")
    assert "slo init" in answer.text
    assert "health-row" not in site.client("leo").get("/").text


def test_every_declared_service_is_shown_and_unknown_is_said(declared: WebSite) -> None:
    answer = declared.client("leo").get("/health")
    assert answer.status_code == 200
    assert foreign_markup(seen(answer.text)) == []
    assert "nothing was counted" in answer.text
    assert "99.9 % answered without an error over 30 days" in answer.text
    assert "mail" in answer.text
    assert "nothing is promised" in answer.text
    assert "style=" not in answer.text
    row = declared.client("leo").get("/")
    assert "health-row" in row.text
    assert foreign_markup(seen(row.text)) == []


def test_a_mistake_in_the_file_and_telemetry_that_is_away_are_said(declared: WebSite, monkeypatch: pytest.MonkeyPatch) -> None:
    declared.app.settings.services_path.write_text(SERVICES + '["sevices<b>".x]\n')
    page = declared.client("leo").get("/health")
    assert "is no key of services.toml" in page.text
    assert foreign_markup(seen(page.text)) == []
    declared.app.settings.services_path.write_text(SERVICES)

    def away() -> None:
        raise SourceUnavailable("the telemetry does not answer")

    monkeypatch.setattr(declared.app.health, "services", away)
    page = declared.client("leo").get("/health")
    assert page.status_code == 200
    assert "the telemetry does not answer" in page.text
    assert "checkout-availability" in page.text
    assert declared.client("leo").get("/").status_code == 200


def test_programs_read_the_same(declared: WebSite) -> None:
    program = declared.program("leo")
    found = program.get("/api/v1/objectives").json()
    (one,) = found["objectives"]
    assert (one["objective"]["name"], one["left"], one["state"]) == ("checkout-availability", None, None)
    assert found["exhaustions"] == []
    services = program.get("/api/v1/services/health").json()["services"]
    assert [(each["service"], each["tier"], each["per_second"]) for each in services] == [
        ("checkout", 1, None),
        ("<b>mail", 3, None),
    ]
    assert len(services[0]["rates"]["values"]) == 60
    assert declared.program().get("/api/v1/objectives").status_code == 401


@pytest.fixture
def seeded(site: WebSite, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebSite]:
    """Services that do well and badly, and commands that work on them."""
    seed_health(site.app)

    @contextmanager
    def opened() -> Iterator[App]:
        yield site.app

    monkeypatch.setattr(slo, "application", opened)
    yield site
    site.app.settings.services_path.unlink()


@pytest.mark.usefixtures("seeded")
def test_the_terminal_says_the_same() -> None:
    shown = CliRunner().invoke(slo.slo, ["status"])
    assert shown.exit_code == 0, shown.output
    assert "buying: overdrawn" in shown.output
    assert "only what mends reliability begins, and a post-mortem is asked for" in shown.output
    assert "ALERT: the error budget is spent" in shown.output
    assert "never-counted: nothing was counted, unknown" in shown.output
    assert "disk /var/lib/data: 91 % used, full in" in shown.output
    told = json.loads(CliRunner().invoke(slo.slo, ["status", "--service", "catalogue", "--json"]).output)
    assert [one["objective"]["name"] for one in told["objectives"]] == ["catalogue-availability", "catalogue-fast"]
    assert told["exhaustions"] == []
    unknown = CliRunner().invoke(slo.slo, ["status", "--service", "chekout"])
    assert isinstance(unknown.exception, BadInput)
    assert "checkout, catalogue" in unknown.exception.remedy


def test_the_terminal_says_no_standing_by_a_file_with_a_mistake(seeded: WebSite) -> None:
    seeded.app.settings.services_path.write_text("[services.checkout]\nteir = 1\n")
    shown = CliRunner().invoke(slo.slo, ["status"])
    assert isinstance(shown.exception, Misconfigured)
    assert "services.toml:2: services.checkout.teir: is no key" in shown.exception.message
    assert shown.output == ""


def test_an_exhausted_budget_lets_no_forward_change_through(seeded: WebSite) -> None:
    assert seeded.app.approvals.desk.budget(seeded.app.settings.tenant, TARGET) is BudgetState.EXHAUSTED
    with pytest.raises(Refused, match=f"The error budget of {TARGET} is used up"):
        seeded.propose("scale_up")


def test_the_doctor_says_of_what_nothing_was_counted_and_what_is_wrong_with_the_file(seeded: WebSite) -> None:
    path = seeded.app.settings.services_path
    services, objectives = _services(seeded.app)
    assert (services.health, services.found) == (Health.OK, f"{path}: 4 services, 5 objectives")
    assert (objectives.health, objectives.found) == (Health.NOTICE, "5 objectives; of 1 nothing was counted")
    path.write_text("[services.checkout]\nteir = 1\n\n[sevices]\n")
    (broken,) = _services(seeded.app)
    assert broken.health is Health.BROKEN
    assert f"{path}:2: services.checkout.teir" in broken.found
    assert f"{path}:4: sevices" in broken.found


def test_the_doctor_looks_at_the_secret_that_people_are_paged_with(seeded: WebSite) -> None:
    path = seeded.app.settings.services_path
    path.write_text('[services.checkout]\n[pagerduty]\nrouting_key = "absent"\n')
    (broken,) = _services(seeded.app)
    assert (broken.health, f"{path}:3: pagerduty.routing_key" in broken.found) == (Health.BROKEN, True)


def test_the_doctor_says_that_nothing_is_declared_and_how_to(site: WebSite) -> None:
    (none,) = _services(site.app)
    assert (none.health, "slo init" in none.remedy) == (Health.OK, True)
