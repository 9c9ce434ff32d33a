"""Requests that schemathesis makes of the description of the API: such as fit it, and such as just do not."""

from __future__ import annotations

import random
import warnings
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from middlewatch.frontends.web.api.description import description
from tests.acceptance.approvals_site import token
from tests.chaos.request_wire import Judge

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CHECKS = [schemathesis.checks.not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def call_described(url: str, count: int, source: random.Random, judge: Judge, *, operations_at_most: int = 1000) -> None:
    """Make so many over all operations, or some of them, and hold each answer against the description."""
    schema = schemathesis.openapi.from_dict(description())
    every: list[Any] = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    operations = [one for one in every if not one.path.endswith("/stream")]  # which does not end
    operations = source.sample(operations, min(operations_at_most, len(operations)))
    each = max(1, count // (len(operations) * len(MODES)))
    for operation in operations:
        for mode in MODES:
            strategy = operation.as_strategy(generation_mode=mode)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _call(url, strategy, each, source.getrandbits(32), judge)


def _call(url: str, strategy: Any, each: int, number: int, judge: Judge) -> None:
    @seed(number)
    @settings(max_examples=each, phases=[Phase.generate], database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=strategy)
    def send(case: Any) -> None:
        answer = case.call(base_url=url, headers={"Authorization": f"Bearer {token('leo')}"}, timeout=30)
        judge.statuses[str(answer.status_code)] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except Exception as error:  # noqa: BLE001  whatever it finds
            told = f"{case.method} {answer.request.url} {answer.request.body!r}"
            judge.wrong.append((f"not as described: {error}"[:1500], told.encode("utf-8", "replace")[:2000], answer.content[:500]))

    send()
