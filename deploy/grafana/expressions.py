"""PromQL that several dashboards ask."""

from deploy.grafana.panels import RATE, Query

REQUESTS = "api_response_seconds_count"
REPORTED = '{"errors.count"}'
EVENTS = '{"events.count"}'
STEPS = '{"events.count",type="funnel_step"}'
OTHERS = '{"events.count",type!="funnel_step"}'
FAILED = 'status=~"5..|0"'
"""Answers that are failures; 0: there was none."""


def rate(selector: str, by: str = "") -> str:
    """What is counted a second, of all series or by labels."""
    grouping = f" by ({by}) " if by else ""
    return f"sum{grouping}(rate({selector}[{RATE}]))"


def quantile(q: float, buckets: str, by: str = "", span: str = RATE) -> str:
    """A quantile of all series or by labels, over the last span."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q:g}, sum by ({labels}) (rate({buckets}[{span}])))"


def quantiles(buckets: str) -> tuple[Query, ...]:
    """The three that latency is judged by."""
    return tuple(Query(quantile(q, buckets), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99))


ERROR_SHARE = f"({rate(f'{REQUESTS}{{{FAILED}}}')} or vector(0)) / {rate(REQUESTS)}"
