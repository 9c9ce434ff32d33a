"""OTLP, the OpenTelemetry protocol: traces, metrics and logs come in over HTTP and gRPC, in protobuf and JSON."""
