"""Invariant: what is exported is what docs/ promises: the published schema is the code's, reports satisfy it, and the prose names
every field.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from middlewatch.frontends.cli.contract import report_schema
from middlewatch.records import Report
from tests.reports import empty, finding, inconclusive, proposed, two_causes

DOCS = Path(__file__).parents[3] / "docs"
PROSE = (DOCS / "report.md").read_text(encoding="utf-8")
VALIDATOR = Draft202012Validator(report_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)


def test_the_published_schema_is_the_one_in_the_code() -> None:
    assert (DOCS / "report.schema.json").read_text(encoding="utf-8") == json.dumps(report_schema(), indent=2, sort_keys=True) + "\n"


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(report_schema())


@pytest.mark.parametrize("report", [finding(), two_causes(), inconclusive(), empty(), proposed()])
def test_reports_satisfy_the_schema_and_can_be_read_back(report: Report) -> None:
    exported = report.model_dump_json()
    VALIDATOR.validate(json.loads(exported))
    assert Report.model_validate_json(exported) == report


def test_the_example_in_the_prose_is_a_report() -> None:
    found = re.search(r"```json\n(.*?)```", PROSE, re.DOTALL)
    assert found is not None
    VALIDATOR.validate(json.loads(found[1]))
    report = Report.model_validate_json(found[1])
    assert json.loads(report.model_dump_json()) == json.loads(found[1])


def test_readers_may_rely_on_the_version_and_meet_fields_that_they_do_not_know() -> None:
    exported: dict[str, Any] = json.loads(finding().model_dump_json())
    exported["alert"]["added_later"] = 1
    assert VALIDATOR.is_valid(exported | {"added_later": 1})
    assert not VALIDATOR.is_valid({key: value for key, value in exported.items() if key != "format"})
    assert not VALIDATOR.is_valid(exported | {"format": "middlewatch.report/v2"})
    assert not VALIDATOR.is_valid(exported | {"outcome": "maybe"})
    assert not VALIDATOR.is_valid(exported | {"confidence": 1.1})


def test_the_prose_names_every_field() -> None:
    schema = report_schema()
    fields = {name for part in (schema, *schema["$defs"].values()) for name in part.get("properties", {})}
    assert sorted(name for name in fields if f"`{name}`" not in PROSE) == []


if __name__ == "__main__":  # accept a change of the contract, after having read docs/report.md on what version 1 promises
    (DOCS / "report.schema.json").write_text(json.dumps(report_schema(), indent=2, sort_keys=True) + "\n", encoding="utf-8")


def test_a_report_that_was_stored_when_causes_said_whether_to_undo_a_change_is_still_read() -> None:
    exported: dict[str, Any] = json.loads(finding().model_dump_json())
    exported["causes"][0]["undo"] = True
    assert Report.model_validate_json(json.dumps(exported)) == finding()
