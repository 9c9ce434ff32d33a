"""Every statement reads one tenant's one recording before the horizon, and gets its values from parameters alone.

The guards here read the text of the `.sql` files, so that a new statement that forgets a filter does not get in.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import middlewatch.telemetry
from middlewatch.telemetry.statements import collector_views, migrations, statement

_FOLDER = Path(next(iter(middlewatch.telemetry.__path__)))
_QUERIES = sorted(path.stem for path in (_FOLDER / "queries").glob("*.sql"))
_TABLES = (
    "otel_logs",
    "otel_traces",
    "otel_traces_trace_id_ts",
    "span_links",
    "span_correlations",
    "otel_metrics_gauge",
    "otel_metrics_sum",
    "otel_metrics_histogram",
    "otel_metrics_exponential_histogram",
    "otel_metrics_summary",
    "changes",
    "topology",
    "recordings",
    "imports",
    "archived_investigations",
)
_OWNER = "Tenant = {tenant:String} AND Recording = {recording:String}"
_HORIZON = "{horizon:Int64}"

_OF_A_TENANT = {"recordings", "abandoned_imports", "archived_heads", "archived_investigation", "archived_investigations"}
"""Imports and archived investigations of a tenant; none is part of a recording."""
_NOT_TELEMETRY = {"migrations_done", *_OF_A_TENANT}
"""`migrations_done` is about the schema."""
_HOUSEKEEPING = {"recording_rows", *(name for name in _QUERIES if name.startswith("remove_"))}
"""Part of the import, not of an investigation: they count or remove a whole recording."""


def code(text: str) -> str:
    """The statement without its comments."""
    return re.sub(r"--[^\n]*", "", text)


def reads(text: str) -> list[str]:
    """The tables that a statement reads, once for each time."""
    return [name for name in re.findall(r"\bFROM\s+(?:middlewatch\.)?(\w+)", code(text)) if name in _TABLES]


def missing_filters(text: str) -> list[str]:
    """The filters that some read of the statement lacks."""
    scopes = re.split(r"\bFROM\s+(?=(?:middlewatch\.)?(?:" + "|".join(_TABLES) + r")\b)", code(text))[1:]
    # A scope ends where its parentheses do: a filter of the query around it does not count.
    bodies = [_own_part(scope) for scope in scopes]
    return [wanted for wanted in (_OWNER, _HORIZON) for body in bodies if wanted not in body]


def _own_part(scope: str) -> str:
    depth = 0
    for position, character in enumerate(scope):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return scope[:position].split("UNION ALL", maxsplit=1)[0]
    return scope.split("UNION ALL", maxsplit=1)[0]


@pytest.mark.parametrize("name", sorted(set(_QUERIES) - _NOT_TELEMETRY - _HOUSEKEEPING))
def test_every_read_filters_on_tenant_recording_and_horizon(name: str) -> None:
    text = statement(name)
    assert reads(text), "a statement that reads nothing does not belong here"
    assert missing_filters(text) == []


@pytest.mark.parametrize("name", sorted(_HOUSEKEEPING))
def test_housekeeping_touches_one_recording(name: str) -> None:
    text = statement(name)
    assert text.count(_OWNER) == len(reads(text)) > 0
    if name.startswith("remove_"):
        assert "Recording != ''" in text, "live telemetry is never removed"


@pytest.mark.parametrize("name", sorted(_OF_A_TENANT))
def test_what_is_not_part_of_a_recording_is_one_tenants(name: str) -> None:
    text = code(statement(name))
    assert text.count("Tenant = {tenant:String}") == len(reads(text)) > 0


@pytest.mark.parametrize(
    "forgetful",
    [
        "SELECT 1 FROM otel_logs WHERE Timestamp < f({horizon:Int64})",
        f"SELECT 1 FROM otel_logs WHERE {_OWNER}",
        f"SELECT 1 FROM otel_logs WHERE {_OWNER} AND t < {_HORIZON} UNION ALL SELECT 1 FROM otel_traces",
        f"SELECT 1 FROM (SELECT * FROM otel_traces) WHERE {_OWNER} AND t < {_HORIZON}",
        f"SELECT 1 FROM otel_logs -- WHERE {_OWNER} AND t < {_HORIZON}",
    ],
)
def test_the_guard_notices_what_is_missing(forgetful: str) -> None:
    assert missing_filters(forgetful)


@pytest.mark.parametrize("name", _QUERIES)
def test_a_file_holds_one_statement_that_says_what_it_is_for(name: str) -> None:
    text = statement(name)
    assert ";" not in code(text)
    assert text.startswith("--")


def test_statements_hold_the_parts_that_they_include_and_every_part_is_included() -> None:
    texts = [statement(name) for name in _QUERIES]
    parts = [path.read_text(encoding="utf-8").strip() for path in (_FOLDER / "queries" / "parts").iterdir()]
    assert [part for part in parts if not any(part in text for text in texts)] == []
    assert [text for text in texts if "include:" in text] == []


@pytest.mark.parametrize("name", _QUERIES)
def test_statements_reach_nothing_but_the_tables(name: str) -> None:
    outside = r"\b(file|url|s3|remote|mysql|postgresql|executable|input|clusterAllReplicas)\s*\("
    assert not re.search(outside, code(statement(name)), re.IGNORECASE)


def test_no_python_file_of_telemetry_composes_sql() -> None:
    """Statements are files; the few words that Python writes itself are those of the connection."""
    allowed = {"clickhouse.py", "engine.py"}  # CREATE DATABASE; USE, SET and FROM INFILE of the HTTP interface
    verbs = re.compile(r"""["'](?:SELECT|INSERT|DELETE|ALTER|DROP|CREATE|WITH)\s""")
    found = {path.name for path in _FOLDER.glob("*.py") if verbs.search(path.read_text(encoding="utf-8"))}
    assert found <= allowed


def test_migrations_are_numbered_without_gaps() -> None:
    assert [number for number, _, _ in migrations()] == list(range(1, len(migrations()) + 1))


@pytest.mark.parametrize("table", [table for table in _TABLES if table.startswith("otel_")])
def test_whose_data_it_is_comes_first_in_every_sort_key(table: str) -> None:
    text = next(text for _, name, text in migrations() if name.split("_", 1)[1] == f"{table}.sql")
    assert "ORDER BY (Tenant, Recording, " in text


def test_a_collectors_view_computes_the_keys_that_middlewatchs_own_tables_keep() -> None:
    views = {text.split("VIEW ")[1].split()[0]: squeezed(text) for text in collector_views("otel", "team")}
    keys = [squeezed(text) for _, name, text in migrations() if name.endswith(("_key.sql", "_keys.sql"))]
    found = [(text.split("TABLE ")[1].split()[0], key) for text in keys for key in re.findall(r"MATERIALIZED (.+?) CODEC", text)]
    assert len(found) == 9
    assert [key for table, key in found if key not in views[table]] == []


def squeezed(text: str) -> str:
    """Without comments and line breaks."""
    return re.sub(r"\s+", " ", code(text))


def test_attribute_names_stand_in_conventions_alone() -> None:
    """Names of the semantic conventions, such as `service.instance.id`, are nowhere else."""
    names = re.compile(r"""["'](?:service|k8s|cloud|host|http|db|rpc|messaging)\.[a-z0-9_.]+["']""")
    files = [*_FOLDER.glob("*.py"), *_FOLDER.rglob("*.sql")]
    found = {path.name for path in files if names.search(path.read_text(encoding="utf-8"))}
    assert found == {"conventions.py"}
