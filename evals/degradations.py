"""The ways in which telemetry is worse than in the recording, each a `Degradation` for `evals/degrade.py`."""

from __future__ import annotations

import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from middlewatch.alerts import EARLIER_INCIDENT_LEAD_SECONDS
from middlewatch.evals.degrade import Degradation, Json, Plan, Planner, json_lines, read_batches

KEPT_SHARE = 0.1
"""Of traces, where they are sampled."""
DROPPED_SHARE = 0.3
"""Of metric samples."""
SKEW_SECONDS = 2.0
SHIFT = timedelta(days=-11, hours=-7, minutes=-23, seconds=-47)
"""To another day of the week, hour and second: neither calendar nor time grid stays."""
NAME_LENGTH = 12
PREFERENCE = 20.0
"""A slow or failed trace is worth this many others to the tail sampler. Chosen: while they are rare, nearly all are kept."""
SLOW_QUANTILE = 0.95
"""A trace is slow above this quantile of all those with the same root operation."""
TWIN_STEP_SECONDS = 300.0
"""Earlier faults are put at multiples of this before theirs, so that samples stay on the grid of their metric."""
LEAST_TWIN_SECONDS = 600.0
SHORTEST_ID = 8
"""Characters of an id that is looked for in texts."""
FAULT_LEAD_SECONDS = 240.0
"""How long before its detection no second fault may reach: it would be part of the incident."""

_TIMES = {"metrics": "time", "logs": "time", "traces": "start_time", "changes": "time"}
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_NAMELESS_KEYS = frozenset({"format", "system", "source", "licence", "notes", "id", "incident", "metric", "root_cause_kind"})
"""Strings in the JSON files that name no service of the system."""


# Names


def random_names(recording: Path, seed: int) -> dict[str, str]:
    """Every service of a recording, and the name that it has after `random-names`."""
    draw = random.Random(seed)  # noqa: S311  nothing secret
    drawn = {name.lower(): "".join(draw.choices(ascii_lowercase, k=NAME_LENGTH)) for name in sorted(_services(recording))}
    return {name: drawn[name.lower()] for name in sorted(_services(recording))}


def _random_names(recording: Path, seed: int) -> Plan:
    replacement = {name.lower(): new for name, new in random_names(recording, seed).items()}
    longest_first = sorted(replacement, key=lambda name: (-len(name), name))
    words = re.compile(r"(?<![A-Za-z0-9])(?:" + "|".join(map(re.escape, longest_first)) + r")(?![A-Za-z0-9])", re.IGNORECASE)

    def renamed(text: str) -> str:
        return words.sub(lambda found: replacement[found[0].lower()], text)

    def line(value: Json) -> Json:
        return {key: each if key in _NAMELESS_KEYS else _in_strings(each, renamed) for key, each in value.items()}

    in_rows = partial(_rename, renamed)
    columns = {
        "metrics": ("service", "instance", "attributes"),
        "logs": ("service", "instance", "body"),
        "traces": ("service", "instance", "name"),
        "changes": ("service", "instance", "version", "actor", "description"),
        "topology": ("caller", "callee"),
    }
    return Plan(rows={signal: partial(in_rows, names) for signal, names in columns.items()}, line=line)


def _services(recording: Path) -> set[str]:
    names: set[str] = set()
    columns = {signal: ["service"] for signal in _TIMES} | {"topology": ["caller", "callee"]}
    for signal, wanted in columns.items():
        file = recording / f"{signal}.parquet"
        for table in read_batches(file, wanted) if file.exists() else ():
            for column in wanted:
                names |= set(pc.unique(table[column]).to_pylist())
    return names - {None, ""}


