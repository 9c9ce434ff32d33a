"""Invariants: distinct causes are never merged while there are few enough; every alert is in a group; there are never too many."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import Edge
from middlewatch.tools.bursts import MOST_GROUPS, Calls, Group, groups_of, matched, nearest_to_users


def calls_of(*pairs: str) -> Calls:
    return Calls.of(Edge(caller=pair[0], callee=pair[1]) for pair in pairs)


def roots_of(groups: tuple[Group, ...]) -> list[list[str]]:
    return [sorted(group.roots) for group in groups]


@dataclass(frozen=True)
class Storm:
    """A random map of calls without circles, and causes planted in it that do not reach one another."""

    calls: Calls
    seen: Calls
    """What of the map traces show."""
    causes: frozenset[str]
    alerting: frozenset[str]


@st.composite
def storms(draw: st.DrawFn) -> Storm:
    names = [f"s{n:02}" for n in range(draw(st.integers(2, 30)))]
    pairs = [(a, b) for n, a in enumerate(names) for b in names[n + 1 :]]
    kept = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=60))
    whole = Calls.of(Edge(caller=a, callee=b) for a, b in kept)
    causes: set[str] = set()
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=MOST_GROUPS)):
        if not any(name in whole.reached(other) or other in whole.reached(name) for other in causes):
            causes.add(name)
    affected = [name for name in names if whole.reached(name) & causes]
    silent = draw(st.sets(st.sampled_from(affected))) - causes
    lost = draw(st.sets(st.sampled_from(kept))) if kept else set()
    seen = Calls.of(Edge(caller=a, callee=b) for a, b in kept if (a, b) not in lost)
    return Storm(whole, seen, frozenset(causes), frozenset(affected) - silent)


@given(storms())
def test_with_the_whole_map_each_cause_has_a_group_of_its_own_and_no_other_has_one(storm: Storm) -> None:
    groups = groups_of(storm.alerting, storm.calls)
    mapped = storm.causes & storm.calls.services
    alone = storm.causes - mapped
    assert {group.roots for group in groups} == {frozenset({c}) for c in mapped} | ({frozenset(alone)} if alone else set())
    for group in groups:
        assert group.services == {s for s in storm.alerting if storm.calls.reached(s) & group.roots}


@given(storms())
def test_missing_edges_and_silent_services_merge_no_two_causes_that_the_map_shows(storm: Storm) -> None:
    groups = groups_of(storm.alerting, storm.seen, most=len(storm.alerting))
    for group in groups:
        assert len(group.roots & storm.causes & storm.seen.services) <= 1


@given(storms(), st.integers(1, MOST_GROUPS))
def test_nothing_is_lost_and_there_are_never_too_many(storm: Storm, most: int) -> None:
    groups = groups_of(storm.alerting, storm.seen, most=most)
    assert 1 <= len(groups) <= most
    assert frozenset().union(*(group.services for group in groups)) == storm.alerting
    assert all(group.roots <= group.services for group in groups)
    assert groups == groups_of(sorted(storm.alerting, reverse=True), storm.seen, most=most)


@given(storms(), st.data())
def test_two_groups_are_never_one_incident(storm: Storm, data: st.DataObject) -> None:
    groups = groups_of(storm.alerting, storm.seen)
    early = data.draw(st.sets(st.sampled_from(sorted(storm.alerting))))
    standing = [(f"inv-{n}", group.services) for n, group in enumerate(groups_of(early, storm.seen))]
    found = matched(groups, standing)
    assert len(set(found.values())) == len(found)
    known = frozenset[str]().union(*(services for _, services in standing))
    assert all(groups[n].services & known for n in found)


def test_without_any_map_a_burst_is_one_and_says_why() -> None:
    (group,) = groups_of(["a", "b", "c"], calls_of())
    assert "nothing tells them apart" in group.why
    assert groups_of(["a"], calls_of()) == (Group(frozenset("a"), frozenset("a")),)
    assert groups_of([], calls_of()) == ()


def test_a_service_above_two_causes_is_in_both() -> None:
    groups = groups_of("abc", calls_of("ax", "xb", "ac"))
    assert groups == (Group(frozenset("b"), frozenset("ab")), Group(frozenset("c"), frozenset("ac")))


def test_services_in_a_circle_are_one() -> None:
    assert roots_of(groups_of("abc", calls_of("ab", "bc", "cb"))) == [["b", "c"]]
    assert roots_of(groups_of("ac", calls_of("ab", "ba", "bc", "cb"))) == [["a", "c"]]


def test_of_too_many_those_with_a_callee_in_common_are_put_together_first() -> None:
    calls = calls_of("az", "bz", "cy", "dy", "ey", "fx", "gf")
    groups = groups_of("abcdefg", calls)
    assert roots_of(groups) == [["a"], ["b"], ["c", "d", "e"], ["f"]]
    assert 'call "y"' in groups[2].why
    many = groups_of("abcdefgh", calls_of("az", "bx", "cw", "dv", "eu", "ft", "gf", "hs"))
    assert roots_of(many) == [["a"], ["b"], ["c"], ["d", "e", "h"], ["f"]]


def test_the_symptom_is_the_service_that_users_meet_first() -> None:
    calls = calls_of("ab", "bc", "xc")
    assert nearest_to_users("bc", calls, {}) == "b"
    assert nearest_to_users("bq", calls, {"q": 9}) == "b"
    assert nearest_to_users("pq", calls, {"q": 9}) == "q"
    assert nearest_to_users("xa", calls, {"a": 1, "x": 2}) == "x"


def test_an_incident_that_is_known_goes_to_the_group_of_its_cause() -> None:
    groups = groups_of("acd", calls_of("ac", "ad"))
    assert matched(groups, [("inv-1", frozenset("ac"))]) == {0: "inv-1"}
    assert matched(groups, [("inv-1", frozenset("ad"))]) == {1: "inv-1"}
    assert matched(groups, [("inv-1", frozenset("a"))]) == {0: "inv-1"}
    assert matched(groups, [("inv-1", frozenset("ac")), ("inv-2", frozenset("ad"))]) == {0: "inv-1", 1: "inv-2"}
    assert matched(groups, [("inv-1", frozenset("z"))]) == {}
