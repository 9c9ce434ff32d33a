"""Telemetry sources: the seam (`sources`) and the back ends behind it."""