def _rename(renamed: Callable[[str], str], columns: tuple[str, ...], table: pa.Table) -> pa.Table:
    known: dict[str, str] = {}

    def new(text: str | None) -> str | None:
        if text is None:
            return None
        if text not in known:
            known[text] = renamed(text)
        return known[text]

    for name in columns:
        if name not in table.column_names:
            continue
        kind = table.schema.field(name).type
        if pa.types.is_map(kind):
            values: list[Any] = [
                None if row is None else [(new(key), new(value)) for key, value in row] for row in table[name].to_pylist()
            ]
        else:
            values = [new(text) for text in table[name].to_pylist()]
        table = table.set_column(table.column_names.index(name), name, pa.array(values, kind))
    return table


def _in_strings(value: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401  whatever JSON holds
    """The value with every string in it changed, but for those under a key that names no service."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_in_strings(each, change) for each in value]
    if isinstance(value, dict):
        return {key: each if key in _NAMELESS_KEYS else _in_strings(each, change) for key, each in value.items()}
    return value


# Times


def _shifted_times(_recording: Path, _seed: int) -> Plan:
    def text(value: str) -> str:
        return _iso(_moment(value) + SHIFT) if _ISO_TIME.fullmatch(value) else value

    def rows(column: str, table: pa.Table) -> pa.Table:
        return _later(table, column, SHIFT)

    return Plan(
        rows={signal: partial(rows, column) for signal, column in _TIMES.items()},
        line=lambda value: {key: _in_strings(each, text) for key, each in value.items()},
    )


def _clock_skew(recording: Path, seed: int) -> Plan:
    """Half of the services, drawn by the seed, are `SKEW_SECONDS` ahead of the others. Changes carry another system's clock."""
    services = sorted(_services(recording))
    ahead = random.Random(seed).sample(services, len(services) // 2)  # noqa: S311  nothing secret
    skew = timedelta(seconds=SKEW_SECONDS / 2)

    def rows(column: str, table: pa.Table) -> pa.Table:
        early = pc.is_in(table["service"], pa.array(ahead, pa.string()))
        offset = pc.if_else(early, pa.scalar(skew, pa.duration("us")), pa.scalar(-skew, pa.duration("us")))
        return _later(table, column, offset)

    return Plan(rows={signal: partial(rows, _TIMES[signal]) for signal in ("metrics", "logs", "traces")})


# Gaps and sampling


def _sparse_metrics(_recording: Path, seed: int) -> Plan:
    draw = np.random.default_rng(seed)
    return Plan(rows={"metrics": lambda table: table.filter(pa.array(draw.random(table.num_rows) >= DROPPED_SHARE))})


def _head_sampling(_recording: Path, seed: int, *, cut_logs: bool) -> Plan:
    """Decided by the trace id alone, before anything is known of the trace."""
    return _sampled(lambda trace: _uniform(seed, trace) < KEPT_SHARE, cut_logs=cut_logs)


def _tail_sampling(recording: Path, seed: int, *, cut_logs: bool) -> Plan:
    """A weighted sample without replacement (Efraimidis and Spirakis 2006): the highest u^(1/w) are kept, u uniform."""
    traces = _traces(recording)
    by_operation: dict[tuple[str, str], list[float]] = defaultdict(list)
    for trace in traces.values():
        by_operation[trace.operation].append(trace.duration)
    slow = {operation: float(np.quantile(durations, SLOW_QUANTILE)) for operation, durations in by_operation.items()}
    keys = {
        trace_id: _uniform(seed, trace_id) ** (1 / (PREFERENCE if trace.failed or trace.duration > slow[trace.operation] else 1.0))
        for trace_id, trace in traces.items()
    }
    kept = set(sorted(keys, key=lambda trace_id: -keys[trace_id])[: round(KEPT_SHARE * len(keys))])
    return _sampled(kept.__contains__, cut_logs=cut_logs)


def _sampled(keeps: Callable[[str], bool], *, cut_logs: bool) -> Plan:
    def rows(table: pa.Table) -> pa.Table:
        ids = table["trace_id"].combine_chunks().fill_null("")
        kept = pa.array([each for each in pc.unique(ids).to_pylist() if not each or keeps(each)], pa.string())
        return table.filter(pc.is_in(ids, kept))

    return Plan(rows={"traces": rows, "logs": rows} if cut_logs else {"traces": rows})


@dataclass(slots=True)
class _Trace:
    operation: tuple[str, str] = ("", "")
    duration: float = 0.0
    failed: bool = False


def _traces(recording: Path) -> dict[str, _Trace]:
    """Each trace by its longest span, which is the root wherever there is one."""
    traces: dict[str, _Trace] = defaultdict(_Trace)
    file = recording / "traces.parquet"
    columns = ["trace_id", "service", "name", "duration_ns", "status_code"]
    for table in read_batches(file, columns) if file.exists() else ():
        for trace_id, service, name, duration, status in zip(*(table[c].to_pylist() for c in columns), strict=True):
            trace = traces[trace_id]
            trace.failed |= str(status).upper().endswith("ERROR")
            if (duration or 0) > trace.duration:
                trace.operation, trace.duration = (service, name), duration
    return traces


def _uniform(seed: int, text: str) -> float:
    """Between 0 and 1, by the text and the seed alone."""
    return float(int.from_bytes(hashlib.blake2b(f"{seed}:{text}".encode(), digest_size=8).digest()) / 2**64)


# What is absent


def _without(*signals: str) -> Planner:
    return lambda _recording, _seed: Plan(without=frozenset(signals))


def _logs_without_ids(_recording: Path, _seed: int, *, traces: bool = True) -> Plan:
    """Neither in their columns nor in their text."""

    def rows(table: pa.Table) -> pa.Table:
        bodies = [
            _with_ids(body, {trace: "", span: ""})
            for body, trace, span in zip(*(table[c].to_pylist() for c in ("body", "trace_id", "span_id")), strict=True)
        ]
        empty = pa.array([""] * table.num_rows, pa.string())
        return _set(_set(_set(table, "body", pa.array(bodies, pa.string())), "trace_id", empty), "span_id", empty)

    return Plan(rows={"logs": rows}, without=frozenset() if traces else frozenset({"traces"}))


def _with_ids(text: str | None, ids: Mapping[str | None, str]) -> str | None:
    """The text with other ids in it. Shorter ones than `SHORTEST_ID` could be any number."""
    for old, new in ids.items():
        text = text.replace(old, new) if text and old and len(old) >= SHORTEST_ID else text
    return text


# A second fault


def _earlier_fault(recording: Path, _seed: int) -> Plan:
    """What an incident's window shows is shown once more, earlier, where nobody reported an incident.

    It takes the place of what was recorded there. Copied requests get ids of their own. The first incident is always repeated,
    if need be before the recording begins; others only where there is room.
    """
    (info,) = json_lines(recording / "recording.json")
    twins = tuple(_twins(json_lines(recording / "incidents.jsonl"), _moment(info["start"])))

    def rows(column: str, table: pa.Table) -> pa.Table:
        times = table[column]
        overwritten = _in_any(times, [(start - shift, end - shift) for start, end, shift in twins])
        copies = [
            _later(_with_own_ids(number, table.filter(_in_any(times, [(start, end)]))), column, -shift)
            for number, (start, end, shift) in enumerate(twins)
        ]
        return pa.concat_tables([table.filter(pc.invert(overwritten)), *copies])

    return Plan(rows={signal: partial(rows, _TIMES[signal]) for signal in ("metrics", "logs", "traces")})


def _twins(incidents: tuple[Json, ...], begin: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """(start, end, how much earlier) of what is repeated. Twins overlap neither each other nor a reported incident."""
    known = [(_moment(i["detected_at"]), _moment(i["window_end"])) for i in incidents]
    taken = [(detected - timedelta(seconds=FAULT_LEAD_SECONDS), end) for detected, end in known]
    for number, (detected, end) in enumerate(sorted(known)):
        start, shift = detected - timedelta(seconds=EARLIER_INCIDENT_LEAD_SECONDS), timedelta(seconds=LEAST_TWIN_SECONDS)
        while any(start - shift < other_end and other_start < end - shift for other_start, other_end in taken):
            shift += timedelta(seconds=TWIN_STEP_SECONDS)
        if number == 0 or start - shift >= begin:
            taken.append((start - shift, end - shift))
            yield start, end, shift


def _in_any(times: pa.ChunkedArray, windows: list[tuple[datetime, datetime]]) -> pa.ChunkedArray:
    inside = pa.chunked_array([pa.array([False] * len(times))])
    for start, end in windows:
        inside = pc.or_(inside, pc.and_(pc.greater_equal(times, pa.scalar(start)), pc.less(times, pa.scalar(end))))
    return inside


def _with_own_ids(twin: int, table: pa.Table) -> pa.Table:
    names = [name for name in ("trace_id", "span_id", "parent_span_id") if name in table.column_names]
    old = {name: table[name].to_pylist() for name in names}
    new = {name: [_other_id(twin, each or "") for each in values] for name, values in old.items()}
    for name, values in new.items():
        table = _set(table, name, pa.array(values, pa.string()))
    if "body" not in table.column_names:
        return table
    replaced = zip(table["body"].to_pylist(), *old.values(), *new.values(), strict=True)
    bodies = [_with_ids(body, {trace: to_trace, span: to_span}) for body, trace, span, to_trace, to_span in replaced]
    return _set(table, "body", pa.array(bodies, pa.string()))


def _other_id(twin: int, identifier: str) -> str:
    """Another id of the same length, up to 64 digits; none for none."""
    return hashlib.blake2b(f"{twin}:{identifier}".encode(), digest_size=32).hexdigest()[: len(identifier)]


def _set(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def _later(table: pa.Table, column: str, by: timedelta | pa.ChunkedArray) -> pa.Table:
    offset = pa.scalar(by, pa.duration("us")) if isinstance(by, timedelta) else by
    return _set(table, column, pc.add(table[column], offset))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


DEGRADATIONS: Mapping[str, Degradation] = {
    name: Degradation(name, description, plan)
    for name, description, plan in (
        ("random-names", "every service has a random name, in all files and texts", _random_names),
        ("shifted-times", "everything happened at another time of day and week", _shifted_times),
        ("sparse-metrics", "30 % of the metric samples are dropped", _sparse_metrics),
        ("earlier-fault", "what the incidents show was seen once before, and nobody reported it", _earlier_fault),
        ("clock-skew", "the clocks of half of the services are 2 s ahead of the others", _clock_skew),
        ("head-sampling", "10 % of the traces are kept, at random; all logs", partial(_head_sampling, cut_logs=False)),
        ("head-sampling-logs-cut", "the same, and only the logs of those traces", partial(_head_sampling, cut_logs=True)),
        (
            "tail-sampling",
            "10 % of the traces are kept, preferably slow and failed ones; all logs",
            partial(_tail_sampling, cut_logs=False),
        ),
        ("tail-sampling-logs-cut", "the same, and only the logs of those traces", partial(_tail_sampling, cut_logs=True)),
        ("logs-without-ids", "logs do not say to which trace they belong", _logs_without_ids),
        ("no-logs", "no logs", _without("logs")),
        ("no-traces", "no traces", _without("traces")),
        ("no-traces-no-ids", "no traces, and logs do not say to which they belonged", partial(_logs_without_ids, traces=False)),
        ("no-metrics", "no metrics", _without("metrics")),
    )
}
"""By name, in the order in which they are reported."""


def named(names: tuple[str, ...]) -> tuple[Degradation, ...]:
    """The degradations of these names, which are in `DEGRADATIONS`."""
    return tuple(DEGRADATIONS[name] for name in names)
