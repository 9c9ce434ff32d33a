"""OTLP, with real clients."""
