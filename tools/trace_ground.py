"""What facts about spans are made from: the views of the whole, and the sampled requests behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from middlewatch.records import AnomalyKind, Family, Mechanism, Query
from middlewatch.tools.baseline import Floats
from middlewatch.tools.credit import Credit
from middlewatch.tools.instances import outlier
from middlewatch.tools.structure import Key
from middlewatch.tools.timeline import Timeline
from middlewatch.tools.trace_requests import Ints, Mask
from middlewatch.tools.trace_views import Surprises, TraceViews
from middlewatch.tools.wording import quantity, quoted

EXAMPLES = 3


@dataclass(frozen=True, slots=True, eq=False)
class Fact:
    """An anomaly in the making."""

    kind: AnomalyKind
    family: Family
    peer: str
    spoken_by: str
    """The service whose spans show it."""
    operation: str
    unit: str
    baseline: float
    observed: float
    strength: float
    """The surprise at it, in nats."""
    course: Floats
    """The quantity in every bucket, in scales where it has any; NaN where nothing was seen."""
    summary: str
    query: Query
    mechanism: Mechanism
    instance: str = ""
    examples: tuple[str, ...] = ()
    """Trace ids of requests that show it; where there are none, the slowest or failed ones do."""
    passed: tuple[str, ...] = ()
    """Every service that requests of the operation ran through, where that is known."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What facts are made from."""

    views: TraceViews
    surprises: Surprises
    credit: Credit
    timeline: Timeline
    behaviours: Query
    """The query behind latencies, behaviours and failures."""
    requests: Query
    """The query behind the sample of whole requests."""

    def spans(self, key: Key, onset: int) -> tuple[Mask, Mask]:
        """The sampled spans of an operation before the onset, and those after it."""
        own = np.isin(self.credit.behaviour, [i for i, b in enumerate(self.views.children.behaviours) if b.key == key])
        before = self.credit.bucket < onset
        return own & before, own & ~before

    def instance(self, value: Floats, before: Mask, after: Mask, at: Ints | None = None) -> str:
        """The one instance that a change is of; '' where it is of several.

        Args:
            value: of each sampled span, what changed.
            before: spans before the onset.
            after: spans after it.
            at: for each span, the span whose instance may be to blame, -1 for none; itself where this is left out.
        """
        requests = self.credit.requests
        instance = requests.instance if at is None else np.where(at >= 0, requests.instance[at], -1)
        found = outlier(instance, value, before, after)
        return requests.instances[found] if found >= 0 else ""

    def examples(self, spans: Mask) -> tuple[str, ...]:
        """The latest requests with such a span."""
        requests = self.credit.requests
        latest = sorted(np.flatnonzero(spans).tolist(), key=lambda span: int(requests.start_ns[span]), reverse=True)
        traces = dict.fromkeys(requests.trace_id(span) for span in latest[:EXAMPLES])
        return tuple(trace for trace in traces if trace)

    def passed(self, spans: Mask) -> tuple[str, ...]:
        """Every service that the requests of these spans ran through."""
        requests = self.credit.requests
        theirs = np.isin(requests.root, np.unique(requests.root[spans]))
        return tuple(sorted(requests.services[i] for i in np.unique(requests.service[theirs]).tolist()))


def on_instance(instance: str) -> str:
    """The end of a sentence."""
    return f", on the instance {quoted(instance)} alone" if instance else ""


def percent(share: float) -> str:
    """A share between 0 and 1."""
    return f"{quantity(100 * share)} %"
