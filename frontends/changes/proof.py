"""How each kind of sender of changes shows who it is, over the body as it came, before anything of it is read."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from middlewatch.frontends.alerts import generic
from middlewatch.frontends.intake.credentials import TOKEN_HEADER, is_fresh, is_signed, shows_token
from middlewatch.frontends.intake.delivery import Delivery

_GITHUB = "sha256="
_STANDARD = "v1,"
_MOST_SIGNATURES = 8


def is_proved(delivery: Delivery, secrets: Sequence[bytes]) -> bool:
    """Whether a message is its sender's.

    Args:
        delivery: as it came.
        secrets: what the sender signs with; several while one rotates. With any, a token does not do.
    """
    return _SIGNED[delivery.entry.kind](delivery, secrets) if secrets else shows_token(_with_token(delivery))


def _github(delivery: Delivery, secrets: Sequence[bytes]) -> bool:
    given = delivery.headers.get("x-hub-signature-256", "")
    return given.startswith(_GITHUB) and is_signed(secrets, delivery.body, [given.removeprefix(_GITHUB)])


def _standard(delivery: Delivery, secrets: Sequence[bytes]) -> bool:
    """Standard Webhooks (https://www.standardwebhooks.com): an id, a time and the body are signed; several signatures may come."""
    name, time = delivery.headers.get("webhook-id", ""), delivery.headers.get("webhook-timestamp", "")
    if not name or not is_fresh(time, delivery):
        return False
    signed = b".".join((name.encode("utf-8", "replace"), time.encode(), delivery.body))
    given = delivery.headers.get("webhook-signature", "").split(" ")[:_MOST_SIGNATURES]
    written = [_hexadecimal(one.removeprefix(_STANDARD)) for one in given if one.startswith(_STANDARD)]
    return is_signed([_key(secret) for secret in secrets], signed, written)


def _generic(delivery: Delivery, secrets: Sequence[bytes]) -> bool:
    """As a generic alert is, as Standard Webhooks, or as LaunchDarkly signs: the body alone, which is known when it comes again."""
    given = delivery.headers.get("x-ld-signature", "")
    if given:
        return is_signed(secrets, delivery.body, [given])
    if generic.SIGNATURE in delivery.headers:
        return generic.is_authentic(delivery, secrets)
    return _standard(delivery, secrets)


def _nobody(_delivery: Delivery, _secrets: Sequence[bytes]) -> bool:
    return False


_SIGNED: Mapping[str, Callable[[Delivery, Sequence[bytes]], bool]] = {
    "github": _github,
    "gitlab": _standard,
    "argocd": _nobody,
    "kubernetes": _nobody,
    "changes": _generic,
}


def _with_token(delivery: Delivery) -> Delivery:
    """GitLab has a header of its own for a token."""
    own = delivery.headers.get("x-gitlab-token", "") if delivery.entry.kind == "gitlab" else ""
    return replace(delivery, headers={**delivery.headers, TOKEN_HEADER: own}) if own else delivery


def _key(secret: bytes) -> bytes:
    """A secret is written as whsec_ and base64, or as it is."""
    if not secret.startswith(b"whsec_"):
        return secret
    try:
        return base64.b64decode(secret.removeprefix(b"whsec_"), validate=True)
    except binascii.Error:
        return secret


def _hexadecimal(signature: str) -> str:
    try:
        return base64.b64decode(signature, validate=True).hex()
    except (binascii.Error, ValueError):
        return ""
