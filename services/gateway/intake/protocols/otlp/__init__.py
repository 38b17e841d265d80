"""OpenTelemetry's protocol over HTTP: protobuf and JSON."""
