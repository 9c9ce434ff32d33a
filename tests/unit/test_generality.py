"""Invariant: the ranking works on systems it has never seen, so no word of those that it was developed on stands in it.

`python -m tests.unit.test_generality` takes the words from the recordings and the lab, and writes them to `development_words.json`:
the check must not depend on recordings that are not part of the product.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from middlewatch.evals.lab.faults import FAULTS

ROOT = Path(__file__).resolve().parents[2]
CHECKED = ("agents", "tools", "telemetry", "context_store", "records")
LIST = Path(__file__).with_name("development_words.json")
COMMITTED = ROOT / "evals" / "recordings"
DATASETS = ROOT.parent / "shared" / "datasets" / "dev"
ALIASES = {"trainticket", "nezha", "hipster", "boutique"}
"""Other names of the systems."""
SERVICES_IN_PROSE = {
    "catalogue", "checkout", "frontend", "gateway", "ingress", "inventory", "orders", "pricing", "shipping", "storefront",
}  # fmt: skip
PROSE = SERVICES_IN_PROSE | {"configuration", "exception", "infrastructure", "load", "network", "none", "return"}
"""Words that cannot be told from prose, or from what OpenTelemetry and every other system call things."""


def words_of(folder: Path) -> Iterator[str]:
    """The systems, services and fault kinds of all recordings below a folder."""
    for file in folder.rglob("recording.json"):
        yield json.loads(file.read_text(encoding="utf-8"))["system"]
        for table in file.parent.glob("*.parquet"):
            for column in {"service", "caller", "callee"} & set(pq.read_schema(table).names):
                yield from (str(name) for name in pq.read_table(table, columns=[column])[column].unique().to_pylist() if name)
        labels = (file.parent / "labels.jsonl").read_text(encoding="utf-8").splitlines()
        for kind in (json.loads(line)["root_cause_kind"] for line in labels):
            yield from (word for word in re.split(r"[\s'/]+", kind) if re.match("[A-Za-z].{3}", word))  # some kinds are commands


def all_words() -> list[str]:
    """What may not be named, in lower case; the lab's faults whether they were recorded or not."""
    lab = {word for fault in FAULTS.values() for word in (fault.name, fault.kind.value)}
    words = {*words_of(DATASETS), *words_of(COMMITTED), *lab, *ALIASES}
    return sorted({word.lower() for word in words} - PROSE)


def named(text: str, words: list[str]) -> set[str]:
    """The words that stand in a text, in whatever case."""
    lower = text.lower()
    return {word for word in words if word in lower and re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", lower)}


def sources() -> dict[str, str]:
    files = [f for folder in CHECKED for f in (ROOT / folder).rglob("*") if f.suffix in {".py", ".sql", ".lua"}]
    return {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}


def known_words() -> list[str]:
    words: list[str] = json.loads(LIST.read_text(encoding="utf-8"))
    return words


def test_no_word_of_the_development_recordings_or_of_the_lab_stands_in_the_product() -> None:
    words = known_words()
    assert {place: found for place, text in sources().items() if (found := named(text, words))} == {}


def test_a_planted_word_is_found_in_every_kind_of_file() -> None:
    words = known_words()
    for word in words:
        for planted in (f'if service == "{word}":', f"SELECT '{word.upper()}'", f"-- as in {word}, say", f"{word}_SECONDS = 2"):
            assert word in named(planted, words), planted
    assert named("a frontend returns orders", words) == set()


@pytest.mark.parametrize(
    "word", ["checkoutservice", "ts-basic-service", "petsearch_aws::ecs::fargate", "cpu_contention", "dropped-index"]
)
def test_the_list_has_services_and_faults_of_every_system(word: str) -> None:
    assert word in known_words()


def test_the_list_is_complete() -> None:
    if not DATASETS.exists():
        pytest.skip("the development recordings are not beside this checkout")
    assert sorted(set(all_words()) - set(known_words())) == [], "python -m tests.unit.test_generality writes it anew"


def test_words_of_prose_are_no_literals_of_services() -> None:
    """An ordinary word may stand in prose; a branch on a service of that name may not."""
    trees = {place: ast.parse(text) for place, text in sources().items() if place.endswith(".py")}
    literals = [(place, n.value) for place, tree in trees.items() for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    assert [(place, value) for place, value in literals if value in SERVICES_IN_PROSE] == []


if __name__ == "__main__":
    LIST.write_text(json.dumps(all_words(), indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
