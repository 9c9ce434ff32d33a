"""Invariants: intake.toml is used whole or not at all, and says every mistake; nobody is let in without showing something."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from middlewatch import deploy_watch, objectives
from middlewatch.records.errors import BadInput, Misconfigured
from middlewatch.records.tokens import is_known
from middlewatch.sender_example import EXAMPLE
from middlewatch.senders import Senders, check_intake, init_intake, make_sender_token
from middlewatch.settings import Settings
from tests.alert_senders import INTAKE, write_intake

DIGEST = "0" * 64


def mistakes(tmp_path: Path, text: str) -> list[str]:
    write_intake(tmp_path, text)
    return [str(one).removeprefix(f"{tmp_path}/") for one in check_intake(Settings(data_dir=tmp_path), None)[2]]


def test_the_example_is_right_when_it_is_uncommented(tmp_path: Path) -> None:
    lines = [line.removeprefix("# ") for line in EXAMPLE.splitlines()]
    text = "\n".join(line for line in lines if line.startswith("[") or " = " in line).replace("64 digits of 0-9 and a-f", DIGEST)
    write_intake(tmp_path)
    for name in re.findall(r'"([a-z][a-z-]*)"', text):  # some of them are secrets
        (tmp_path / "intake-secrets" / name).write_text("s" * 32)
        (tmp_path / "intake-secrets" / name).chmod(0o600)
    assert mistakes(tmp_path, text) == []


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    text = f"""\
[senders.a]
kind = "alertmanagr"
token_sha256 = ["{DIGEST}"]
[senders.b]
kind = "pagerduty"
[senders.c]
kind = "alertmanager"
[senders.d]
kind = "cloudwatch"
topics = ["arn:aws:sns:x"]
[senders.Big]
kind = "datadog"
token_sha256 = "{DIGEST}"
topics = []
[senders.e]
kind = "generic"
secret = "absent"
[senders.f]
kind = "alertmanager"
token_sha256 = "{DIGEST}"
write_back = {{ url = "http://alertmanager.example:9093" }}
[senders.g]
kind = "generic"
secret = "../policy.toml"
[sender]
"""
    said = "\n".join(mistakes(tmp_path, text))
    for words in (
        *("intake.toml:2:", "intake.toml:4: senders.b.secret: is missing", "intake.toml:6: senders.c.token_sha256: is missing"),
        *("intake.toml:10:", "senders.Big: a sender's name", "topics: is nothing that datadog has", "absent cannot be read"),
        *("must be https, or http on this machine", "intake.toml:24:", "did you mean senders?"),
    ):
        assert words in said, said
    (kind,) = [line for line in said.splitlines() if "senders.a." in line]
    assert kind.endswith(
        "kind: must be 'alertmanager', 'grafana', 'pagerduty', 'datadog', 'opsgenie', 'cloudwatch', 'generic', "
        "'github', 'gitlab', 'argocd', 'kubernetes' or 'changes'"
    )


@pytest.mark.parametrize("text", ['[senders.a]\nkind = "alertmanagr"\n', "[senders.a]\nkind =\n"])
def test_whoever_needs_senders_is_told_what_does_not_work_and_the_line(tmp_path: Path, text: str) -> None:
    write_intake(tmp_path, text)
    with pytest.raises(Misconfigured) as raised:
        Senders(Settings(data_dir=tmp_path)).all()
    for words in ("no sender is believed", "answered 503", "rules map no alert", "nothing is written back"):
        assert words in raised.value.message
    assert re.search(r"intake\.toml(:2: senders\.a\.kind|: .*line 2)", raised.value.message)


@pytest.mark.parametrize("sender", [objectives.SENDER, deploy_watch.SENDER])
def test_nobody_else_sends_under_the_name_of_our_own_alerts(tmp_path: Path, sender: str) -> None:
    (said,) = mistakes(tmp_path, f'[senders.{sender}]\nkind = "generic"\ntoken_sha256 = "{DIGEST}"\n')
    assert "own alerts" in said
    assert Senders(Settings(data_dir=tmp_path / "none")).entry(sender) is None
    with pytest.raises(BadInput, match=sender):
        make_sender_token(Settings(data_dir=tmp_path), sender)


def test_a_token_is_kept_as_its_digest_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    path = init_intake(settings, force=False)
    assert path.stat().st_mode & 0o777 == 0o600
    assert settings.intake_secrets_path.stat().st_mode & 0o777 == 0o700
    with pytest.raises(BadInput, match="exists"):
        init_intake(settings, force=False)
    made = make_sender_token(settings, "prometheus")
    assert "There is no [senders.prometheus]" in made.lacks
    path.write_text(f'[senders.prometheus]\nkind = "alertmanager"\n{made.line}\n')
    assert made.token not in path.read_text()
    entry = Senders(settings).entry("prometheus")
    assert entry is not None
    assert is_known(made.token, entry.token_sha256)
    assert not is_known(hashlib.sha256(made.token.encode()).hexdigest(), entry.token_sha256)
    with pytest.raises(BadInput):
        make_sender_token(settings, "../x")


def test_secrets_that_others_can_read_are_a_mistake(tmp_path: Path) -> None:
    assert mistakes(tmp_path, INTAKE) == []
    (tmp_path / "intake-secrets" / "new").chmod(0o640)
    found = check_intake(Settings(data_dir=tmp_path), None)[2]
    assert "is open to other users" in "\n".join(map(str, found))


def test_a_file_that_everybody_may_write_is_not_used(tmp_path: Path) -> None:
    assert mistakes(tmp_path, INTAKE) == []
    (tmp_path / "intake.toml").chmod(0o646)
    assert "chmod o-w" in check_intake(Settings(data_dir=tmp_path), None)[2][0].what
    with pytest.raises(Misconfigured, match="chmod o-w"):
        Senders(Settings(data_dir=tmp_path)).all()


def test_without_a_file_nobody_is_known(tmp_path: Path) -> None:
    assert Senders(Settings(data_dir=tmp_path)).entry("prometheus") is None
    with pytest.raises(Misconfigured, match="intake init"):
        check_intake(Settings(data_dir=tmp_path), None)
