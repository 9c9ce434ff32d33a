"""The shop in ordinary life: its services, the versions and settings that they start with, and changes of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from middlewatch.records import ChangeKind

FIRST_VERSIONS: Mapping[str, str] = {
    "gateway": "3.2.0",
    "catalogue": "1.9.3",
    "cart": "4.0.5",
    "checkout": "5.0.2",
    "payment": "6.0.1",
    "inventory": "2.3.1",
    "notifications": "1.4.0",
}
"""The shop's services and the version of each that runs when a recording begins. Later patches of these do the same."""

INSTANCES: Mapping[str, int] = {
    "gateway": 1,
    "catalogue": 2,
    "cart": 1,
    "checkout": 2,
    "payment": 2,
    "inventory": 2,
    "notifications": 1,
}
"""How many instances of each service run; callers take turns among them."""

FIRST_SETTINGS: Mapping[str, Mapping[str, int]] = {
    "gateway": {"banner": 1, "upstream_timeout_ms": 3000, "upstream_retries": 0},
    "catalogue": {"quote_cache_seconds": 3600, "page_size": 12},
    "cart": {"cart_days": 7, "upstream_timeout_ms": 3000},
    "checkout": {"history_limit": 10, "upstream_timeout_ms": 3000, "upstream_retries": 0},
    "payment": {"receipt_language": 1, "bank_timeout_ms": 2500},
    "inventory": {"slow_query_ms": 50},
    "notifications": {"poll_ms": 100},
}

HARMLESS_SETTINGS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "gateway": ("banner", (2, 3, 4)),
    "catalogue": ("quote_cache_seconds", (5400, 7200, 9000)),
    "cart": ("cart_days", (8, 10, 14)),
    "checkout": ("history_limit", (11, 12, 13)),
    "payment": ("receipt_language", (2, 3, 4)),
    "inventory": ("slow_query_ms", (55, 60, 65)),
    "notifications": ("poll_ms", (90, 110, 120)),
}
"""Settings that somebody may change without anybody noticing, and values for them."""

HARMLESS_PURPOSES = (
    "update of dependencies",
    "wording of messages",
    "less to log",
    "a comment and two renamed functions",
    "prepare the sale",
)


@dataclass(frozen=True, slots=True)
class ShopChange:
    """A change that is really made: a deploy replaces running processes, a config change rewrites a file that they watch."""

    service: str
    kind: ChangeKind
    version: str
    description: str
    """Of a deploy. The shop describes a config change itself, since it knows the values before."""
    actor: str
    settings: Mapping[str, int] = field(default_factory=dict)
    """The settings that a config change sets; the others stay as they are."""
    instances: int | None = None
    """How many instances a deploy replaces; None for all of them."""


def deploy(service: str, version: str, purpose: str, *, instances: int | None = None, actor: str = "ci") -> ShopChange:
    """A deploy of ``version`` on all instances or, as a canary, on some."""
    where = "Canary of" if instances else "Roll out"
    return ShopChange(service, ChangeKind.DEPLOY, version, f"{where} {version}: {purpose}", actor, instances=instances)


def configure(service: str, **settings: int) -> ShopChange:
    """A change of some settings of a service."""
    return ShopChange(service, ChangeKind.CONFIG, "", "", "operations", settings)
