"""Invariant: a degradation changes exactly what it says, the same for the same seed, and what it makes is a recording."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from middlewatch.evals import degrade as degrading
from middlewatch.evals.degradations import DEGRADATIONS, SHIFT, named
from middlewatch.evals.degrade import Plan, degrade, degraded, json_lines
from middlewatch.evals.labels import read_labels
from middlewatch.telemetry.recording_files import SIGNAL_FILES, check, open_parquet
from middlewatch.telemetry.recordings import read_recording, recording_digest
from tests.telemetry_data import incident_row, moment, write_recording

TRACES = 400
Row = dict[str, Any]
SIGNALS = tuple(file.name.removesuffix(".parquet") for file in SIGNAL_FILES)


def trace_id(number: int) -> str:
    return f"{number:032x}"


def span_id(number: int, of_trace: int) -> str:
    return f"{number:015x}{of_trace:x}"


def spans() -> list[Row]:
    """Two spans each 5 s; one trace in 20 is slow, one in 50 fails."""
    rows: list[Row] = []
    for number in range(TRACES):
        duration = 900_000_000 if number % 20 == 7 else 10_000_000
        common = {"trace_id": trace_id(number), "start_time": number * 5.0}
        status = "STATUS_CODE_ERROR" if number % 50 == 3 else "UNSET"
        rows += [
            common | {"span_id": span_id(number, 1), "service": "shop", "name": "GET /cart/items", "duration_ns": duration},
            common
            | {
                "span_id": span_id(number, 2),
                "parent_span_id": span_id(number, 1),
                "service": "cart",
                "instance": "cart-7f",
                "name": "acme.Cart/List",
                "duration_ns": duration // 2,
                "status_code": status,
            },
        ]
    return rows


def lines() -> list[Row]:
    """A line of each trace, and a few of none."""
    of_traces = [
        {
            "time": number * 5.0 + 1,
            "service": "cart",
            "instance": "cart-7f",
            "body": f"trace {trace_id(number)}: cartography of cart for shop",
            "trace_id": trace_id(number),
            "span_id": span_id(number, 2),
        }
        for number in range(TRACES)
    ]
    return of_traces + [{"time": second, "service": "shop", "body": "tick"} for second in range(0, 2000, 100)]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    samples = [
        {"time": second, "service": service, "value": float(second), "attributes": {"peer.service": "cart", "path": "/cartography"}}
        for second in range(0, 2000, 20)
        for service in ("shop", "cart", "shop-cart")
    ]
    folder = write_recording(
        tmp_path_factory.mktemp("degraded") / "shop",
        metrics=samples,
        logs=lines(),
        traces=spans(),
        changes=[{"time": 1100, "service": "cart", "description": "faster cart"}],
        topology=[{"caller": "shop", "callee": "cart"}],
        incidents=[
            incident_row(1300, 60) | {"title": "cart is slow", "symptom": {"service": "shop", "metric": "cart"}},
            incident_row(1800, 60) | {"id": "incident-2"},
        ],
        info={"instances": [{"service": "cart", "started_at": moment(0).isoformat()}]},
    )
    label = {"root_cause_service": "cart", "root_cause_instance": "cart-7f", "root_cause_kind": "cart"}
    started = [moment(1250).isoformat(), moment(1750).isoformat()]
    (folder / "labels.jsonl").write_text(
        "".join(
            json.dumps(label | {"incident": name, "started_at": at}) + "\n"
            for name, at in zip(("incident-1", "incident-2"), started, strict=True)
        )
    )
    return folder


def after(recording: Path, folder: Path, name: str, seed: int = 1) -> Path:
    output = folder / f"{name}-{seed}"
    degrade(recording, output, DEGRADATIONS[name], seed=seed)
    return output


def rows(recording: Path, signal: str) -> list[Row]:
    found: list[Row] = pq.read_table(recording / f"{signal}.parquet").to_pylist()
    return found


def same(before: Path, now: Path, *but: str) -> None:
    """Everything is the same but what is named."""
    for signal in SIGNALS:
        if signal not in but:
            assert rows(before, signal) == rows(now, signal), signal
    for file in ("recording.json", "incidents.jsonl", "labels.jsonl"):
        if file not in but:
            assert json_lines(before / file) == json_lines(now / file), file


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_what_comes_out_is_a_recording_and_depends_on_the_seed_alone(recording: Path, tmp_path: Path, name: str) -> None:
    first, again = after(recording, tmp_path / "a", name), after(recording, tmp_path / "b", name)
    read_recording(first)
    assert set(read_labels(first)) == {"incident-1", "incident-2"}
    for file in SIGNAL_FILES:
        if (first / file.name).exists():
            check(first / file.name, open_parquet(first / file.name), file)
    assert recording_digest(first) == recording_digest(again) != recording_digest(recording)


@pytest.mark.parametrize("name", ["random-names", "sparse-metrics", "head-sampling", "tail-sampling", "clock-skew"])
def test_another_seed_draws_something_else(recording: Path, tmp_path: Path, name: str) -> None:
    digests = {recording_digest(after(recording, tmp_path, name, seed)) for seed in range(4)}
    assert len(digests) > 1


def test_names_are_replaced_everywhere_as_words(recording: Path, tmp_path: Path) -> None:
    now = after(recording, tmp_path, "random-names")
    old, new = ([row["service"] for row in rows(r, "metrics")] for r in (recording, now))
    name = dict(zip(old, new, strict=True))
    assert set(name) == {"shop", "cart", "shop-cart"}
    assert len(set(name.values())) == 3
    assert all(re.fullmatch("[a-z]{12}", each) for each in name.values())
    shop, cart = name["shop"], name["cart"]
    assert rows(now, "topology") == [{"caller": shop, "callee": cart}]
    (incident, _), (label, _) = json_lines(now / "incidents.jsonl"), json_lines(now / "labels.jsonl")
    assert (incident["title"], incident["symptom"]) == (f"{cart} is slow", {"service": shop, "metric": "cart"})
    assert (label["root_cause_service"], label["root_cause_instance"]) == (cart, f"{cart}-7f")
    assert (label["root_cause_kind"], label["incident"]) == ("cart", "incident-1")
    assert json_lines(now / "recording.json")[0]["instances"][0]["service"] == cart
    assert rows(now, "changes")[0]["description"] == f"faster {cart}"
    assert rows(now, "metrics")[0]["attributes"] == [("peer.service", cart), ("path", "/cartography")]
    first, second = rows(now, "traces")[:2]
    assert (first["name"], second["name"], second["instance"]) == (f"GET /{cart}/items", f"acme.{cart}/List", f"{cart}-7f")
    assert rows(now, "logs")[0]["body"] == f"trace {trace_id(0)}: cartography of {cart} for {shop}"
    back = dict(zip(new, old, strict=True))
    for signal in ("metrics", "logs", "traces"):
        for before, row in zip(rows(recording, signal), rows(now, signal), strict=True):
            assert back[row["service"]] == before["service"]
            kept = set(row) - {"service", "instance", "body", "name", "attributes"}
            assert {key: row[key] for key in kept} == {key: before[key] for key in kept}


def test_times_are_shifted_everywhere(recording: Path, tmp_path: Path) -> None:
    now = after(recording, tmp_path, "shifted-times")
    for signal, column in (("metrics", "time"), ("logs", "time"), ("traces", "start_time"), ("changes", "time")):
        assert [row | {column: row[column] - SHIFT} for row in rows(now, signal)] == rows(recording, signal)
    assert rows(now, "topology") == rows(recording, "topology")
    (_, before), (_, moved) = read_recording(recording), read_recording(now)
    assert [(i.detected_at - SHIFT, i.window_end - SHIFT) for i in moved] == [(i.detected_at, i.window_end) for i in before]
    assert read_labels(now)["incident-1"].started_at == moment(1250) + SHIFT
    info = json_lines(now / "recording.json")[0]
    assert datetime.fromisoformat(info["start"]) == datetime.fromisoformat(info["instances"][0]["started_at"]) == moment(0) + SHIFT


def test_three_metric_samples_in_ten_are_dropped(recording: Path, tmp_path: Path) -> None:
    now = after(recording, tmp_path, "sparse-metrics")
    same(recording, now, "metrics")
    before, kept = rows(recording, "metrics"), rows(now, "metrics")
    assert len(kept) / len(before) == pytest.approx(0.7, abs=0.08)
    assert [row for row in before if row in kept] == kept


def test_an_earlier_fault_repeats_each_window_where_nobody_reported_anything(recording: Path, tmp_path: Path) -> None:
    now = after(recording, tmp_path, "earlier-fault")
    same(recording, now, "metrics", "logs", "traces")
    # Of incident-1 [1150, 1360) is repeated, and 600 s earlier nothing is in the way. Of incident-2 it is [1650, 1860); until
    # 1500 s earlier it would overlap with what incident-1 needs, or with the copy of that.
    twins = [(1150, 1360, 600), (1650, 1860, 1500)]
    for signal, column in (("metrics", "time"), ("logs", "time"), ("traces", "start_time")):
        ids = {"trace_id", "span_id", "parent_span_id", "body"}

        def bare(row: Row, column: str = column, ids: set[str] = ids, *, earlier: float = 0) -> str:
            shown = {key: value for key, value in row.items() if key not in ids}
            return repr(shown | {column: row[column] - timedelta(seconds=earlier)})

        before, found = rows(recording, signal), rows(now, signal)
        expected = Counter(
            bare(row) for row in before if not any(moment(a - s) <= row[column] < moment(b - s) for a, b, s in twins)
        )
        for a, b, s in twins:
            expected.update(bare(row, earlier=s) for row in before if moment(a) <= row[column] < moment(b))
        assert Counter(bare(row) for row in found) == expected
    copies = [row for row in rows(now, "traces") if moment(550) <= row["start_time"] < moment(760)]
    assert not {row["trace_id"] for row in copies} & {trace_id(number) for number in range(TRACES)}
    children = [row for row in copies if row["service"] == "cart"]
    assert {row["parent_span_id"] for row in children} == {row["span_id"] for row in copies if row["service"] == "shop"}
    told = [row for row in rows(now, "logs") if moment(560) <= row["time"] < moment(760) and row["service"] == "cart"]
    assert told
    assert all(row["trace_id"] in row["body"] for row in told)
    assert {row["trace_id"] for row in told} <= {row["trace_id"] for row in copies}


def test_only_the_first_incident_is_repeated_where_there_is_no_room(recording: Path, tmp_path: Path) -> None:
    begin = {"start": moment(700).isoformat()}
    short = tmp_path / "short"
    degrade(
        recording,
        short,
        replace(DEGRADATIONS["no-metrics"], plan=lambda _r, _s: Plan(line=lambda line: line | begin if "start" in line else line)),
        seed=0,
    )
    found = rows(after(short, tmp_path, "earlier-fault"), "logs")
    copied = [row["time"] for row in found if row["trace_id"] and int(row["trace_id"], 16) >= TRACES]
    assert min(copied) >= moment(550)
    assert max(copied) < moment(760)


def test_the_clocks_of_half_of_the_services_are_two_seconds_ahead(recording: Path, tmp_path: Path) -> None:
    now = after(recording, tmp_path, "clock-skew")
    same(recording, now, "metrics", "logs", "traces")
    skews: dict[str, set[float]] = {}
    for signal, column in (("metrics", "time"), ("logs", "time"), ("traces", "start_time")):
        for before, row in zip(rows(recording, signal), rows(now, signal), strict=True):
            assert row | {column: before[column]} == before
            skews.setdefault(row["service"], set()).add((row[column] - before[column]).total_seconds())
    assert sorted(skews.values(), key=min) == [{-1.0}, {-1.0}, {1.0}]


@pytest.mark.parametrize("logs", ["", "-logs-cut"])
@pytest.mark.parametrize("sampling", ["head-sampling", "tail-sampling"])
def test_a_tenth_of_the_traces_is_kept_whole(recording: Path, tmp_path: Path, sampling: str, logs: str) -> None:
    now = after(recording, tmp_path, sampling + logs)
    same(recording, now, "traces", *(["logs"] if logs else []))
    kept = {row["trace_id"] for row in rows(now, "traces")}
    assert rows(now, "traces") == [row for row in rows(recording, "traces") if row["trace_id"] in kept]
    assert len(kept) == 40 if sampling == "tail-sampling" else 20 < len(kept) < 60
    if logs:
        assert rows(now, "logs") == [row for row in rows(recording, "logs") if row["trace_id"] in kept | {""}]


def test_the_tail_sampler_prefers_slow_and_failed_traces(recording: Path, tmp_path: Path) -> None:
    kept = {int(row["trace_id"], 16) for row in rows(after(recording, tmp_path, "tail-sampling"), "traces")}
    special = {number for number in range(TRACES) if number % 20 == 7 or number % 50 == 3}
    assert len(special) == 28
    assert len(kept & special) > 20
    at_random = {int(row["trace_id"], 16) for row in rows(after(recording, tmp_path, "head-sampling"), "traces")}
    assert len(at_random & special) < 10


@pytest.mark.parametrize("name", ["logs-without-ids", "no-traces-no-ids"])
def test_logs_do_not_say_to_which_trace_they_belong(recording: Path, tmp_path: Path, name: str) -> None:
    now = after(recording, tmp_path, name)
    for before, row in zip(rows(recording, "logs"), rows(now, "logs"), strict=True):
        body = before["body"].replace(before["trace_id"], "") if before["trace_id"] else before["body"]
        assert row == before | {"trace_id": "", "span_id": "", "body": body}
    absent = {"traces"} if name == "no-traces-no-ids" else set()
    assert {signal for signal in SIGNALS if not (now / f"{signal}.parquet").exists()} == absent
    for signal in {"metrics", "traces", "changes", "topology"} - absent:
        assert rows(now, signal) == rows(recording, signal)


@pytest.mark.parametrize(("name", "signal"), [("no-logs", "logs"), ("no-traces", "traces"), ("no-metrics", "metrics")])
def test_a_signal_is_absent(recording: Path, tmp_path: Path, name: str, signal: str) -> None:
    now = after(recording, tmp_path, name)
    assert not (now / f"{signal}.parquet").exists()
    for other in set(SIGNALS) - {signal}:
        assert (now / f"{other}.parquet").read_bytes() == (recording / f"{other}.parquet").read_bytes()
    assert json_lines(now / "labels.jsonl") == json_lines(recording / "labels.jsonl")


def test_degradations_follow_one_another_and_leave_nothing_behind(recording: Path, tmp_path: Path) -> None:
    with degraded(recording, named(("no-logs", "sparse-metrics")), seed=1, near=tmp_path / "near") as folder:
        assert folder.name == recording.name
        assert not (folder / "logs.parquet").exists()
        assert len(rows(folder, "metrics")) < len(rows(recording, "metrics"))
    assert not list((tmp_path / "near").iterdir())
    with degraded(recording, (), seed=1, near=tmp_path / "near") as folder:
        assert folder == recording


def test_neither_the_encoding_of_text_nor_the_size_of_batches_shows(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = tmp_path / "encoded"
    degrade(recording, encoded, DEGRADATIONS["no-metrics"], seed=1)
    word = pa.dictionary(pa.int32(), pa.string())
    kinds = {"service": word, "instance": word, "trace_id": pa.large_string()}
    for signal in ("logs", "traces"):
        table = pq.read_table(recording / f"{signal}.parquet")
        schema = pa.schema([f.with_type(kinds.get(f.name, f.type)) for f in table.schema])
        pq.write_table(table.cast(schema), encoded / f"{signal}.parquet")
    for name in ("tail-sampling-logs-cut", "logs-without-ids", "earlier-fault"):
        plain = after(recording, tmp_path / "plain", name)
        monkeypatch.setattr(degrading, "BATCH_ROWS", 77)
        other = after(encoded, tmp_path / "small", name)
        monkeypatch.undo()
        for signal in ("logs", "traces"):
            assert sorted(map(repr, rows(plain, signal))) == sorted(map(repr, rows(other, signal)))
