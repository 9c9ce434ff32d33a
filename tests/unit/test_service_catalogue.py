"""What teams declare of services: read as a whole, every mistake with its line, and nothing lost while the file is broken."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from middlewatch.records import ObjectiveKind, Severity
from middlewatch.records.errors import BadInput, Misconfigured
from middlewatch.service_catalogue import ServiceCatalogue, check_services, examine_services, init_services
from middlewatch.service_example import EXAMPLE
from middlewatch.settings import Settings
from middlewatch.tools.budgets import PAIRS, BurnRules

WHOLE = """\
[services.checkout]
tier = 1
aliases = ["checkout-svc", "shop/checkout"]
owner = "payments team"

[services.cart]

[[objectives]]
name = "checkout-latency"
service = "checkout"
kind = "latency"
threshold_ms = 500
target = 0.99

[[objectives]]
name = "buying"
journey = "A customer buys"
services = ["checkout", "cart"]
operations = ["POST /checkout"]
kind = "availability"
target = 0.999
days = 7

[burn]
least_bad = 3

[[maintenance]]
services = ["cart"]
from = 2026-12-01T22:00:00
to = 2026-12-02T02:00:00
why = "moving"

[severity.SEV-1]
tell = ["slack:channel", "pagerduty"]

[pagerduty]
routing_key = "pagerduty-events"
"""


def _written(folder: Path, text: str) -> Path:
    path = folder / "services.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_the_file_says_tiers_names_objectives_maintenance_and_who_is_told(tmp_path: Path) -> None:
    catalogue = ServiceCatalogue(_written(tmp_path, WHOLE))
    assert (catalogue.tier("checkout"), catalogue.tier("cart"), catalogue.tier("nobody's")) == (1, 3, 3)
    assert [catalogue.named(text) for text in ("checkout", "shop/checkout", "Checkout", "")] == ["checkout", "checkout", "", ""]
    latency, buying = catalogue.objectives
    assert (latency.services, latency.kind, latency.threshold_ms) == (("checkout",), ObjectiveKind.LATENCY, 500.0)
    assert (buying.services, buying.days, buying.journey) == (("checkout", "cart"), 7.0, "A customer buys")
    assert catalogue.declared().burn == BurnRules(least_bad=3, pairs=PAIRS)
    assert catalogue.tell(Severity.SEV_1) == ("slack:channel", "pagerduty")
    assert catalogue.tell(Severity.SEV_2) == ()


def test_one_objective_with_two_mistakes_has_both_told_and_per_cent_as_a_share(tmp_path: Path) -> None:
    text = '[services.checkout]\n[[objectives]]\nname = "o"\nservice = "chekout"\nkind = "availability"\ntarget = 99.9\n'
    _, mistakes = examine_services(_written(tmp_path, text))
    told = [(one.line, one.what) for one in mistakes]
    assert (4, "chekout is not declared; did you mean checkout?") in told
    assert [what for line, what in told if line == 6] == ["99.9 % is 0.999", "must be less than 1"]


def test_maintenance_holds_its_services_while_it_lasts(tmp_path: Path) -> None:
    catalogue = ServiceCatalogue(_written(tmp_path, WHOLE))
    night, morning = datetime(2026, 12, 1, 23, tzinfo=UTC), datetime(2026, 12, 2, 2, tzinfo=UTC)
    assert catalogue.maintenance("cart", night) == "maintenance until 2026-12-02 02:00 UTC: moving"
    assert not catalogue.maintenance("cart", morning)
    assert not catalogue.maintenance("checkout", night)


def test_without_a_file_nothing_is_declared(tmp_path: Path) -> None:
    catalogue = ServiceCatalogue(tmp_path / "services.toml")
    assert (catalogue.objectives, catalogue.tier("x"), catalogue.named("x"), catalogue.problem) == ((), 3, "", "")


def test_a_broken_file_leaves_what_was_good_to_alerts_and_refuses_what_gives_leave(tmp_path: Path) -> None:
    path = _written(tmp_path, WHOLE)
    catalogue = ServiceCatalogue(path)
    assert catalogue.tier("checkout") == 1
    path.write_text(WHOLE + "[sevices.x]\n")
    assert catalogue.tier("checkout") == 1
    assert "sevices" in catalogue.problem
    with pytest.raises(Misconfigured, match="sevices"):
        catalogue.declared()
    path.write_text(WHOLE.replace("tier = 1", "tier = 2"))
    assert (catalogue.tier("checkout"), catalogue.problem) == (2, "")


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("[services.a]\ntier = 5", 2, "less than or equal to 4"),
        ("[services.a]\nteir = 1", 2, "no key of services.toml; did you mean tier?"),
        ("[service.a]", 1, "did you mean services?"),
        ('[services.a]\naliases = ["b"]\n[services.b]', 2, "b is the name of a service itself"),
        ('[services.a]\naliases = ["x"]\n[services.b]\naliases = ["x"]', 4, "x is an alias of a already"),
        (
            '[services.checkout]\n[[objectives]]\nname = "n"\nservice = "chekout"\nkind = "availability"\ntarget = 0.9',
            4,
            "did you mean checkout?",
        ),
        ('[services.a]\n[[objectives]]\nname = "n"\nservice = "a"\nkind = "latency"\ntarget = 0.9', 2, "threshold_ms belongs"),
        ('[services.a]\n[[objectives]]\nname = "n"\nservice = "a"\nkind = "speed"\ntarget = 0.9', 5, "'availability', 'latency'"),
        ('[services.a]\n[[objectives]]\nname = "n"\nservice = "a"\nkind = "availability"\ntarget = 99.9', 6, "less than 1"),
        ("[burn]\npairs = [{short_minutes = 60, long_hours = 1, share = 0.1, escalation = 0.2, severity = 'SEV-2'}]", 2, "shorter"),
        ("[burn]\npairs = [{short_minutes = 5, long_hours = 1, share = 0.5, escalation = 0.2, severity = 'SEV-2'}]", 2, "or later"),
        ('[severity.SEV-1]\ntell = ["pagerduty"]', 2, "needs a section [pagerduty]"),
        ("[pagerduty]", 1, "is missing: a file in intake-secrets"),
        ('[pagerduty]\nrouting_key = "x"\nurl = "http://events.example.com"', 3, "https, or http on this machine"),
        ('[severity.SEV-9]\ntell = ["slack"]', 1, "is no severity"),
        ('[severity.SEV-1]\ntell = ["mail:x"]', 2, "docs/objectives.md shows how"),
        ('[[maintenance]]\nservices = ["a"]\nfrom = 2026-12-01T22:00:00\nto = 2026-12-01T21:00:00', 1, "ends before it begins"),
        (
            '[[maintenance]]\nservices = ["a"]\nzone = "Europe/Stokholm"\nfrom = 2026-12-01T20:00:00\nto = 2026-12-01T21:00:00',
            3,
            "not a time zone",
        ),
    ],
)
def test_every_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    found, mistakes = examine_services(_written(tmp_path, text))
    assert found is None
    assert any(what in mistake.what and mistake.line == line for mistake in mistakes), [str(one) for one in mistakes]


def test_two_objectives_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    one = '[[objectives]]\nname = "n"\nservice = "a"\nkind = "availability"\ntarget = 0.9\n'
    _, mistakes = examine_services(_written(tmp_path, f"[services.a]\n{one}{one}"))
    assert [(mistake.line, mistake.key) for mistake in mistakes] == [(8, "objectives.1.name")]


def test_who_may_not_write_the_file_is_looked_at(tmp_path: Path) -> None:
    path = _written(tmp_path, "")
    path.chmod(0o666)
    assert "chmod o-w" in examine_services(path)[1][0].what


def test_the_example_is_one_that_can_be_used_as_it_is_and_with_everything_in_force(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    path = init_services(settings, force=False)
    assert check_services(settings, None)[2] == ()
    with pytest.raises(BadInput, match="exists already"):
        init_services(settings, force=False)
    in_force = re.sub(r"(?m)^# ", "", EXAMPLE)
    in_force = "\n".join(line for line in in_force.splitlines() if re.match(r"^(\[|\]|  \{|[a-z_]+ = )", line))
    path.write_text(in_force)
    found, mistakes = examine_services(path)
    assert mistakes == ()
    assert found is not None
    assert len(found.objectives) == 4
    assert found.burn == BurnRules()


def test_where_there_is_no_file_to_check_it_is_said_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as refused:
        check_services(Settings(data_dir=tmp_path), None)
    assert "slo init" in str(refused.value.remedy)


def test_a_file_that_is_named_and_is_not_there_is_a_wrong_name_and_no_missing_setting(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="There is no /nonexistent") as refused:
        check_services(Settings(data_dir=tmp_path), Path("/nonexistent"))
    assert str(tmp_path / "services.toml") in refused.value.remedy
    assert "init" not in refused.value.remedy
