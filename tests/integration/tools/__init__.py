"""The analyses on real telemetry stores."""
