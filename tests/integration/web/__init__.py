"""Tests of the web through its real entry points."""
