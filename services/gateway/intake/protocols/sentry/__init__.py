"""What Sentry's SDKs post: envelopes of errors, sessions, logs, spans, metrics and client reports."""
