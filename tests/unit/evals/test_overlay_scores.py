"""Invariants: a true deploy counts where its service was found, an innocent one wherever it is blamed; all is called what it is."""

from __future__ import annotations

from middlewatch.evals.labels import Label
from middlewatch.evals.overlay_cases import Placed, Role, Sort, System, place
from middlewatch.evals.overlay_scores import SEMI_SYNTHETIC, Answered, measure, tables
from middlewatch.records import Incident
from tests.telemetry_data import incident_row, moment

INCIDENT = Incident.model_validate(incident_row(1200, 120))
LABEL = Label(incident="incident-1", root_cause_service="cart", root_cause_kind="slow", started_at=moment(1080))
SYSTEM = System(frozenset({"shop", "cart", "stock"}), {"cart": frozenset({"shop"})})


def case(sort: Sort, *blamed: Role, named: str | None = "cart", first: str | None = "cart", system: str = "one") -> Answered:
    label = LABEL if sort is not Sort.QUIET else LABEL.model_copy(update={"root_cause_service": None})
    changes = place(INCIDENT, label, sort, SYSTEM, 0)
    return Answered(
        system=system,
        incident="incident-1",
        kind="slow",
        sort=sort,
        seed=0,
        truth=label.root_cause_service,
        first=first,
        named=(named,) if named else (),
        changes=changes,
        blamed=tuple(next(change for change in changes if change.role is role) for role in blamed),
    )


CASES = [
    case(Sort.TRUE_DEPLOY, Role.CAUSE),
    case(Sort.TRUE_DEPLOY, Role.SAME_MOMENT, system="two"),
    case(Sort.TRUE_DEPLOY, named="shop"),
    case(Sort.TRUE_DEPLOY, named=None, first=None),
    case(Sort.DECOYS, Role.OWN_AFTER),
    case(Sort.DECOYS),
    case(Sort.NONE),
    case(Sort.QUIET, named=None, first="shop"),
]


def test_counts() -> None:
    measured = measure(CASES)
    true, decoys, none, quiet, real = measured.sorts
    assert real.cases == 0
    assert (true.name, true.cases, true.found.hits, true.found.of) == ("true deploy", 4, 2, 4)
    assert (true.true_blamed.hits, true.true_blamed.of) == (1, 2)
    assert (true.innocent_blamed.hits, true.innocent_blamed.of) == (1, 4)
    assert (decoys.innocent_blamed.hits, decoys.innocent_blamed.of, decoys.true_blamed.of) == (1, 2, 0)
    assert (none.found.hits, none.innocent_blamed.of) == (1, 0)
    assert (quiet.found.of, quiet.ranked.of, quiet.innocent_blamed.of) == (0, 0, 1)
    assert [row.name for row in measured.systems] == ["one", "two"]
    assert sum(row.cases for row in measured.systems) == len(CASES)


def test_every_innocent_change_counts_once_in_its_role() -> None:
    measured = measure(CASES)
    innocent = [change for each in CASES for change in each.changes if change.role is not Role.CAUSE]
    assert (measured.decoys.hits, measured.decoys.of) == (2, len(innocent))
    assert sum(share.of for share in measured.roles.values()) == len(innocent)
    assert measured.roles[Role.OWN_AFTER].hits == measured.roles[Role.SAME_MOMENT].hits == 1


def test_what_went_wrong_is_listed_and_nothing_else() -> None:
    assert measure(CASES).wrong == (CASES[1], CASES[4])


def test_the_tables_say_that_it_is_semi_synthetic() -> None:
    measured = measure(CASES)
    text = tables(measured)
    assert text.startswith(SEMI_SYNTHETIC)
    assert measured.note == SEMI_SYNTHETIC
    assert "real changes |" not in text
    assert "neighbour, same moment" in text
    assert "of all that have one" in text
    assert ".500 (.095 to .905), 1 of 2" in text
    assert tables(measure([])).startswith(SEMI_SYNTHETIC)


def test_a_true_deploy_that_is_blamed_beside_an_innocent_one_is_both() -> None:
    both = case(Sort.TRUE_DEPLOY, Role.CAUSE, Role.BEFORE)
    assert both.cause_blamed
    assert both.innocent_blamed
    assert isinstance(both.blamed[0], Placed)
