"""The configuration of actions that `middlewatch actions init` writes: one harmless runbook to try, and the rest as comments."""

from __future__ import annotations

EXAMPLE = """\
# What can be done to which service, and where. Nothing that is not written here can be done, and whatever is done needs an approval
# as the policy says. Read again whenever it changes. Check it with `middlewatch actions check`. Every key: docs/actions.md.
# A credential is named by a file in the credentials folder; only the executor opens it.

[runbooks.try]
title = "Try an approval: writes one line, and changes nothing"
tier = "low"
blast_radius = "None: it prints a line."
command = ["/bin/echo", "approved"]   # a fixed program with fixed words; there is no shell

[targets.inventory]                   # a service under the exact name that telemetry has for it; this one is in `make demo`
runbooks = ["try"]
# max_replicas = 12
# kubernetes = { connection = "main", namespace = "shop", deployment = "checkout" }
# argocd = { connection = "main", application = "checkout", actions = ["sync_application"] }
# webhook = { connection = "platform", actions = ["drain_traffic", "shed_traffic", "set_flag"] }
# github = { connection = "tickets", labels = ["incident"] }
# flags = { new-basket = { safe = false } }

# [kubernetes.main]
# url = "https://kubernetes.example.org:6443"
# token = "kubernetes-main.token"
# ca = "/etc/middlewatch/kubernetes-main.pem"

# [argocd.main]
# url = "https://argocd.example.org"
# token = "argocd-main.token"

# [webhook.platform]
# url = "https://platform.example.org/middlewatch"
# secret = "webhook-platform.secret"

# [github.tickets]
# repository = "example/incidents"
# token = "github-tickets.token"
"""
