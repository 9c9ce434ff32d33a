"""How long two published methods take for the same incidents. Runs by itself, in an environment that has RCAEval.

RCAEval (PyPI) wants other versions of libraries than middlewatch, so it gets an environment of its own, in any folder PEERS outside
of the checkout:

    python3.12 -m venv PEERS && PEERS/bin/pip install RCAEval numpy pandas scikit-learn pyarrow requests tqdm
    python -m middlewatch.evals.scale --recordings FOLDER --peers PEERS/bin/python

Both methods read metrics alone, as one wide table. Reading and pivoting it is part of the time here, since an investigation reads
its telemetry, too.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

BASELINE_HOURS = 24
LEAD_SECONDS = 240
"""How far before its detection the methods are told that a fault began, which nobody knows; as far back as agents look."""


def main() -> None:
    """Print the seconds of each method, one number an incident, as JSON."""
    from RCAEval.e2e import baro, nsigma  # type: ignore[import-not-found]  # noqa: PLC0415  of the other environment

    methods = {"NSigma": nsigma, "BARO": baro}
    found: dict[str, list[float]] = {name: [] for name in ("reading", *methods)}
    for folder in map(Path, sys.argv[1:]):
        for line in (folder / "incidents.jsonl").read_text(encoding="utf-8").splitlines():
            incident = json.loads(line)
            detected, end = (datetime.fromisoformat(incident[key]) for key in ("detected_at", "window_end"))
            began = time.perf_counter()
            table = wide(folder / "metrics.parquet", detected - timedelta(hours=BASELINE_HOURS), end)
            found["reading"].append(time.perf_counter() - began)
            for name, method in methods.items():
                began = time.perf_counter()
                method(table, inject_time=detected.timestamp() - LEAD_SECONDS)
                found[name].append(time.perf_counter() - began)
    sys.stdout.write(json.dumps(found))


def wide(file: Path, start: datetime, end: datetime) -> Any:  # noqa: ANN401  pandas is of the other environment
    """One column a series, one row a time, and the column `time` in seconds."""
    import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]  # noqa: PLC0415  likewise

    table = pd.read_parquet(file, filters=[("time", ">=", start), ("time", "<", end)])
    names = [table[column].astype(str) for column in ("service", "metric", "instance", "attributes") if column in table]
    series = names[0].str.cat(names[1:], sep="_")
    values = table.assign(series=series).pivot_table(index="time", columns="series", values="value").ffill().fillna(0.0)
    seconds = (values.index - pd.Timestamp(0, tz="UTC")).total_seconds()
    return values.reset_index(drop=True).assign(time=seconds)


if __name__ == "__main__":
    main()
