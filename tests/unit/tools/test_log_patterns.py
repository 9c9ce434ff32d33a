"""Invariants: what is put together belongs to one service and says the same; the words that vary do not separate."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from middlewatch.tools.log_patterns import merged

WORDS = st.lists(st.sampled_from(["user", "order", "saved", "7f3a", "<*>", "at", "Main#12"]), min_size=1, max_size=8).map(" ".join)
PATTERNS = st.lists(st.tuples(st.sampled_from(["a", "b"]), WORDS), max_size=20)


@given(PATTERNS)
def test_groups_are_numbered_in_order_and_never_span_services(patterns: list[tuple[str, str]]) -> None:
    groups = merged(patterns)
    assert list(dict.fromkeys(groups)) == list(range(len(set(groups))))
    services: dict[int, set[str]] = {}
    for (service, _), group in zip(patterns, groups, strict=True):
        services.setdefault(group, set()).add(service)
    assert all(len(names) == 1 for names in services.values())


@given(PATTERNS)
def test_the_same_pattern_is_always_in_the_same_group(patterns: list[tuple[str, str]]) -> None:
    groups = merged(patterns + patterns)
    assert groups[: len(patterns)] == groups[len(patterns) :]


@given(PATTERNS)
def test_names_of_services_do_not_matter(patterns: list[tuple[str, str]]) -> None:
    assert merged(patterns) == merged([("x" + service, pattern) for service, pattern in patterns])


def test_words_that_vary_do_not_separate_and_other_sentences_do() -> None:
    groups = merged(
        [
            ("a", "user alice logged in from <*>"),
            ("a", "user bob logged in from <*>"),
            ("a", "user session has expired for alice"),
            ("a", "payment refused"),
        ]
    )
    assert groups == [0, 0, 1, 2]


def test_one_line_of_code_that_says_two_things_has_two_patterns() -> None:
    same = ("a", "INFO Orders#12 saved order of alice")
    assert merged([same, ("a", "INFO Orders#12 saved order of bob"), ("a", "ERROR Orders#12 no stock left today")]) == [
        0,
        0,
        1,
    ]
    assert merged([same, ("a", "INFO Orders#13 saved order of alice")]) == [0, 1]
