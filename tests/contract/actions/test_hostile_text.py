"""Invariant: whatever a target, a parameter or a version says, it never becomes another path, host, header or field of a call."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from middlewatch.records import Order, Result, Scalar
from middlewatch.records.errors import Refused
from middlewatch.tools.actions.action import Step
from middlewatch.tools.actions.configuration import Configuration
from middlewatch.tools.actions.places import Place
from tests.contract.actions.benches import ALL_BUILT_IN, BENCHES, TARGET, Bench
from tests.fake_actions import FakeActions, fake_catalogue
from tests.hostile import HOSTILE

TRICKS = st.sampled_from(
    [
        "../../../../api/v1/namespaces/kube-system/secrets",
        "..",
        ".",
        "orders-1/../../x",
        "orders-1?force=true",
        "orders-1#x",
        "orders-1%2f..%2fx",
        "orders-1\r\nX-Admin: 1",
        "http://169.254.169.254/",
        "//other.test/x",
        "@other.test",
        '","admin":true,"x":"',
        "$(reboot)",
        "; reboot",
        "--all",
    ]
)
TEXT = HOSTILE | TRICKS
SCALARS: st.SearchStrategy[Scalar] = (
    TEXT | st.integers(-(2**40), 2**40) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
)


@pytest.fixture(scope="module", params=sorted(set(BENCHES) - {"fake"}))
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with BENCHES[request.param](tmp_path_factory.mktemp(request.param), 20.0) as made:
        yield made
        assert made.end is None or made.end.wrong == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_hostile_parameters_are_refused_before_anything_is_sent(bench: Bench, data: st.DataObject) -> None:
    action, parameters = data.draw(st.sampled_from(bench.cases))
    name = data.draw(st.sampled_from([*parameters, "command", "path"]) | TEXT)
    hostile: dict[str, Scalar] = {**parameters, name: data.draw(TEXT.filter(lambda text: text != parameters.get(name)))}
    if name in {"instance", "investigation"}:
        hostile[name] = data.draw(TRICKS.filter(lambda text: text != "--all") | HOSTILE.map(lambda text: f"a{text}/"))
    before, received = bench.carried_out(), len(bench.end.requests) if bench.end else 0
    order = Order(tenant="default", request="rq-1", digest="ab" * 32, action=action, target=TARGET, parameters=hostile)
    assert bench.actions.run(order).result is Result.NOT_DONE
    with pytest.raises(Refused):
        bench.actions.inspect(action, TARGET, hostile)
    assert (bench.carried_out(), len(bench.end.requests) if bench.end else 0) == (before, received)


def refuses(bench: Bench, action: str, target: str) -> None:
    """Nobody is asked, and nothing is sent."""
    received = len(bench.end.requests) if bench.end else 0
    with pytest.raises(Refused):
        bench.actions.inspect(action, target, {})
    order = Order(tenant="default", request="rq-1", digest="ab" * 32, action="scale_up", target=target)
    forged = order.model_copy(update={"action": action})
    assert bench.actions.run(forged).result is Result.NOT_DONE
    assert bench.actions.probe(forged).result is Result.UNKNOWN
    assert (len(bench.end.requests) if bench.end else 0) == received


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(target=TEXT)
@example(target=f"{TARGET} ")
@example(target="")
def test_a_target_that_nobody_configured_is_refused(bench: Bench, target: str) -> None:
    refuses(bench, bench.cases[0][0], target)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(action=TEXT)
@example(action="scale_up ")
@example(action="scale")
@example(action="run_")
@example(action="Scale_up")
@example(action="sync_application\n")
def test_an_action_that_is_not_in_the_catalogue_is_refused(bench: Bench, action: str) -> None:
    refuses(bench, action, TARGET)


def places(target: str) -> Iterator[tuple[str, Place]]:
    """Every action at every kind of place, for a target of some name."""
    at = {"connection": "x", "namespace": "shop", "deployment": "orders"}
    server = {"url": "https://one.test/base", "token": "key"}
    runbook = {"title": "t", "tier": "low", "blast_radius": "b"}
    for kind, connection, where in (
        ("kubernetes", server, at),
        ("argocd", server, {"connection": "x", "application": "orders"}),
        ("webhook", {"url": "https://one.test/base", "secret": "key"}, {"connection": "x", "actions": [*ALL_BUILT_IN]}),
        ("supervisor", {"socket": "/run/s"}, {"connection": "x"}),
        ("github", {"repository": "a/b", "token": "key", "url": "https://one.test/base"}, {"connection": "x"}),
    ):
        made = Configuration.model_validate(
            {
                kind: {"x": connection},
                "targets": {target: {"max_replicas": 5, kind: where, "flags": {"f": {"safe": True}}, "runbooks": ["r"]}},
                "runbooks": {"r": {**runbook, "command": ["/bin/true", "fixed"]}},
            }
        )
        for action in made.offers(target):
            yield action, made.place(action, target)


def shape(value: object) -> object:
    """Names and nesting of a body, without the values."""
    if isinstance(value, dict):
        return {name: shape(inside) for name, inside in value.items()}
    return [shape(inside) for inside in value] if isinstance(value, list) else None


PLAIN: dict[str, Scalar] = {"by": 1, "instance": "i-1", "flag": "f", "value": True, "percent": 5, "investigation": "inv"}
NAMES = ("uid", "to", "to_revision", "previous_revision", "previous_images", "revision")


@settings(max_examples=60, deadline=None)
@given(target=TEXT.filter(lambda text: len(text) <= 256), text=TEXT, version=st.dictionaries(st.sampled_from(NAMES), SCALARS))
def test_the_shape_of_a_call_is_the_configurations(target: str, text: str, version: dict[str, Scalar]) -> None:
    for (action, place), (_, plain) in zip(places(target), places("orders"), strict=True):
        hostile = {**PLAIN, "instance": text, "flag": text, "investigation": text}
        try:
            steps = place.steps(action, target, hostile, {**dict.fromkeys(NAMES, "v"), **version})
        except Refused:
            assert text in {"", ".", ".."}
            continue
        for step, expected in zip(steps, plain.steps(action, "orders", PLAIN, dict.fromkeys(NAMES, "v")), strict=True):
            assert (step.method, step.place, step.content_type) == (expected.method, expected.place, expected.content_type)
            assert shape(step.body) == shape(expected.body)
            assert same_path(step, expected)
            line = str(step)
            assert line.isascii()
            assert line.isprintable()
            if step.body is not None:
                assert json.loads(line[line.index(" {" if isinstance(step.body, dict) else " [") :]) == step.body


def same_path(step: Step, expected: Step) -> bool:
    """The same but for one whole segment, in which nothing of a URL's grammar stands."""
    segments, others = step.path.split("/"), expected.path.split("/")
    differing = [a for a, b in zip(segments, others, strict=True) if a != b]
    return len(differing) <= 1 and not any(set(segment) & set("?#\\\r\n @:\0") for segment in differing)


@settings(max_examples=20, deadline=None)
@given(text=TEXT)
def test_plans_of_the_catalogue_are_made_of_what_it_takes(text: str) -> None:
    catalogue = fake_catalogue(TARGET)
    with contextlib.suppress(Refused):
        plan = catalogue.plan("restart_instance", TARGET, {"instance": text}, {"revision": text})
        assert len(plan) == 1
        assert plan[0].isprintable()
    assert FakeActions(catalogue).executions.total() == 0
