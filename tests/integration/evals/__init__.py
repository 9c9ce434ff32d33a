"""Evaluations on real stores."""
