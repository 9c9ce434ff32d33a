"""Invariants: a value of few that is new or more frequent is found; ids, quantities and small numbers of lines say nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from middlewatch.tools.log_parameters import changed_parameters, values
from middlewatch.tools.log_patterns import WILD

STATUS = f"answered {WILD} in {WILD}"


def lines(before: list[str], after: list[str], pattern: str = STATUS) -> list[tuple[str, str, bool, str]]:
    return [("shop", pattern, late, body) for late, bodies in ((False, before), (True, after)) for body in bodies]


def answers(*codes: int) -> list[str]:
    return [f"answered {code} in {number * 7 + 1} ms" for number, code in enumerate(codes)]


def test_a_new_status_is_found_and_the_time_beside_it_is_not() -> None:
    found = changed_parameters(lines(answers(*[200] * 40), answers(*[200] * 20, *[503] * 20), f"answered {WILD} in {WILD} ms"))
    assert [(p.part, p.value, p.before, p.after) for p in found] == [(0, "503", 0.0, 0.5)]
    assert found[0].bound > 0.5


def test_a_value_that_only_became_rarer_is_not_told() -> None:
    assert changed_parameters(lines(["host a"] * 40 + ["host b"] * 40, ["host a"] * 40, f"host {WILD}"))[0].value == "a"


def test_the_same_mix_of_values_is_no_change() -> None:
    mix = answers(*[200, 200, 200, 404] * 15)
    assert changed_parameters(lines(mix, mix)) == ()


def test_few_lines_say_nothing() -> None:
    assert changed_parameters(lines(answers(*[200] * 40), answers(*[503] * 9))) == ()
    assert changed_parameters(lines(answers(*[200] * 9), answers(*[503] * 40))) == ()


@given(st.lists(st.text(st.characters(exclude_characters="<*>|"), max_size=5), min_size=1, max_size=5))
def test_values_are_read_back_from_a_line(parts: list[str]) -> None:
    pattern = "|".join([WILD] * len(parts))
    assert values(pattern, "|".join(parts)) == tuple(parts)


@given(st.text(), st.text())
def test_any_pattern_and_any_body_can_be_compared(pattern: str, body: str) -> None:
    assert len(values(pattern, body)) <= pattern.count(WILD)


def test_a_hostile_line_is_read_once() -> None:
    pattern = "a".join([WILD] * 400)
    steps = []

    class Counted(str):
        __slots__ = ()

        def find(self, *where: object) -> int:
            steps.append(where)
            return super().find(*where)  # type: ignore[arg-type]  # as it was called

    values(pattern, Counted("a" * 399 + "b" * 1000))
    assert len(steps) <= 400
