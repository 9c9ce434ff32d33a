"""Attacks on a live store: processes killed, replies lost, power cut."""
