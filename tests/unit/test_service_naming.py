"""Invariants: rules come first, then labels in their order, then names; where several are meant none is, and it says why."""

from __future__ import annotations

import pytest

from middlewatch.senders import MapRule
from middlewatch.service_naming import KnownServices, NamingRules, service_of
from tests.alert_data import make_message

NAMES = {"checkout-svc": "checkout", "orders": "orders"}
KNOWN = KnownServices(frozenset({"checkout", "payment", "cart-db", "redis"}), lambda text: NAMES.get(text, ""))
RULES = NamingRules((MapRule(match={"alertname": "Pay*", "namespace": "shop"}, service="payment"),))


@pytest.mark.parametrize(
    ("labels", "title", "service", "why"),
    [
        ({"alertname": "PaymentsSlow", "namespace": "shop", "service": "checkout"}, "", "payment", "rule 1 of its sender"),
        ({"alertname": "PaymentsSlow", "namespace": "other", "service": "checkout"}, "", "checkout", "the label service"),
        ({"service": "checkout-svc"}, "", "checkout", "the label service"),
        ({"job": "shop/checkout"}, "", "checkout", "the label job"),
        ({"service": "unknown", "app": "payment"}, "", "payment", "the label app"),
        ({"pod": "checkout-7d9f8b6c5d-x2x4z"}, "", "checkout", "the label pod, without its suffix"),
        ({"pod": "cart-db-0"}, "", "cart-db", "the label pod, without its suffix"),
        ({"pod": "payment-x2x4z"}, "", "payment", "the label pod, without its suffix"),
        ({"component": "orders"}, "", "orders", "the label component"),
        ({}, "Errors of (checkout) are high", "checkout", "its title"),
        ({}, "cart-db: disk full", "cart-db", "its title"),
        ({"a": "checkout", "b": "payment"}, "", "", "names several services"),
        ({}, "checkout cannot reach payment", "", "names several services"),
        ({"service": "nobody"}, "something", "", "service says"),
        ({}, "checkouts fail", "", "names no service"),
    ],
)
def test_a_service_and_why(labels: dict[str, str], title: str, service: str, why: str) -> None:
    message = make_message(service="", labels=labels, title=title or "an alert")
    found, said = service_of(message, RULES, KNOWN)
    assert (found, why in said) == (service, True), said
