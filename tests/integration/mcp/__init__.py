"""Tests of the Model Context Protocol over a real store."""
