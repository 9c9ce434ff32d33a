"""The lab's first shop, of which the committed recordings are: five services, before it grew up."""

from __future__ import annotations

from collections.abc import Mapping

from middlewatch.evals.lab.detection import AlertRule, Objective
from middlewatch.evals.lab.measurements import SERVER_ERROR_RATIO, SERVER_P99
from middlewatch.records import ChangeKind

FIRST_VERSIONS: Mapping[str, str] = {
    "storefront": "3.2.0",
    "orders": "5.0.2",
    "inventory": "2.3.1",
    "pricing": "1.9.3",
    "shipping": "1.4.0",
}
HARMLESS_SETTINGS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "storefront": ("banner", (2, 3, 4)),
    "orders": ("history_limit", (11, 12, 13)),
    "inventory": ("slow_query_ms", (55, 60, 65)),
    "pricing": ("quote_cache_seconds", (5400, 7200, 9000)),
    "shipping": ("poll_ms", (90, 110, 120)),
}
RULE = AlertRule(
    (
        Objective("storefront", SERVER_P99, 0.2),
        Objective("storefront", SERVER_ERROR_RATIO, 0.05),
        Objective("storefront", "shop.checkout.refused.ratio", 0.5),
        Objective("shipping", "shop.shipping.oldest.age", 20.0),
    ),
    hold_seconds=30.0,
    missed_share=1.0,
)

DEPLOY, CONFIG = ChangeKind.DEPLOY.value, ChangeKind.CONFIG.value

FAULTS: Mapping[str, tuple[str, str, str] | None] = {
    "code_slow_path/dropped-index": ("inventory", DEPLOY, "2.4.0"),
    "resource_saturation/connection-leak": ("orders", DEPLOY, "5.1.0"),
    "configuration/cache-off": ("pricing", CONFIG, ""),
    "configuration/zero-timeout": ("orders", CONFIG, ""),
    "code_exception/missing-market": ("pricing", DEPLOY, "2.0.0"),
    "code_exception/bad-canary": ("orders", DEPLOY, "5.4.0"),
    "code_wrong_result/stock-in-pallets": ("inventory", DEPLOY, "2.5.0"),
    "code_slow_path/one-by-one": ("storefront", DEPLOY, "3.3.0"),
    "code_slow_path/slow-signature": ("orders", DEPLOY, "5.3.0"),
    "resource_saturation/noisy-neighbour": None,
    "network/slow-network": None,
    "network/lossy-network": None,
    "dependency_failure/stalling-storage": None,
    "dependency_failure/locked-database": None,
    "load/load-spike": None,
    "data_or_queue/poisoned-order": None,
    "data_or_queue/bad-prices": None,
    "infrastructure/frozen-instance": None,
}
"""Every label of a fault, and the change that it came with: service, kind and version; None where it came with none."""
