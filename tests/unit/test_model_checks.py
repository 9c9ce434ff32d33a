"""The doctor says what is configured of models without sending anything, and asks each once where it is told to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from middlewatch.agents.language_model.scripted import Line
from middlewatch.doctor import Health
from middlewatch.frontends.cli.model_files import check, init, list_
from middlewatch.model_checks import check_models_answer, check_models_file
from middlewatch.model_example import EXAMPLE
from middlewatch.settings import Settings
from tests.model_ends.chat_end import ChatEnd
from tests.model_ends.end import KEY, MODEL, Fault, served


@pytest.fixture
def end() -> Iterator[tuple[ChatEnd, str]]:
    made = ChatEnd()
    with served(made) as url:
        yield made, url


def _settings(folder: Path, url: str = "http://127.0.0.1:9/v1", *, more: str = "") -> Settings:
    settings = Settings(data_dir=folder)
    settings.models_path.write_text(
        f'[agents]\nmodel = "local"\n[hosts]\nallowed = ["127.0.0.1", "api.anthropic.com"]\n'
        f'[models.local]\nprovider = "compatible"\nmodel = "{MODEL}"\nurl = "{url}"\n{more}'
    )
    settings.models_path.chmod(0o600)
    return settings


def test_without_a_file_rules_answer_alone(tmp_path: Path) -> None:
    (found,) = check_models_file(Settings(data_dir=tmp_path))
    assert (found.health, "rules answer alone" in found.found) == (Health.OK, True)
    assert [*check_models_answer(Settings(data_dir=tmp_path))] == []


def test_a_file_with_a_mistake_is_broken_and_nothing_is_asked(tmp_path: Path) -> None:
    settings = _settings(tmp_path, more="[bugdets]\n")
    (found,) = check_models_file(settings)
    assert found.health is Health.BROKEN
    assert [*check_models_answer(settings)] == []


def test_one_tiny_call_is_made_and_told_with_what_it_cost(tmp_path: Path, end: tuple[ChatEnd, str]) -> None:
    ended, url = end
    ended.say = lambda _: Line(answer={"ok": True})
    settings = _settings(tmp_path, url, more=f'[[prices]]\nmodel = "{MODEL}"\ninput = 1.0\noutput = 10.0\n')
    (configured,) = check_models_file(settings)
    assert ended.bodies == []
    (asked,) = check_models_answer(settings)
    assert (configured.health, asked.health) == (Health.OK, Health.OK)
    assert f"{MODEL} at 127.0.0.1 answered in" in asked.found
    assert "$0.00" in asked.found
    assert len(ended.bodies) == 1
    assert len(json.dumps(ended.bodies[0])) < 1000


def test_a_model_that_does_not_keep_to_the_form_is_told(tmp_path: Path, end: tuple[ChatEnd, str]) -> None:
    ended, url = end
    ended.say = lambda _: Line(answer={"ok": False})
    (asked,) = check_models_answer(_settings(tmp_path, url))
    assert asked.health is Health.NOTICE
    assert "price not known" in asked.found


def test_what_is_wrong_is_told_with_a_remedy(tmp_path: Path, end: tuple[ChatEnd, str]) -> None:
    ended, url = end
    ended.always = Fault.NO_MODEL
    (asked,) = check_models_answer(_settings(tmp_path, url))
    assert asked.health is Health.BROKEN
    assert "404" in asked.found
    assert "models.toml" in asked.remedy


@pytest.mark.parametrize(("fault", "said", "remedy"), [(Fault.FAILED, "(500", "see its log"), (Fault.NO_KEY, "(401", "KEY")])
def test_whatever_fails_is_told_with_the_port_and_what_to_do_however_often_it_is_asked(
    tmp_path: Path, end: tuple[ChatEnd, str], fault: Fault, said: str, remedy: str
) -> None:
    ended, url = end
    ended.always = fault
    for _ in range(2):
        (asked,) = check_models_answer(_settings(tmp_path, url))
        assert asked.found.startswith(url.removeprefix("http://").split("/")[0])
        assert said in asked.found
        assert remedy in asked.remedy
    assert len(ended.bodies) == 2


@pytest.mark.parametrize("name", ["calls", "day_calls", "tokens", "day_tokens"])
def test_a_budget_of_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("MIDDLEWATCH_DATA_DIR", str(tmp_path))
    (found,) = check_models_file(_settings(tmp_path, more=f"[budgets]\n{name} = 0\n"))
    assert (found.health, f"`{name}`" in found.found) == (Health.NOTICE, True)
    assert f"notice: `{name}` of [budgets] is 0, so no model will be asked" in CliRunner().invoke(check).output


def test_no_model_of_the_first_file_is_told_of_effort() -> None:
    """Servers that are compatible answer 400 to it."""
    assert re.search(r"effort\s*=", EXAMPLE) is None


def test_a_missing_key_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    settings = _settings(tmp_path, more='[models.sonnet]\nprovider = "anthropic"\nmodel = "claude-sonnet-5-5"\n')
    _, unset = check_models_answer(settings.model_copy(update={"data_dir": tmp_path}))
    assert unset.health is Health.NOTICE
    assert "MIDDLEWATCH_ANTHROPIC_KEY" in unset.found


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDDLEWATCH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MIDDLEWATCH_ANTHROPIC_KEY", KEY)
    runner = CliRunner()
    assert "models check" in runner.invoke(init).output
    assert "investigations ask none" in runner.invoke(check).output
    none = runner.invoke(list_).output
    assert "No language model is configured" in none
    assert ("models init" in none, str(tmp_path / "models.toml") in none) == (False, True), "there is a file already"
    _settings(tmp_path, more='[models.sonnet]\nprovider = "anthropic"\nmodel = "claude-sonnet-5-5"\n')
    shown = runner.invoke(list_).output
    assert "local: model-1 of compatible, at 127.0.0.1, asked by investigations" in shown
    assert "$2 read, $0.1 from cache, $2.5 kept, $10 written" in shown
    assert "notice: the price of model-1 is not known" in shown
    assert KEY not in shown
    told = json.loads(runner.invoke(list_, ["--json"]).output)
    assert [(one["section"], one["used"], one["key_set"]) for one in told] == [("local", True, False), ("sonnet", False, True)]
    _settings(tmp_path, more="[bugdets]\n")
    wrong = runner.invoke(check)
    assert wrong.exit_code == 78
    assert "models.toml:9: bugdets: is no key" in wrong.output
