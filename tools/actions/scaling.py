"""Bounds of scaling, the same for everything that can be scaled."""

from __future__ import annotations

from collections.abc import Mapping

from middlewatch.records import Scalar


def scale_problem(action: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar], least: int, most: int) -> str:
    """Why a target cannot be scaled so far; empty where it can, and for what is no scaling.

    Args:
        action: its name.
        parameters: with ``by``.
        version: of the target, with ``replicas``: how many instances it should have now.
        least: fewest instances that are left.
        most: most instances that are started.
    """
    if action not in {"scale_up", "scale_down"}:
        return ""
    replicas = version.get("replicas")
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        return "It is not known how many instances there are."
    by = int(parameters["by"])
    wanted = replicas + (by if action == "scale_up" else -by)
    if action == "scale_up" and wanted > most:
        return f"There are {replicas} instances, and {by} more would be more than the configured {most}."
    if action == "scale_down" and wanted < least:
        return f"There are {replicas} instances, and {by} fewer would be fewer than the configured {least}."
    return ""
