"""Invariant: a note opens only with a key that signed exactly its text, and every text has one form."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.approval.audit.note import NoteError, Signer, VerifierKey, opened
from tests.unit.approval.audit.logs import LOG, make_signer

THEIR_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
THEIR_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example in the documentation of Go's golang.org/x/mod/sumdb/note."""

LETTERS = string.ascii_letters + string.digits + "+/"
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=[chr(n) for n in range(32)]) | st.just("\n"))


def test_a_note_by_the_go_implementation_opens() -> None:
    key = VerifierKey.parse(THEIR_KEY)
    assert str(key) == THEIR_KEY
    assert opened(THEIR_NOTE, [key]).startswith("If you think")


@given(TEXTS.map(lambda text: text + "\n"))
def test_what_was_signed_opens(text: str) -> None:
    signer = make_signer()
    assert opened(signer.sign(text), [signer.verifier]) == text


def test_any_edited_character_is_found() -> None:
    signer = make_signer()
    note = signer.sign(f"{LOG}\n7\nroot\n")
    for n in range(len(note)):
        for other in ("", chr(ord(note[n]) ^ 1), note[n] * 2):
            with pytest.raises(NoteError):
                opened(note[:n] + other + note[n + 1 :], [signer.verifier])


def test_a_signature_has_one_form() -> None:
    """Base64 of 68 bytes has two bits that mean nothing; a note with others of them is another file, and no other note."""
    signer = make_signer()
    note = signer.sign("text\n")
    last = note[-3]
    others = [letter for letter in LETTERS if base64.b64decode(note[-5:-3] + letter + "=") == base64.b64decode(note[-5:-1])]
    assert len(others) == 4
    for letter in others:
        if letter != last:
            with pytest.raises(NoteError):
                opened(note[:-3] + letter + note[-2:], [signer.verifier])


def test_another_key_does_not_open_it() -> None:
    note = make_signer(1).sign("text\n")
    with pytest.raises(NoteError, match="not signed by the given key"):
        opened(note, [make_signer(2).verifier])
    with pytest.raises(NoteError, match="not signed by the given key"):
        opened(note, [make_signer(1, "other").verifier])


def test_signatures_by_witnesses_pass() -> None:
    ours, witness = make_signer(1), make_signer(2, "witness.example")
    note = ours.sign("text\n") + witness.sign("text\n").rpartition("\n\n")[2]
    assert opened(note, [ours.verifier]) == opened(note, [witness.verifier]) == opened(note, [ours.verifier, witness.verifier])


def test_a_false_signature_by_a_known_key_spoils_the_note() -> None:
    ours, witness = make_signer(1), make_signer(2, "witness.example")
    note = ours.sign("text\n") + witness.sign("other\n").rpartition("\n\n")[2]
    with pytest.raises(NoteError, match="false"):
        opened(note, [ours.verifier, witness.verifier])


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "bell\x07\n", "return\r\n"])
def test_a_text_that_is_none_is_not_signed(text: str) -> None:
    with pytest.raises(NoteError):
        make_signer().sign(text)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "line\nbreak"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(NoteError):
        Signer(name, make_signer()._private)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        THEIR_KEY.replace("c74f", "c74e"),
        THEIR_KEY.replace("+AR", "+BR"),
        THEIR_KEY[:-1],
        THEIR_KEY + "A",
        " " + THEIR_KEY,
    ],
)
def test_a_verifier_key_with_a_slip_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.parse(text)
