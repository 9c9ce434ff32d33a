"""Tests with real processes and servers."""
