"""A made-up system: services in layers, what each of their operations calls, and the request trees that follow.

Everything is drawn from one seed, so that the same size and seed give the same store to the last byte.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, cycle, pairwise

LAYERS = (0.03, 0.14, 0.3, 0.33, 0.2)
"""Shares of the services from the edge inwards; a request goes through at most these layers."""
OPERATIONS = (3, 6)
"""Fewest and most operations of a service."""
CALLS = (0.15, 0.5, 0.35)
"""How often an operation calls 0, 1 or 2 others."""
ENDPOINTS_PER_SERVICE = 0.6
"""Kinds of requests that come in from outside: 120 for 200 services, which makes about 2,000 places in a request tree."""
LOG_MS = (-1.0, 2.5)
"""Natural logarithm of the fastest and the slowest median of an operation's own time: 0.4 ms to 12 ms."""
SLOTS = 1000
"""Requests are drawn from so many slots, which the kinds of requests share by popularity."""
VERBS = ("GET", "POST", "PUT", "LIST", "DELETE")
NOUNS = tuple(
    word
    for line in (
        "account address audit basket billing booking campaign carrier catalogue charge claim contract coupon courier credit",
        "currency customer delivery deposit discount dispute document draft estimate export feature feed fleet forecast fraud",
        "gift guest holding identity image import index inquiry invoice item journal label ledger listing locale loyalty mail",
        "member menu merchant message notice offer order parcel partner party payment payout permit plan policy price profile",
        "promotion quota quote rate receipt refund region report reserve return review reward route sale schedule seat segment",
        "session settlement shelf shipment slot stock store subscription supplier survey tariff tax ticket token tracking",
        "transfer upload user vendor voucher wallet warehouse",
    )
    for word in line.split()
)


@dataclass(frozen=True, slots=True)
class Node:
    """One span of a request tree, in preorder."""

    service: int
    operation: str
    kind: str
    """As in OpenTelemetry: Server, Client or Internal."""
    log_ms: float
    """Natural logarithm of the median of its own time in ms."""
    size: int
    """Spans of the subtree that begins here: its nodes follow one another."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What a service does when it is called."""

    service: int
    name: str
    log_ms: float
    inside: tuple[str, ...]
    """Names of the internal spans, such as a query."""
    calls: tuple[int, ...]
    """Numbers of the operations that it calls, one after the other."""


@dataclass(frozen=True)
class System:
    """Services by number, and the trees of the requests from outside, most popular first."""

    services: tuple[str, ...]
    trees: tuple[tuple[Node, ...], ...]
    slots: tuple[int, ...]
    """`SLOTS` numbers of trees: a request takes one of them by chance."""

    @classmethod
    def drawn(cls, services: int, seed: int) -> System:
        """Draw a system.

        Args:
            services: how many, at least 5.
            seed: the same gives the same.
        """
        chance = random.Random(seed)  # noqa: S311  nothing secret
        names = tuple(_names(services, chance))
        layers = _layers(services)
        operations, entries = _operations(names, layers, max(4, round(ENDPOINTS_PER_SERVICE * services)), chance)
        trees = tuple(tuple(_tree(operations, entry)) for entry in entries)
        weights = [1 / (rank + 2) for rank in range(len(trees))]
        drawn = chance.choices(range(len(trees)), weights, k=SLOTS - len(trees)) if len(trees) < SLOTS else []
        return cls(names, trees, tuple(sorted([*range(min(len(trees), SLOTS)), *drawn])))

    @cached_property
    def spans_per_request(self) -> float:
        """Spans of a request, on average."""
        return sum(len(self.trees[tree]) for tree in self.slots) / len(self.slots)

    @cached_property
    def traffic(self) -> dict[int, float]:
        """Server spans of each service per request, on average."""
        seen = Counter(node.service for tree in self.slots for node in self.trees[tree] if node.kind == "Server")
        return {service: spans / len(self.slots) for service, spans in seen.items()}

    @cached_property
    def faulty(self) -> int:
        """The service that breaks: inside the system, with the median traffic of those there."""
        edge = {tree[0].service for tree in self.trees}
        inner = sorted((spans, service) for service, spans in self.traffic.items() if service not in edge)
        return inner[len(inner) // 2][1]


def _names(services: int, chance: random.Random) -> Iterator[str]:
    nouns = list(NOUNS)
    chance.shuffle(nouns)
    for generation in count(1):
        for noun in nouns:
            if services == 0:
                return
            services -= 1
            yield f"{noun}-service" if generation == 1 else f"{noun}-service-{generation}"


def _layers(services: int) -> list[range]:
    """The numbers of the services of each layer; none is empty."""
    bounds = [0]
    for number, share in enumerate(LAYERS):
        left = len(LAYERS) - number - 1
        bounds.append(min(services - left, max(bounds[-1] + 1, round(bounds[-1] + share * services))))
    bounds[-1] = services
    return [range(first, last) for first, last in pairwise(bounds)]


def _operations(
    names: tuple[str, ...], layers: list[range], endpoints: int, chance: random.Random
) -> tuple[list[Operation], list[int]]:
    """All operations, innermost layer first, and the numbers of those that are called from outside.

    Callees are dealt out in turn, so that every operation of an inner layer has somebody who calls it.
    """
    operations: list[Operation] = []
    inner: list[int] = []
    for layer in reversed(layers):
        edge = layer is layers[0]
        dealt = cycle(chance.sample(inner, len(inner))) if inner else None
        here: list[int] = []
        for service in layer:
            size = -(-endpoints // len(layer)) if edge else chance.randint(*OPERATIONS)
            for _ in range(size):
                calls = 0 if dealt is None else chance.choices(range(len(CALLS)), CALLS)[0] + edge
                inside = (f"SELECT {chance.choice(NOUNS)}",) if chance.random() < 0.5 else ()  # noqa: PLR2004  every second
                here.append(len(operations))
                operations.append(
                    Operation(
                        service=service,
                        name=f"{chance.choice(VERBS)} /{names[service].split('-', 1)[0]}/{chance.choice(NOUNS)}",
                        log_ms=chance.uniform(*LOG_MS),
                        inside=inside,
                        calls=tuple(next(dealt) for _ in range(calls)) if dealt else (),
                    )
                )
        inner = here
    return operations, inner


def _tree(operations: list[Operation], entry: int) -> list[Node]:
    """The spans of one request in preorder, with a client span around every call, as instrumented programs write them."""
    own = operations[entry]
    below = [Node(own.service, name, "Internal", own.log_ms - 1, 1) for name in own.inside]
    for callee in own.calls:
        called = _tree(operations, callee)
        below += [Node(own.service, called[0].operation, "Client", LOG_MS[0], 1 + len(called)), *called]
    return [Node(own.service, own.name, "Server", own.log_ms, 1 + len(below)), *below]
