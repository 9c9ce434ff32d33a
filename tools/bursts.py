"""Which of many alerts belong together: by who calls whom.

A fault spreads from a service to those that call it. So the deepest alerting services, those that reach no other alerting one
through calls, are taken for separate causes, and each alerting service belongs to every cause that it reaches. Services that call
one another in a circle cannot be told apart and are one. What the map does not show joins nothing that it does: an edge that is
missing can split one incident in two, and never merges two. See docs/occurrences.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from middlewatch.records import Edge
from middlewatch.tools.service_map import callees

MOST_GROUPS: Final = 5
"""Of one burst: as many as a person who is woken can begin to look at (the owner's figure)."""


@dataclass(frozen=True, slots=True)
class Group:
    """Services whose alerts are taken for one incident."""

    roots: frozenset[str]
    """The deepest of them; several where they call one another, or nothing tells them apart."""
    services: frozenset[str]
    """All of them."""
    why: str = ""
    """What they were put together by, where it is not that they reach the same one; in words."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Who reaches whom through calls."""

    called: Mapping[str, frozenset[str]]
    """Caller -> those that it calls directly."""

    @classmethod
    def of(cls, edges: Iterable[Edge]) -> Calls:
        return cls({caller: frozenset(found) for caller, found in callees(edges).items()})

    @property
    def services(self) -> frozenset[str]:
        """Everybody in the map."""
        return frozenset(self.called).union(*self.called.values())

    def reached(self, service: str) -> frozenset[str]:
        """Whom it reaches, itself included."""
        found, new = {service}, [service]
        while new:
            fresh = self.called.get(new.pop(), frozenset()) - found
            found |= fresh
            new.extend(fresh)
        return frozenset(found)

    def depth(self) -> dict[str, int]:
        """How many calls each is away from a service that nobody calls; those that none of these reaches are left out."""
        entries = frozenset(self.called) - frozenset[str]().union(*self.called.values())
        distance = dict.fromkeys(entries, 0)
        frontier = sorted(entries)
        for service in frontier:  # it grows while it is walked
            for callee in sorted(self.called.get(service, frozenset()) - distance.keys()):
                distance[callee] = distance[service] + 1
                frontier.append(callee)
        return distance


def groups_of(alerting: Collection[str], calls: Calls, *, first: bool = False, most: int = MOST_GROUPS) -> tuple[Group, ...]:
    """Sort alerting services into incidents.

    Args:
        alerting: the services that alerts are about.
        calls: the service map, as far as it is known.
        first: others may alert yet. Services that reach a common one may have their cause there and are kept together: what is
            one investigation too few can still be opened, one too many was opened for nothing.
        most: at most so many groups; where the map tells more causes apart, those are put together that have the least to
            tell them apart, and the group says so.

    Returns:
        Every alerting service is in one group at least; in several where several causes lie below it. In order of their names.
    """
    known, wanted = calls.services, frozenset(alerting)
    mapped = wanted & known
    reached = {service: calls.reached(service) & mapped for service in mapped}
    roots = {frozenset(found) for service, found in reached.items() if all(service in reached[other] for other in found)}
    groups = [Group(root, frozenset(s for s in mapped if root & reached[s])) for root in sorted(roots, key=sorted)]
    if first:
        groups = _kept_together(groups, calls)
    unmapped = wanted - known
    if unmapped:
        why = "" if len(unmapped) == 1 else "no map of calls shows these services, so nothing tells them apart"
        groups.append(Group(unmapped, unmapped, why))
    return tuple(sorted(_at_most(groups, calls, most), key=lambda group: sorted(group.roots)))


def nearest_to_users(services: Collection[str], calls: Calls, weight: Mapping[str, int]) -> str:
    """The service that users meet first.

    Args:
        services: some.
        calls: who calls whom.
        weight: how many alerts each has; what decides between equals.
    """
    depth = calls.depth()
    return min(services, key=lambda s: (depth.get(s, len(depth)), -weight.get(s, 0), s))


def matched(groups: Sequence[Group], standing: Sequence[tuple[str, frozenset[str]]]) -> dict[int, str]:
    """Which incident that is known already each group is.

    Two groups are two causes, so they are never one incident: it goes to the group whose deepest services it has, or else to the
    one with most of its services.

    Args:
        groups: of the alerting services, old and new.
        standing: id and services of each known incident, the oldest first.

    Returns:
        Number of the group -> id of its incident; groups that are new are left out.
    """
    pairs = [
        (-len(group.roots & services), -len(group.services & services), age, number)
        for number, group in enumerate(groups)
        for age, (_, services) in enumerate(standing)
        if group.services & services
    ]
    found: dict[int, str] = {}
    taken: set[int] = set()
    for _, _, age, number in sorted(pairs):
        if number not in found and age not in taken:
            found[number] = standing[age][0]
            taken.add(age)
    return found


def _kept_together(groups: Sequence[Group], calls: Calls) -> list[Group]:
    found: list[tuple[Group, frozenset[str]]] = []
    for group in groups:
        parts = [(group, frozenset[str]().union(*map(calls.reached, group.roots)))]
        parts += [one for one in found if one[1] & parts[0][1]]
        found = [one for one in found if one not in parts]
        below = frozenset[str]().union(*(reached for _, reached in parts))
        found.append((_merged([one for one, _ in parts], ""), below))
    return [group for group, _ in found]


def _at_most(groups: list[Group], calls: Calls, most: int) -> list[Group]:
    while len(groups) > most:
        shared = _shared_callee(groups, calls)
        if not shared:
            break
        callee, together = shared
        why = f'more than {most} services that do not call one another alert at once; these call "{callee}", which has no alert'
        groups = [group for group in groups if group not in together] + [_merged(together, why)]
    if len(groups) > most:
        groups = sorted(groups, key=lambda group: (-len(group.services), sorted(group.roots)))
        why = f"more than {most} services that do not call one another alert at once; nothing else puts these together"
        groups = [*groups[: most - 1], _merged(groups[most - 1 :], why)]
    return groups


def _shared_callee(groups: Sequence[Group], calls: Calls) -> tuple[str, list[Group]] | None:
    """The silent service that the deepest services of most groups call directly."""
    calling: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        for callee in frozenset[str]().union(*(calls.called.get(root, frozenset()) for root in group.roots)) - group.roots:
            calling[callee].append(group)
    best = min(calling.items(), key=lambda item: (-len(item[1]), item[0]), default=None)
    return best if best is not None and len(best[1]) > 1 else None


def _merged(groups: Sequence[Group], why: str) -> Group:
    roots, services = (frozenset[str]().union(*parts) for parts in zip(*((g.roots, g.services) for g in groups), strict=True))
    return Group(roots, services, why)
