"""Tests of the web, without a store."""
