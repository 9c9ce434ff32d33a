"""The file that `middlewatch slo init` writes: every section, with what it means, nothing of it in force until it is edited."""

from __future__ import annotations

EXAMPLE = """\
# What hangs on which service, and what is promised of it. Read again whenever it changes.
# Check it with `middlewatch slo check`. Every key and its default: docs/objectives.md.

# Each service under the name that its telemetry has. Those that are not here are of tier 3.
# [services.checkout]
# tier = 1                        # 1: money, and everybody notices ... 4: nobody does for a day
# aliases = ["checkout-svc"]      # what alerts, deploys and clusters call it
# owner = "payments team"

# Availability: a request is answered without an error.
# [[objectives]]
# name = "checkout-availability"
# service = "checkout"
# kind = "availability"
# target = 0.999                  # so the error budget is one request in a thousand, over 30 days

# Latency: a request is answered within the threshold.
# [[objectives]]
# name = "checkout-latency"
# service = "checkout"
# kind = "latency"
# threshold_ms = 500
# target = 0.99

# A user journey: the entry services, and of their requests those that belong to it.
# [[objectives]]
# name = "buying"
# journey = "A customer buys what is in the cart"
# services = ["checkout"]
# operations = ["POST /checkout"]
# kind = "availability"
# target = 0.999

# Correctness: a pair of counters, the good ones of all.
# [[objectives]]
# name = "orders-right"
# service = "checkout"
# kind = "correctness"
# good_metric = "orders.verified"
# total_metric = "orders.placed"
# target = 0.9999

# When burning the budget raises an alert: both windows of a pair must burn at the rate that spends `share` of it in the long one.
# [burn]
# least_bad = 5
# least_total = 20
# pairs = [
#   { short_minutes = 5, long_hours = 1, share = 0.02, escalation = 0.5, severity = "SEV-2" },
#   { short_minutes = 30, long_hours = 6, share = 0.05, escalation = 0.25, severity = "SEV-3" },
#   { short_minutes = 120, long_hours = 24, share = 0.1, escalation = 0.1, severity = "SEV-4" },
# ]

# While it lasts, alerts of these services open nothing; they are kept, and shown as held.
# [[maintenance]]
# services = ["checkout"]         # or "*" for every one
# from = 2026-12-01T22:00:00      # local time of `zone`, which is UTC where it is left out
# to = 2026-12-02T02:00:00
# why = "moving the database"
# zone = "Europe/Stockholm"

# Who is told of an incident, by its severity.
# [severity.SEV-1]
# tell = ["slack:channel", "pagerduty"]

# Whom "pagerduty" pages: an Events API v2 integration of a service there.
# [pagerduty]
# routing_key = "pagerduty-events"  # its integration key: a file in intake-secrets, of mode 0600
# url = "https://events.pagerduty.com"  # https://events.eu.pagerduty.com in the EU
"""
