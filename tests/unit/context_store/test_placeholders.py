"""Invariant: nobody outside learns a secret from its placeholder, equal ones have the same, and only memory can put it back."""

from __future__ import annotations

import copy
import pickle
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from middlewatch.context_store.placeholders import Placeholders
from middlewatch.context_store.redaction import RULES, redact
from tests.canaries import CANARIES, SECRETS, TEXT, seen_in

SALT = b"s" * 32
TEXTS = st.text() | st.lists(
    st.sampled_from([*(text for text, _ in CANARIES.values()), *SECRETS, "password=", "token:", " ", '"', "\n", "@", "[redacted:"])
).map(" ".join)


def test_there_is_a_canary_for_every_rule() -> None:
    assert set(CANARIES) == {rule.name for rule in RULES}


@pytest.mark.parametrize("rule", CANARIES)
def test_every_rule_has_placeholders_that_can_be_put_back(rule: str) -> None:
    text, secret = CANARIES[rule]
    ours = Placeholders(SALT)
    veiled = ours.veil(text)
    assert seen_in(veiled) == []
    (placeholder,) = re.findall(r"\[redacted:[^]]*\]", veiled)
    assert placeholder.startswith(f"[redacted:{rule}#")
    assert secret in ours.unveil(veiled)
    assert ours.unveil(veiled) == text
    assert ours.mark(veiled) == redact(text)


@given(TEXTS)
@example("PASSWORT://:0@")  # one rule finds what holds what another found
def test_veiled_again_nothing_changes_and_it_is_put_back_as_it_was(text: str) -> None:
    ours = Placeholders(SALT)
    veiled = ours.veil(text)
    assert veiled == text or "[redacted:" in veiled
    again = ours.veil(veiled)
    assert again == veiled or again.count("#") > veiled.count("#")  # a placeholder ends a word, and the next one shows
    if "[redacted:" not in text:
        assert ours.unveil(veiled) == text


def test_the_same_secret_has_the_same_letters_in_every_process_and_other_letters_elsewhere() -> None:
    here, there, elsewhere = Placeholders(SALT), Placeholders(SALT), Placeholders(b"t" * 32)
    assert here.veil("pwd=x1 password: x1") == "pwd={0} password: {0}".format(here.veil("pwd=x1")[4:])
    assert here.veil(TEXT) == there.veil(TEXT)
    letters = set(re.findall("#[a-z]+", here.veil(TEXT)))
    assert len(letters) == len(CANARIES)
    assert not letters & set(re.findall("#[a-z]+", elsewhere.veil(TEXT)))


def test_a_placeholder_holds_nothing_that_a_reader_could_take_for_a_number_or_a_word() -> None:
    for found in re.findall("#([^]]*)]", Placeholders(SALT).veil(TEXT)):
        assert re.fullmatch("[b-df-hj-np-tv-z]{12}", found)


def test_a_placeholder_that_somebody_made_up_stands_for_nothing() -> None:
    ours, other = Placeholders(SALT), Placeholders(SALT)
    made_up = "[redacted:email#bcdfghjkmnpq] " + other.veil("a@b.example")
    assert ours.unveil(made_up) == made_up
    assert ours.mark(made_up) == "[redacted:email] [redacted:email]"


def test_what_it_stands_for_stays_in_the_process() -> None:
    ours = Placeholders(SALT)
    ours.veil(TEXT)
    assert seen_in(repr(ours) + str(ours)) == []
    for leave in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="stays in the process"):
            leave(ours)
