"""Tests of what needs no store."""
