"""Invariant: a kind counts as right only where the service was found and the fault is one that the kind explains."""

from __future__ import annotations

from pathlib import Path

import pytest

from middlewatch.evals.kinds import ACCEPTED, fault_of, judged, kinds_page, labels_below
from middlewatch.evals.labels import Label
from middlewatch.records import CauseKind, KindChance, Prediction


def predicted(incident: str, *causes: str, kind: CauseKind | None = CauseKind.CODE, detail: str = "exception") -> Prediction:
    chance = KindChance(kind=kind, detail=detail, probability=0.8) if kind else None
    return Prediction(
        incident=incident,
        ranking=(("cart", 1.0),),
        confidence=0.9,
        inconclusive=not causes,
        seconds=1.0,
        causes=causes,
        kind=chance,
    )


def label(kind: str, service: str | None = "cart") -> Label:
    return Label(incident="i", root_cause_service=service, root_cause_kind=kind)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("exception", "exception"),
        ("code_slow_path/one-by-one", "code_slow_path"),
        ("resource_saturation/connection-leak", "connection-leak"),
        ("set --name '/searchdelay' --value '500'", "searchdelay"),
        ("locusts", None),
        ("none", None),
    ],
)
def test_a_fault_is_known_by_its_word(name: str, fault: str | None) -> None:
    assert fault_of(label(name)) == fault


def test_a_quiet_moment_has_no_fault() -> None:
    assert fault_of(label("exception", service=None)) is None


def test_only_kinds_of_the_right_service_are_judged() -> None:
    labels = {"i": [label("exception")]}
    assert judged([predicted("i", "orders")], labels) == []
    assert judged([predicted("i")], labels) == []
    assert judged([predicted("other", "cart")], labels) == []
    assert judged([predicted("i", "cart", kind=None)], labels) == []
    (answer,) = judged([predicted("i", "cart")], labels)
    assert (answer.right, answer.exact) == (True, True)


@pytest.mark.parametrize(
    ("fault", "kind", "detail", "right", "exact"),
    [
        ("return", CauseKind.CODE, "wrong_result", True, True),
        ("return", CauseKind.CODE, "exception", True, False),
        ("return", CauseKind.NETWORK, "", False, False),
        ("network_delay", CauseKind.NETWORK, "whatever", True, True),
        ("cpu_consumed", CauseKind.CODE, "slow_path", True, True),
    ],
)
def test_the_kind_and_its_detail_count_apart(fault: str, kind: CauseKind, detail: str, *, right: bool, exact: bool) -> None:
    (answer,) = judged([predicted("i", "cart", kind=kind, detail=detail)], {"i": [label(fault)]})
    assert (answer.right, answer.exact) == (right, exact)


def test_the_page_counts_what_was_named() -> None:
    labels = {"i": [label("exception")], "j": [label("exception")], "k": [label("return")]}
    text = kinds_page(
        [
            predicted("i", "cart"),
            predicted("j", "cart", "orders", kind=CauseKind.UNKNOWN, detail=""),
            predicted("k", "cart", kind=CauseKind.NETWORK, detail=""),
        ],
        labels,
    )
    assert "| `exception` | 2 | 1 | 1 | 1 | code exception 1, unknown 1 |" in text
    assert "| all | 3 | 2 | 1 | 1 |  |" in text
    assert "Of 2 kinds that were named, 1 are right" in text
    assert "A second cause was named in 1 of 3 findings" in text


def test_two_faults_are_two_labels(tmp_path: Path) -> None:
    faults = [label("code_exception/bad-canary", "cart"), label("code_slow_path/one-by-one", "orders")]
    (tmp_path / "labels.jsonl").write_text("".join(fault.model_dump_json() + "\n" for fault in faults), encoding="utf-8")
    labels = labels_below(tmp_path)
    assert labels == {"i": faults}
    assert "Of 1 incidents with two faults, both were named in 1." in kinds_page([predicted("i", "orders", "cart")], labels)
    assert "both were named in 0." in kinds_page([predicted("i", "cart")], labels)
    assert [answer.fault for answer in judged([predicted("i", "orders", "cart")], labels)] == ["code_slow_path"]


def test_no_kind_is_accepted_that_means_nothing() -> None:
    assert all(kinds and CauseKind.UNKNOWN not in dict(kinds) for kinds in ACCEPTED.values())
