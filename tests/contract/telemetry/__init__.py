"""What every way to the telemetry store promises."""
