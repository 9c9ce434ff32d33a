"""The published JSON schema of `middlewatch.report/v1`; docs/report.md says what it promises."""

from __future__ import annotations

from typing import Any

from middlewatch.records import Report

DIALECT = "https://json-schema.org/draft/2020-12/schema"
IDENTITY = "urn:middlewatch:report:v1"


def report_schema() -> dict[str, Any]:
    """The schema of docs/report.schema.json.

    It is the record's own schema with two differences. The record refuses fields that it does not know, so that a misspelt one is
    an error where a report is written; the contract lets them pass, because version 1 may gain fields. The record fills in the
    format where it is left out; the contract requires it, because a reader must know the version.
    """
    schema = Report.model_json_schema(mode="serialization")
    for part in (schema, *schema["$defs"].values()):
        if part.get("additionalProperties") is False:
            del part["additionalProperties"]
    schema["required"] = ["format", *schema["required"]]
    return {"$schema": DIALECT, "$id": IDENTITY, **schema}
