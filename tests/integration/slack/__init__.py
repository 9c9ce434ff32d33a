"""Slack, end to end, against a workspace on this machine."""
