"""models.toml: read as a whole, every mistake with its line; without it nothing may be asked, and no key is ever in it or shown."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from middlewatch.agents.language_model.connection import ProviderName
from middlewatch.model_example import EXAMPLE
from middlewatch.models import (
    EMPTY,
    BudgetEntry,
    ModelEntry,
    Models,
    PriceEntry,
    check_models,
    connection,
    examine_models,
    init_models,
    load_models,
)
from middlewatch.records.errors import BadInput, Misconfigured
from middlewatch.settings import Settings
from tests.contract.model_benches import QUESTION
from tests.model_ends.chat_end import ChatEnd
from tests.model_ends.end import MODEL, served

WHOLE = """\
[agents]
model = "local"

[hosts]
allowed = ["api.anthropic.com", "127.0.0.1", "http://gpu-box"]

[models.local]
provider = "compatible"
model = "qwen3:32b"
url = "http://127.0.0.1:9/v1"

[models.sonnet]
provider = "anthropic"
model = "claude-sonnet-5-5"

[budgets]
calls = 5
day_dollars = 1.5

[[prices]]
model = "qwen3:32b"
input = 1.0
output = 2.0
"""


def _settings(folder: Path, text: str | None = WHOLE, **more: object) -> Settings:
    settings = Settings.model_validate({"data_dir": folder, **more})
    if text is not None:
        settings.models_path.write_text(text)
        settings.models_path.chmod(0o600)
    return settings


def _mistakes(folder: Path, text: str) -> list[str]:
    found, mistakes = examine_models(_settings(folder, text).models_path)
    assert found is None
    return [re.sub(r"^.*models\.toml:", "", str(mistake)) for mistake in mistakes]


def test_a_whole_file(tmp_path: Path) -> None:
    declared = load_models(_settings(tmp_path).models_path)
    assert declared.agents == "local"
    assert declared.budgets.limits.investigation.calls == 5
    assert declared.budgets.limits.day.dollars == 1.5
    own, listed = declared.price(declared.models["local"]), declared.price(declared.models["sonnet"])
    assert own is not None
    assert listed is not None
    assert (own.at, own.price.cached, own.price.cache_written) == ("models.toml", 1.0, 1.0)
    assert listed.at.startswith("2026-")


def test_the_users_price_goes_before_the_list(tmp_path: Path) -> None:
    text = WHOLE + '\n[[prices]]\nmodel = "claude-sonnet-5-5"\ninput = 7.0\noutput = 8.0\n'
    declared = load_models(_settings(tmp_path, text).models_path)
    price = declared.price(declared.models["sonnet"])
    assert price is not None
    assert price.price.input == 7.0


def test_a_model_of_which_nobody_knows_the_price_has_none(tmp_path: Path) -> None:
    assert load_models(_settings(tmp_path).models_path).price(ModelEntry(provider=ProviderName.OPENAI, model="gpt-99")) is None


def test_without_a_file_no_model_is_asked(tmp_path: Path) -> None:
    models = Models(_settings(tmp_path, None))
    assert models.declared() == EMPTY
    assert models.for_agents() is None


def test_the_first_file_has_no_mistake_and_asks_nobody(tmp_path: Path) -> None:
    settings = _settings(tmp_path, None)
    path = init_models(settings, force=False)
    assert path.stat().st_mode & 0o777 == 0o600
    _, declared, mistakes = check_models(settings, None)
    assert mistakes == ()
    assert declared is not None
    assert declared.agents == ""
    assert declared.budgets == BudgetEntry()  # what it shows are the defaults
    with pytest.raises(BadInput, match="exists already"):
        init_models(settings, force=False)


def test_all_of_the_example_can_be_used(tmp_path: Path) -> None:
    text = re.sub(r"^# (?=\[|[a-z]+ = )", "", EXAMPLE, flags=re.MULTILINE).replace(
        '"api.openai.com"]', '"api.openai.com", "127.0.0.1"]'
    )
    declared = load_models(_settings(tmp_path, text).models_path)
    assert [*declared.models] == ["sonnet", "sol", "local"]
    assert declared.agents == "sonnet"
    assert all(declared.price(entry) for entry in declared.models.values())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('model = "local"\n', 'model = "locel"\n'), "2: agents.model: locel is no model of this file"),
        (('url = "http://127.0.0.1:9/v1"\n', ""), "url"),
        (('"127.0.0.1", ', ""), "10: models.local.url: '127.0.0.1' is not on the list of allowed model hosts"),
        (("http://127.0.0.1:9/v1", "https://evil.example/v1"), "10: models.local.url: 'evil.example' is not on the list"),
        (('"api.anthropic.com", ', ""), "13: models.sonnet.provider: 'api.anthropic.com' is not on the list"),
        (('"http://gpu-box"', '"*.example.com"'), "5: hosts.allowed: '*.example.com' is no host"),
        (('"compatible"', '"ollama"'), "8: models.local.provider: must be 'anthropic', 'openai' or 'compatible'"),
        (("calls = 5", "cals = 5"), "17: budgets.cals: is no key of models.toml; did you mean calls?"),
        (("calls = 5", "calls = -1"), "17: budgets.calls: "),
        (("input = 1.0\n", ""), "input: is missing"),
        (("[budgets]", "[budget]"), "16: budget: is no key of models.toml"),
        (('provider = "anthropic"', 'provider = "anthropic"\nkey = "sk-1"'), "14: models.sonnet.key: is no key of models.toml"),
    ],
)
def test_each_mistake_is_told_with_its_line(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    found = _mistakes(tmp_path, WHOLE.replace(*change))
    assert len(found) == 1
    assert told in found[0]
    assert "sk-1" not in found[0]


def test_a_key_is_never_shown_and_a_missing_one_is_named(tmp_path: Path) -> None:
    settings = _settings(tmp_path, anthropic_key=SecretStr("sk-canary"))
    declared = load_models(settings.models_path)
    reached = connection(settings, declared, declared.models["sonnet"])
    assert "sk-canary" not in f"{reached!r} {settings!r} {settings.for_executor()} {settings.for_program()}"
    assert reached.key is not None
    assert reached.effort
    with pytest.raises(Misconfigured, match="MIDDLEWATCH_ANTHROPIC_KEY is not set"):
        connection(_settings(tmp_path), declared, declared.models["sonnet"])
    local = connection(settings, declared, declared.models["local"])
    assert (local.key, local.effort, local.host) == (None, False, "127.0.0.1")


@pytest.mark.parametrize(
    ("model", "effort", "unthinking"),
    [
        ("claude-opus-5-5", True, ""),
        ("claude-opus-5", True, "disabled"),
        ("claude-opus-4-8", True, ""),
        ("claude-sonnet-5-5", True, "between_tools"),
        ("claude-sonnet-5-5-20261020", True, "between_tools"),
        ("claude-sonnet-5", True, "disabled"),
        ("claude-sonnet-4-6", True, ""),
        ("claude-haiku-5-5", True, "disabled"),
        ("claude-haiku-4-5", False, ""),
        ("claude-haiku-4-5-20251001", False, ""),
        ("claude-sonnet-4-5", False, ""),
        ("claude-opus-4-20250514", False, ""),
        ("claude-opus-4-1", False, ""),
        ("claude-3-5-haiku-20241022", False, ""),
        ("claude-opus-6", True, ""),
    ],
)
def test_models_of_anthropic_are_told_of_thinking_what_they_take(model: str, effort: bool, unthinking: str) -> None:  # noqa: FBT001
    entry = ModelEntry(provider=ProviderName.ANTHROPIC, model=model)
    assert (entry.efforts(), entry.unthinking()) == (effort, unthinking)
    other = ModelEntry(provider=ProviderName.ANTHROPIC, model=model, effort=not effort, thinking=True)
    assert (other.efforts(), other.unthinking()) == (not effort, "")


def test_models_of_others_are_told_so_where_they_reason() -> None:
    told = {name for name in ("gpt-6.2-sol", "gpt-5.6-sol", "o4-mini", "gpt-4.1") if _of_openai(name).efforts()}
    assert told == {"gpt-6.2-sol", "gpt-5.6-sol", "o4-mini"}
    assert not ModelEntry(provider=ProviderName.COMPATIBLE, model="gpt-6-luna").efforts()


def _of_openai(model: str) -> ModelEntry:
    return ModelEntry(provider=ProviderName.OPENAI, model=model)


@pytest.mark.parametrize(
    ("model", "marked"),
    [
        ("gpt-5.5", False),
        ("gpt-5.6-sol", True),
        ("gpt-6-luna", True),
        ("gpt-6.2-sol", True),
        ("gpt-4.1", False),
        ("o4-mini", False),
    ],
)
def test_breakpoints_are_for_those_that_take_them(model: str, marked: bool) -> None:  # noqa: FBT001  a table of both
    assert ModelEntry(provider=ProviderName.OPENAI, model=model).breakpoints() is marked
    assert ModelEntry(provider=ProviderName.OPENAI, model=model, cache_breakpoints=not marked).breakpoints() is not marked


def test_a_model_is_opened_once_and_anew_when_it_is_reached_otherwise(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    models = Models(settings)
    first = models.for_agents()
    assert first is not None
    assert models.opened("qwen3:32b").model is first.model
    assert models.opened("qwen3:32b").reach is first.reach
    settings.models_path.write_text(WHOLE.replace("calls = 5", "calls = 6"))
    again = models.opened("local")
    assert again.model is first.model
    assert again.budgets.calls == 6
    settings.models_path.write_text(WHOLE.replace("qwen3:32b", "qwen3:8b"))
    assert models.opened("local").model is not first.model
    assert models.opened("local").reach is not first.reach, "what was known of another server"
    with pytest.raises(BadInput, match="has no model gpt"):
        models.opened("gpt")
    models.close()


def test_a_dialogue_goes_on_with_its_model_which_ends_with_it(tmp_path: Path) -> None:
    end = ChatEnd()
    with served(end) as url:
        text = WHOLE.replace("http://127.0.0.1:9/v1", url).replace("qwen3:32b", MODEL)
        settings = _settings(tmp_path, text)
        models = Models(settings)
        begun = models.opened("local").model
        begun.respond(QUESTION, seconds=20, cancelled=threading.Event())
        before = threading.active_count()
        settings.models_path.write_text(text.replace(f"{url}", f"{url}/"))
        assert models.opened("local").model is not begun
        assert begun.respond(QUESTION, seconds=20, cancelled=threading.Event()).turn.text
        del begun
        assert threading.active_count() < before
        models.close()


def test_with_a_mistake_in_the_file_no_model_is_asked(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    models = Models(settings)
    assert models.for_agents() is not None
    settings.models_path.write_text(WHOLE + "\n[hots]\n")
    with pytest.raises(Misconfigured):
        models.for_agents()
    models.close()


def test_the_documentation_has_every_key_with_its_default_and_examples_that_work(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    for entry in (ModelEntry, BudgetEntry, PriceEntry):
        assert [name for name in entry.model_fields if f"`{name}`" not in page and f"] {name}`" not in page] == []
    budgets = BudgetEntry()
    for default in (budgets.tokens, budgets.prompt_tokens, budgets.answer_tokens, budgets.day_calls, budgets.day_tokens):
        assert f"{default:,}" in page
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", page, flags=re.MULTILINE)
    examples = [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in blocks if "[agents]" in block]
    assert len(examples) == 2
    for text in examples:
        assert load_models(_settings(tmp_path, text).models_path).agents
