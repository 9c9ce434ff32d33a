"""Ids by which requests belong together that no trace connects: a message and its handling, the parts of an order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

HEADER = "http.request.header."
"""What the conventions call a header that was captured; its value is a list."""
LONGEST = 128
"""Characters of an id. Chosen: a UUID has 36, and a payload is no id."""


def correlation_ids(attributes: pa.MapArray, keys: Sequence[str]) -> pa.Array:
    """The correlation id of each set of attributes, empty where it has none; the first of `keys` that is there counts.

    Args:
        attributes: the sets; the names as a dictionary.
        keys: names of attributes, or of headers.
    """
    present = set(attributes.keys.dictionary.to_pylist())
    wanted = [name for key in keys for name in (key, HEADER + key.lower()) if name in present]
    found: list[str] = [""] * len(attributes)
    if wanted:
        ranks = {name: rank for rank, name in enumerate(wanted)}
        places = np.flatnonzero(pc.is_in(attributes.keys, pa.array(wanted)).to_numpy(zero_copy_only=False))
        rows = np.searchsorted(attributes.offsets.to_numpy(), places, side="right") - 1
        best: dict[int, int] = {}
        for row, key, value in zip(rows.tolist(), _at(attributes.keys, places), _at(attributes.items, places), strict=True):
            told = _one(value)
            if 0 < len(told) <= LONGEST and ranks[key] < best.get(row, len(wanted)):
                best[row], found[row] = ranks[key], told
    return pa.array(found, pa.string())


def _at(values: pa.Array, places: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Iterator[str]:
    return iter(values.take(pa.array(places)).to_pylist())


def _one(value: str) -> str:
    """The id in a value, which may be a list of one."""
    if value.startswith("["):
        try:
            several = json.loads(value)
        except (ValueError, RecursionError):
            return ""
        value = several[0] if isinstance(several, list) and len(several) == 1 and isinstance(several[0], str) else ""
    return value.strip()
