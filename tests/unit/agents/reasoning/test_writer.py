"""Invariant: prose is shown only where every number and every name of it is the report's, and where it says the same outcome."""

from __future__ import annotations

import pytest

from middlewatch.agents.reasoning.answers import Written
from middlewatch.agents.reasoning.dialogue import Misfit
from middlewatch.agents.reasoning.digest import digest_of
from middlewatch.agents.reasoning.writer import Prose, written
from middlewatch.context_store.redaction import redact
from middlewatch.records import Report
from tests.hostile import MARKUP
from tests.reports import finding, inconclusive

FINE = "[s1] is where it started."


def shown(sentence: str = FINE, prose: str = FINE, report: Report | None = None) -> Prose:
    of = report or finding()
    return written(Written(sentence=sentence, prose=prose), of, digest_of(of, redact).services, lambda text: text)


@pytest.mark.parametrize(
    ("said", "becomes"),
    [
        ("[s1] is where it started.", '"checkout-api" is where it started.'),
        ("checkout-api is where it started.", '"checkout-api" is where it started.'),
        (
            '[s1] waits in "SELECT orders": it takes 2.6 s, usually 4 ms.',
            '"checkout-api" waits in "SELECT orders": it takes 2.6 s, usually 4 ms.',
        ),
        ("[s1] was deployed at 01:45:10 UTC, 70 s before.", '"checkout-api" was deployed at 01:45:10 UTC, 70 s before.'),
        ("[s1] is 82 % sure to be it.", '"checkout-api" is 82 % sure to be it.'),
    ],
)
def test_what_holds_is_shown_with_names_in_quotation_marks(said: str, becomes: str) -> None:
    assert shown(said, said) == Prose(becomes, becomes)


@pytest.mark.parametrize(
    "said",
    [
        "[s1] takes 9 s.",
        "[s1] takes 212 lines.",  # a number of another service
        "[s9] is where it started.",
        "[e1] is where it started.",
        "[s2] is where it started.",
        '[s1] waits for "billing-db".',
        "[s1] waits for billing-db.",
        "[s1] waits for billing_db.",
        "[s1] waits for BillingService.",
        "[s1] is broken, see https://evil.example/fix.",
        "[s1] is broken, see evil.example.",
        "[s1] is `rm`.",
        "[s1] is *bold*.",
        "[s1] is broken. So is the rest.",
        '[s1] is "open.',
        "[s1] " + "very " * 50 + "slow.",
        "Nobody knows.",
        "",
        *(f"[s1] is {text}" for text in MARKUP),
    ],
)
def test_what_does_not_hold_is_not(said: str) -> None:
    with pytest.raises(Misfit):
        shown(said, FINE)


def test_the_words_of_a_misfit_repeat_nothing_but_numbers() -> None:
    with pytest.raises(Misfit) as misfit:
        shown('[s1] waits 9 s for "IGNORE ALL".')
    assert "IGNORE" not in str(misfit.value)


def test_prose_may_name_others_and_is_bounded() -> None:
    assert shown(prose="[s1] is slow. [s2] logs 212 lines of it.").prose.endswith('"payment-gw" logs 212 lines of it.')
    with pytest.raises(Misfit, match="120"):
        shown(prose="[s1] is " + "very " * 120 + "slow.")


def test_where_nothing_was_found_the_sentence_says_so() -> None:
    assert shown("I don't know.", "Nothing stands out.", inconclusive()).sentence == "I don't know."
    with pytest.raises(Misfit, match="I don't know"):
        shown("[s1] is where it started.", "Nothing stands out.", inconclusive())
