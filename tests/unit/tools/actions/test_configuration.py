"""Invariants: a mistake names the file and the line, nothing is served twice, and a credential never travels in clear."""

from __future__ import annotations

from pathlib import Path

import pytest

from middlewatch.records.errors import Misconfigured, Refused
from middlewatch.records.toml_document import Mistaken
from middlewatch.tools.actions.configuration import Configuration

GOOD = """\
[kubernetes.production]
url = "https://10.0.0.1:6443"
token = "production-token"

[argocd.production]
url = "https://argocd.example.com"
token = "argocd-token"

[webhook.edge]
url = "https://edge.example.com/middlewatch"
secret = "edge-secret"

[github.operations]
repository = "acme/operations"
token = "github-token"

[supervisor.local]
socket = "/run/supervisor.sock"

[targets.checkout]
max_replicas = 8
kubernetes = { connection = "production", namespace = "shop", deployment = "checkout" }
argocd = { connection = "production", application = "checkout", actions = ["sync_application"] }
webhook = { connection = "edge", actions = ["shed_traffic", "set_flag"] }
github = { connection = "operations", labels = ["incident"] }
flags.dark_mode = { safe = false }
runbooks = ["clear_cache"]

[targets."shop/worker 2"]
supervisor = { connection = "local" }

[runbooks.clear_cache]
title = "Clear the cache"
tier = "low"
blast_radius = "The next requests are slower."
command = ["/usr/local/bin/clear-cache", "--all"]
"""


def loaded(tmp_path: Path, text: str) -> Configuration:
    path = tmp_path / "actions.toml"
    path.write_text(text)
    return Configuration.of(path)


def test_what_each_target_offers(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, GOOD)
    assert configuration.offers("checkout") == (
        "open_ticket",
        "scale_up",
        "restart_instance",
        "restart_service",
        "rollback_deploy",
        "sync_application",
        "set_flag",
        "scale_down",
        "shed_traffic",
        "run_clear_cache",
    )
    assert configuration.offers("shop/worker 2") == ("restart_instance", "restart_service", "rollback_deploy")
    assert configuration.offers("Checkout") == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('token = "production-token"', 'token = "../other"', 3, "kubernetes.production.token"),
        ('token = "production-token"', "", 1, "kubernetes.production.token"),
        ("https://10.0.0.1:6443", "http://10.0.0.1:6443", 2, "must be https"),
        ("https://10.0.0.1:6443", "https://me:pass@10.0.0.1", 2, "a credential does not belong into a URL"),
        ("https://10.0.0.1:6443", "https://10.0.0.1/a/../b", 2, "plain"),
        ("https://10.0.0.1:6443", "https://10.0.0.1/?a=b", 2, "without a query"),
        ("https://10.0.0.1:6443", "file:///etc/passwd", 2, "http"),
        ('repository = "acme/operations"', 'repository = "acme/.."', 14, "github.operations.repository"),
        ('socket = "/run/supervisor.sock"', 'socket = "s.sock"', 18, "absolute"),
        ("max_replicas = 8", "max_replicas = 0", 21, "max_replicas"),
        ("max_replicas = 8", "min_replicas = 3", 20, "less than min_replicas"),
        ("max_replicas = 8", "max_replicas = 8\nreplicas = 3", 22, "replicas"),
        ('namespace = "shop"', 'namespace = "shop/../x"', 22, "namespace"),
        ('connection = "production", namespace', 'connection = "staging", namespace', 22, "there is no [kubernetes.staging]"),
        (', actions = ["sync_application"]', "", 23, "rollback_deploy is served by kubernetes as well"),
        ('actions = ["sync_application"]', 'actions = ["scale_up"]', 23, "argocd cannot do"),
        (', actions = ["shed_traffic", "set_flag"]', "", 24, "actions"),
        ('actions = ["shed_traffic", "set_flag"]', 'actions = ["shed_traffic"]', 26, "nothing serves set_flag"),
        ('runbooks = ["clear_cache"]', 'runbooks = ["clear_cash"]', 27, "there is no [runbooks.clear_cash]"),
        ('tier = "low"', 'tier = "info"', 32, "low at least"),
        ('tier = "low"', 'tier = "lowest"', 34, "runbooks.clear_cache.tier"),
        ('"/usr/local/bin/clear-cache"', '"clear-cache"', 32, "absolute path"),
        ('command = ["/usr/local/bin/clear-cache", "--all"]', 'command = "reboot now"', 36, "runbooks.clear_cache.command"),
        ('command = ["/usr/local/bin/clear-cache", "--all"]', 'webhook = "edge"\nsupervisor = "local"', 32, "there are 2"),
        ('command = ["/usr/local/bin/clear-cache", "--all"]', 'webhook = "other"', 36, "there is no [webhook.other]"),
        ("[runbooks.clear_cache]", '[runbooks."clear cache"]', 32, "runbooks"),
    ],
)
def test_a_mistake_names_its_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    assert old in GOOD
    with pytest.raises(Misconfigured) as caught:
        loaded(tmp_path, GOOD.replace(old, new, 1))
    assert f"actions.toml:{line}: " in str(caught.value)
    assert says in str(caught.value)


def test_all_mistakes_are_told_at_once_and_none_because_of_another(tmp_path: Path) -> None:
    text = GOOD.replace("https://10.0.0.1:6443", "http://10.0.0.1:6443").replace('tier = "low"', 'tier = "lowest"', 1)
    text = text.replace('supervisor = { connection = "local" }', 'supervisor = { connection = "locl" }')
    with pytest.raises(Mistaken) as caught:
        loaded(tmp_path, text)
    assert [one.key for one in caught.value.mistakes] == [
        "kubernetes.production.url",
        "targets.shop/worker 2.supervisor",
        "runbooks.clear_cache.tier",
    ]


def test_plain_http_stays_on_this_machine(tmp_path: Path) -> None:
    for host in ("127.0.0.1:80", "localhost", "[::1]:8443"):
        loaded(tmp_path, GOOD.replace("https://10.0.0.1:6443", f"http://{host}"))


def test_nothing_configured_offers_nothing(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, "")
    assert configuration.offers("checkout") == ()
    with pytest.raises(Refused, match="not a configured target"):
        configuration.place("scale_up", "checkout")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("https://10.0.0.1:6443", "https://10.0.0.2:6443"),
        ('"production-token"', '"other-token"'),
        ('namespace = "shop"', 'namespace = "other"'),
        ('deployment = "checkout"', 'deployment = "cart"'),
        ("max_replicas = 8", "max_replicas = 9"),
    ],
)
def test_a_place_has_another_digest_after_any_change_of_it(tmp_path: Path, old: str, new: str) -> None:
    before = loaded(tmp_path, GOOD).place("scale_up", "checkout").digest
    assert loaded(tmp_path, GOOD.replace(old, new, 1)).place("scale_up", "checkout").digest != before
    assert loaded(tmp_path, GOOD + "\n[targets.other]\n").place("scale_up", "checkout").digest == before


def test_a_file_that_everybody_may_write_is_not_used(tmp_path: Path) -> None:
    loaded(tmp_path, "")
    (tmp_path / "actions.toml").chmod(0o646)
    with pytest.raises(Mistaken, match="chmod o-w"):
        Configuration.of(tmp_path / "actions.toml")
