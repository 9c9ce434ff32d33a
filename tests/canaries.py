"""One made-up secret for each rule of the redaction, as it stands in a text. They are put together here, so that no scanner minds.

Each is a secret by itself or by what stands around it; `SECRETS` has what must be seen nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_TAIL = "Zq7Wm3Xk9Rt5Vb1Np8Lc6Hd4Fg2Js0Yu7Ie3Oa9"

CANARIES: Final[Mapping[str, tuple[str, str]]] = {
    "private-key": (
        "{0}BEGIN RSA {1} KEY{0}\nMIIEow{2}\n{0}END RSA {1} KEY{0}".format("-" * 5, "PRIVATE", _TAIL),
        f"MIIEow{_TAIL}",
    ),
    "aws-access-key": ("key AKIA" + "CANARYQ7ZW3MXKRT", "AKIA" + "CANARYQ7ZW3MXKRT"),
    "gcp-api-key": ("?k=AIza" + _TAIL[:35], "AIza" + _TAIL[:35]),
    "gcp-access-token": ("ya29." + _TAIL, "ya29." + _TAIL),
    "github-token": ("ghp_" + _TAIL[:36], "ghp_" + _TAIL[:36]),
    "gitlab-token": ("glpat-" + _TAIL[:20], "glpat-" + _TAIL[:20]),
    "slack-token": ("xoxb-" + "123456789012-" + _TAIL[:24], "123456789012-" + _TAIL[:24]),
    "slack-webhook": ("https://hooks.slack.com/" + "services/T00CANARY/B00CANARY/" + _TAIL[:24], "B00CANARY/" + _TAIL[:24]),
    "stripe-key": ("sk_live_" + _TAIL[:24], "sk_live_" + _TAIL[:24]),
    "model-provider-key": ("sk-ant-" + "api03-" + _TAIL, "api03-" + _TAIL),
    "sendgrid-key": ("SG." + _TAIL[:22] + "." + _TAIL, "SG." + _TAIL[:22]),
    "package-token": ("npm_" + _TAIL[:36], "npm_" + _TAIL[:36]),
    "jwt": ("eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiJjYW5hcnkifQ." + _TAIL, "eyJzdWIiOiJjYW5hcnkifQ"),
    "url-password": ("postgres://app:canary" + "-s3cr3t@db:5432/shop", "canary" + "-s3cr3t"),
    "authorization": ("Authorization: Token canary" + "Hdr1a2b3c", "canary" + "Hdr1a2b3c"),
    "bearer": ("sent bearer canary" + "Brr4d5e6f7", "canary" + "Brr4d5e6f7"),
    "password": ("password=canary" + "-hunter2", "canary" + "-hunter2"),
    "secret": ("api_key=canary" + "9f8e7d6c5b4a", "canary" + "9f8e7d6c5b4a"),
    "email": ("for canary.doe" + "@mail.example.org now", "canary.doe" + "@mail.example.org"),
    "iban": ("to DE89" + "370400440532013000", "DE89" + "370400440532013000"),
    "card": ("card 4111" + "111111111111", "4111" + "111111111111"),
    "phone": ("call +49 151" + " 23456789", "+49 151" + " 23456789"),
}
"""Rule -> a text that holds the secret, and the secret."""
SECRETS: Final = tuple(secret for _, secret in CANARIES.values())
TEXT: Final = " | ".join(text for text, _ in CANARIES.values())
"""All of them in one text."""


def seen_in(text: str) -> list[str]:
    """The rules whose canary stands in a text, as it is or as JSON has it."""
    return [rule for rule, (_, secret) in CANARIES.items() if secret in text or secret.replace("/", "\\/") in text]
