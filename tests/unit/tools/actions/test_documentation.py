"""Invariant: docs/actions.md says what the code does. `python -m tests.unit.tools.actions.test_documentation` writes its table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from middlewatch.records import Scalar
from middlewatch.tools.actions.catalogue import ActionCatalogue
from middlewatch.tools.actions.configuration import CAN, Configuration
from middlewatch.tools.actions.entries import BUILT_IN, ENTRIES
from middlewatch.tools.actions.example import EXAMPLE
from middlewatch.tools.actions.kubernetes_place import DeploymentPlace
from middlewatch.tools.actions.places import CALL_SECONDS, MOST_CALLS, SupervisorPlace
from middlewatch.tools.actions.signature import signer

PAGE = Path(__file__).resolve().parents[4] / "docs" / "actions.md"
BEGIN, END = "|---|---|---|---|---|---|---|---|---|\n", "\n\nA runbook `x`"


def table() -> str:
    """The catalogue as the page shows it."""
    rows = []
    for entry in ENTRIES:
        spec = entry.spec
        parameters = ", ".join(f"`{name}`" for name in entry.model.model_fields) or "none"
        relieves = "everything" if spec.id == "open_ticket" else ", ".join(spec.mends)
        cells = (
            f"`{spec.id}`",
            spec.tier,
            parameters,
            spec.blast_radius,
            spec.precondition,
            spec.effect,
            f"`{spec.undo}`" if spec.undo else "",
            ", ".join(spec.undoes),
            relieves,
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_table_is_the_catalogue() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text[text.index(BEGIN) + len(BEGIN) : text.index(END)] == table()


def test_the_example_is_a_configuration_without_a_mistake(tmp_path: Path) -> None:
    (example,) = blocks("toml")
    path = tmp_path / "actions.toml"
    path.write_text(example)
    configuration = Configuration.of(path)
    assert set(BUILT_IN) - set(configuration.offers("checkout")) == set()
    assert configuration.offers("batch/worker 2") == ("restart_instance", "restart_service", "rollback_deploy")
    assert "run_dump_heap" in ActionCatalogue.of(configuration).actions
    for kind in (
        configuration.kubernetes,
        configuration.argocd,
        configuration.webhook,
        configuration.github,
        configuration.supervisor,
    ):
        assert kind, "every kind of connection is shown"


def test_the_first_configuration_has_no_mistake_with_its_comments_and_without(tmp_path: Path) -> None:
    path = tmp_path / "actions.toml"
    for text in (EXAMPLE, re.sub(r"^# (?=[\[a-z_]+(\]| =|\.))", "", EXAMPLE, flags=re.MULTILINE)):
        path.write_text(text)
        configuration = Configuration.of(path)
        assert {configuration.offers(target)[-1] for target in configuration.targets} == {"run_try"}


def test_what_each_connection_can_do_is_told() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for kind, actions in CAN.items():
        told = "all of the catalogue; what it does is always named" if kind == "webhook" else ", ".join(actions)
        assert f"| `{kind}` | {told} |" in text


def test_the_card_of_the_page_about_approvals_shows_what_is_sent() -> None:
    text = (PAGE.parent / "approvals.md").read_text(encoding="utf-8")
    start = text.index("Will run      PATCH ")
    shown = text[start : text.index("\nVersion ", start)].removeprefix("Will run      ")
    literal = re.sub(r"\n {14}", " ", re.sub(r"\\\n {14}", "", shown))
    place = DeploymentPlace(
        url="https://k8s.example.com:6443",
        credential="token",
        namespace="shop",
        deployment="checkout",
        min_replicas=1,
        max_replicas=1,
    )
    version: dict[str, Scalar] = {
        "uid": "8c1f0b52-6d1e-4f0a-9a53-2f6f1f8f2c11",
        "previous_revision": 40,
        "previous_images": "registry.example.com/shop/checkout:2.3.0",
        "previous_template": "5f0c" * 4,
    }
    assert literal == str(place.step("rollback_deploy", {}, version))


def test_how_long_it_is_not_believed_that_nothing_was_done_is_told() -> None:
    minutes = SupervisorPlace(socket=Path("/run/s"), min_replicas=1, max_replicas=1).acting_seconds / 60
    assert f"about {round(minutes)} min with `seconds` of {CALL_SECONDS:.0f}" in PAGE.read_text(encoding="utf-8")
    assert MOST_CALLS == 16, "sixteen calls"


@pytest.mark.parametrize("body", [b"", b'{"v":1}'])
def test_the_receivers_check_takes_our_calls_and_no_others(body: bytes) -> None:
    (program,) = blocks("python")
    defined: dict[str, Any] = {}
    exec(program, defined)  # noqa: S102  the program of our own page
    headers = dict(signer(lambda: "a-secret")("POST", "/hook/run", body))
    assert defined["genuine"]("a-secret", headers, "POST", "/hook/run", body)
    assert not defined["genuine"]("other", headers, "POST", "/hook/run", body)
    assert not defined["genuine"]("a-secret", headers, "POST", "/hook/run", body + b" ")


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    PAGE.write_text(page[:start] + table() + page[end:], encoding="utf-8")
