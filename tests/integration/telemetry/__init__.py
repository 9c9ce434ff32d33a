"""Telemetry with real processes, signals and full disks."""
