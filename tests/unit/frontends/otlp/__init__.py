"""The front end of OTLP."""
