"""The file that `middlewatch intake init` writes: every kind of sender, nothing of it in force until it is edited."""

from __future__ import annotations

EXAMPLE = """\
# Who may tell of alerts. Read again whenever it changes; check it with `middlewatch intake check`.
# Each sender posts to /intake/alerts/NAME. What to write at its side: docs/alerts.md.
# `middlewatch intake token NAME` makes a token and prints the line to add here; only its SHA-256 is kept.
# Secrets are files of one line (mode 0600) in the folder intake-secrets (mode 0700) beside this file.

# [senders.prometheus]
# kind = "alertmanager"
# token_sha256 = ["64 digits of 0-9 and a-f"]    # a bearer token
# user = "alertmanager"                          # and with it basic authentication: this name, the token as the password
#
# [senders.prometheus.write_back]                # acknowledged here: silenced there, until it is over
# url = "http://127.0.0.1:9093"                  # https, or http on this machine
# hours = 4                                      # how long a silence lasts at most

# [senders.grafana]
# kind = "grafana"
# secret = "grafana"                             # HMAC; or token_sha256, with user or without
# timestamp_header = "X-Grafana-Alerting-Timestamp"

# [senders.pagerduty]
# kind = "pagerduty"
# secret = ["pagerduty"]                         # of the webhook subscription; both, while one is rotated
#
# [senders.pagerduty.write_back]
# url = "https://api.pagerduty.com"
# token = "pagerduty-api"                        # a file in intake-secrets
# from = "middlewatch@example.com"               # the user that it acts as there

# [senders.datadog]
# kind = "datadog"
# token_sha256 = ["64 digits of 0-9 and a-f"]

# [senders.opsgenie]
# kind = "opsgenie"
# token_sha256 = ["64 digits of 0-9 and a-f"]

# [senders.cloudwatch]
# kind = "cloudwatch"
# topics = ["arn:aws:sns:eu-central-1:123456789012:alarms"]

# [senders.own]
# kind = "generic"
# secret = "own"                                 # HMAC over time and body; or token_sha256

# Senders of changes; docs/changes.md has them all.
# [senders.github]
# kind = "github"
# secret = ["github"]
# environments = ["production*"]
# [[senders.github.map]]
# match = { repository = "shop/till" }
# service = "checkout"
# [[senders.github.paths]]
# path = "config/**"
# kind = "config"

# Which service an alert is of: the first rule whose patterns all match, then the labels in their order, then names that
# occur in the alert. Services are those that telemetry or services.toml knows, and their aliases.
# [[senders.prometheus.map]]
# match = { alertname = "Payment*", namespace = "shop" }
# service = "payment"
"""
