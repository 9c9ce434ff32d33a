"""Invariant: a call is taken only if every byte of what it asks for was signed with the secret, lately."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from middlewatch.tools.actions.signature import TOLERANCE_SECONDS, signed, verified

SECRET = "a-secret"  # noqa: S105  of the tests
BODY = b'{"v":1}'
NOW = 1_700_000_000


def headers(**changed: str) -> dict[str, str]:
    return {
        "middlewatch-timestamp": str(NOW),
        "middlewatch-signature": signed(SECRET, NOW, "POST", "/hook/run", BODY),
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }


def test_the_scheme_is_the_documented_one() -> None:
    expected = "v1=f0ab29f38fbc2615090b29b1b0d0a9c7f73291d11fb9c0eb18885475c8175a87"
    assert headers()["middlewatch-signature"] == expected
    message = b"v1\n1700000000\nPOST\n/hook/run\n" + BODY
    assert expected == "v1=" + hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest()


def test_what_was_signed_is_taken() -> None:
    for late in (-TOLERANCE_SECONDS, 0, TOLERANCE_SECONDS):
        assert verified(SECRET, headers(), "POST", "/hook/run", BODY, now=NOW + late)


@pytest.mark.parametrize(
    ("secret", "method", "path", "body"),
    [
        ("other", "POST", "/hook/run", BODY),
        (SECRET, "GET", "/hook/run", BODY),
        (SECRET, "POST", "/hook/inspect", BODY),
        (SECRET, "POST", "/hook/run?x", BODY),
        (SECRET, "POST", "/hook/run", BODY + b" "),
        (SECRET, "POST", "/hook/run", b""),
    ],
)
def test_anything_else_is_not(secret: str, method: str, path: str, body: bytes) -> None:
    assert not verified(secret, headers(), method, path, body, now=NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"middlewatch_timestamp": str(NOW + 1)},
        {"middlewatch_timestamp": ""},
        {"middlewatch_timestamp": "\u0661" * 10},
        {"middlewatch_timestamp": "1" * 40},
        {"middlewatch_timestamp": f"-{NOW}"},
        {"middlewatch_signature": ""},
        {"middlewatch_signature": "v1="},
        {"middlewatch_signature": "v1=\xff"},
    ],
)
def test_broken_headers_are_refused_and_never_an_error(changed: dict[str, str]) -> None:
    assert not verified(SECRET, headers(**changed), "POST", "/hook/run", BODY, now=NOW)


def test_an_old_call_is_refused() -> None:
    for late in (-TOLERANCE_SECONDS - 1, TOLERANCE_SECONDS + 1):
        assert not verified(SECRET, headers(), "POST", "/hook/run", BODY, now=NOW + late)
