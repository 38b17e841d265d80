"""Metrics of OTLP: gauges, sums, histograms and summaries."""
