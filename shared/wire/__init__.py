"""The only place that knows bytes: topics, envelopes and their codecs."""
