"""The six dashboards. Each query of theirs is run by a test, against what the clients and the demo send.

Response times are seconds.
"""

from deploy.grafana.expressions import (
    ERROR_SHARE,
    EVENTS,
    REPORTED,
    REQUESTS,
    quantile,
    quantiles,
    rate,
)  # fmt: skip
from deploy.grafana.panels import RANGE, RATE, Dashboard, Panel, Query, Variable, figure
from deploy.grafana.visitors import ERRORS, FUNNEL, VITALS

OVERVIEW = Dashboard(
    "tidegauge-overview",
    "Overview",
    "Is anything wrong now?",
    (
        figure("Requests", "Answers a second, of all routes", rate(REQUESTS), "per second"),
        figure("Errors", "The share of answers that failed", ERROR_SHARE, "share", (0.01, 0.05)),
        figure(
            "Response time, p95", "19 of 20 answers came within it",
            quantile(0.95, "api_response_seconds_bucket"), "s", (1, 3),
        ),
        figure(
            "LCP, p75", "Three of four pages showed their main content within it",
            quantile(0.75, "web_vital_lcp_bucket", span=RANGE), "ms", (2_500, 4_000),
        ),
        figure(
            "Errors reported", "Errors that clients reported, a minute",
            f"60 * ({rate(REPORTED)} or vector(0))", "per minute", (1, 10),
        ),
        figure("Heap", "The fullest heap of any client", "max(memory_heap_ratio)", "share", (0.7, 0.8)),
        Panel(
            "Requests by status", "Answers a second", (Query(rate(REQUESTS, "status"), "{{status}}"),), "per second",
            is_stacked=True,
        ),
        Panel("Response times", "Of all routes", quantiles("api_response_seconds_bucket"), "s"),
        Panel(
            "Events by type", "Events a second",
            (Query(f"topk(5, {rate(EVENTS, 'type')})", "{{type}}"),), "per second",
        ),
        Panel(
            "Processors", "How busy each core of the machine is",
            (Query("max by (core) (host_cpu_utilization)", "core {{core}}"),), "share",
        ),
        Panel(
            "Memory", "Share of the machine's memory that is in use",
            (Query("max(host_memory_utilization)", "used"),), "share",
        ),
        Panel(
            "Network", "Bytes a second",
            (Query(rate("host_network_io", "direction"), "{{direction}}"),), "bytes per second",
        ),
    ),
)  # fmt: skip

ENDPOINT = 'endpoint=~"$endpoint"'
WITHIN = f'api_response_seconds_bucket{{{ENDPOINT},le="0.5"}}'

LATENCY = Dashboard(
    "tidegauge-latency",
    "API latency",
    "What is slow, since when, for whom?",
    (
        figure("Requests", "Answers a second", rate(f"{REQUESTS}{{{ENDPOINT}}}"), "per second"),
        figure(
            "p50", "Half of the answers came within it",
            quantile(0.5, f"api_response_seconds_bucket{{{ENDPOINT}}}"), "s", (0.5, 1),
        ),
        figure(
            "p95", "19 of 20 answers came within it",
            quantile(0.95, f"api_response_seconds_bucket{{{ENDPOINT}}}"), "s", (1, 3),
        ),
        figure(
            "p99", "99 of 100 answers came within it",
            quantile(0.99, f"api_response_seconds_bucket{{{ENDPOINT}}}"), "s", (2, 5),
        ),
        figure(
            "Slowest", "The slowest answer",
            f"max(max_over_time(api_response_seconds{{{ENDPOINT}}}[{RATE}]))", "s", (3, 5),
        ),
        figure(
            "Within half a second", "The share of answers that came within 0.5 s",
            f"{rate(WITHIN)} / {rate(f'{REQUESTS}{{{ENDPOINT}}}')}",
            "share",
        ),
        Panel("Response times", "Of the routes chosen", quantiles(f"api_response_seconds_bucket{{{ENDPOINT}}}"), "s"),
        Panel(
            "p95 by route", "The five slowest",
            (
                Query(
                    f"topk(5, {quantile(0.95, f'api_response_seconds_bucket{{{ENDPOINT}}}', 'endpoint')})",
                    "{{endpoint}}",
                ),
            ),
            "s", limits=(1, 3),
        ),
        Panel(
            "Requests by route", "Answers a second",
            (Query(f"topk(5, {rate(f'{REQUESTS}{{{ENDPOINT}}}', 'endpoint')})", "{{endpoint}}"),), "per second",
        ),
        Panel(
            "Requests by status", "Answers a second",
            (Query(rate(f"{REQUESTS}{{{ENDPOINT}}}", "status"), "{{status}}"),), "per second", is_stacked=True,
        ),
        Panel(
            "p95 by route and method", "Over the time shown",
            (
                Query(
                    quantile(0.95, f"api_response_seconds_bucket{{{ENDPOINT}}}", "endpoint, method", RANGE),
                    "{{method}} {{endpoint}}",
                ),
            ),
            "s", "table", width=24,
        ),
    ),
    (Variable("endpoint", "Route", REQUESTS),),
)  # fmt: skip

PIPELINE = Dashboard(
    "tidegauge-pipeline",
    "Pipeline",
    "Can I trust these numbers?",
    (
        Panel(
            "Ledger", "What came in less what became of it, of the last hour: 0, or something is lost or counted twice",
            (Query('max by (signal) ({"tidegauge.ledger.difference"})', "{{signal}}"),),
        ),
        Panel(
            "What became of it", "Rows by outcome and minute",
            (
                Query(
                    "SELECT time, outcome AS metric, sum(count) AS value FROM ledger WHERE $__timeFilter(time) "
                    "GROUP BY time, outcome ORDER BY time"
                ),
            ),
            source="sql",
        ),
        Panel(
            "Taken in", "Points and events a second, by the intake",
            (Query(f"sum by (signal) (rate(gateway_accepted_total[{RATE}]))", "{{signal}}"),), "per second",
            source="services",
        ),
        Panel(
            "Refused", "Points and events a second, by code",
            (Query(f"sum by (code) (rate(gateway_rejected_total[{RATE}]))", "{{code}}"),), "per second",
            source="services",
        ),
        Panel(
            "Waiting for the log", "How long the oldest request has waited for Kafka",
            (Query("max by (signal) (gateway_unacked_seconds)", "{{signal}}"),), "s", source="services",
        ),
        Panel(
            "Behind the log", "How long ago the queries had read all of the topic of windows",
            (Query("max(gateway_feed_lag_seconds)", "feed"),), "s", source="services",
        ),
        Panel(
            "Stopped partitions", "Nothing is taken of these until somebody decides",
            (Query("max by (topic) (gateway_stopped_partitions)", "{{topic}}"),), source="services",
        ),
        Panel(
            "Bounds", "The fullest of what may grow",
            (Query("topk(5, max by (bound) (bound_used / bound_limit))", "{{bound}}"),), "share",
            source="services", limits=(0.5, 0.9),
        ),
        Panel(
            "Processes", "Which of the services answer", (Query("min by (job) (up)", "{{job}}"),), source="services",
        ),
    ),
)  # fmt: skip

DASHBOARDS = (OVERVIEW, VITALS, LATENCY, ERRORS, FUNNEL, PIPELINE)
"""All of them, in the order in which they are listed."""
