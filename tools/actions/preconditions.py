"""What must hold before an action may start, as far as it follows from the version of a target; the same for every adapter."""

from __future__ import annotations

from collections.abc import Mapping

from middlewatch.records import Scalar


def problem_of(action: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar], least: int, most: int) -> str:
    """Why an action cannot be done, in words; empty where nothing in the version speaks against it.

    Args:
        action: its name.
        parameters: as the catalogue takes them.
        version: of the target: with ``replicas`` for what scales, and for what sets something with its present value.
        least: fewest instances that are left.
        most: most instances that are started.
    """
    match action:
        case "scale_up" | "scale_down":
            return _scaling(action, int(parameters["by"]), version.get("replicas"), least, most)
        case "set_flag" if version.get("value") is parameters["value"]:
            return "The flag has this value already."
        case "shed_traffic" | "drain_traffic" if version.get("percent") == parameters["percent"]:
            return "The share is this one already."
        case _:
            return ""


def _scaling(action: str, by: int, replicas: Scalar | None, least: int, most: int) -> str:
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        return "It is not known how many instances there are."
    if action == "scale_up" and replicas + by > most:
        return f"There are {replicas} instances, and {by} more would be more than the configured {most}."
    if action == "scale_down" and replicas - by < least:
        return f"There are {replicas} instances, and {by} fewer would be fewer than the configured {least}."
    return ""
