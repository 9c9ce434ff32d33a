"""Alerts of other systems."""
