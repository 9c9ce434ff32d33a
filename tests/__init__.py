"""Tests, in tiers: unit, contract, integration, acceptance."""
