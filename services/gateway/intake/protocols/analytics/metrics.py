"""Performance metrics as browsers and older clients post them, each as a point.

Milliseconds and seconds as the names say. Sources: the web-vitals library (names, limits of its ratings). A metric that
is not understood is refused by field.
"""

from collections.abc import Callable

from services.gateway.intake.columns.json import instant_of
from services.gateway.intake.protocols.analytics.map import Item, MetricPoint, first_of
from shared.errors import Rejected

LIMITS = {
    "LCP": (2500, 4000), "INP": (200, 500), "FCP": (1800, 3000), "TTFB": (800, 1800), "FID": (100, 300),
    "CLS": (0.1, 0.25),
}  # fmt: skip
"""Web vital -> up to where it is good, and up to where it needs improvement."""

LONGEST_MS, LARGEST_CLS = 60_000, 100
"""Beyond these a vital is a mistake of its client."""

KINDS = {
    "api": "api.response_seconds", "api_response_time": "api.response_seconds", "render": "render.seconds",
    "component_render": "render.seconds", "resource": "resource.seconds", "resource_loading": "resource.seconds",
    "operation": "operation.seconds",
}  # fmt: skip
"""Kind of a duration -> its metric."""

_KIND = ("kind", "type", "metricType")
_LABELS = {
    "endpoint": ("endpoint", "route"), "method": ("method",), "status": ("statusCode", "status_code", "status"),
    "name": ("name",), "page": ("route", "page", "navigationURL"),
}  # fmt: skip


def point_of(item: Item) -> MetricPoint:
    """The point that a metric stands for; raise `Rejected` naming the field."""
    kind, name = (first_of(item, names) for names in (_KIND, ("name",)))
    if isinstance(kind, str) and kind in _MAKERS:
        point = _MAKERS[kind](item)
    elif vital := next((each for each in (name, kind) if isinstance(each, str) and each in LIMITS), ""):
        point = _vital(vital, item)
    else:
        known = ", ".join([*LIMITS, *_MAKERS])
        raise Rejected("unknown_metric", f"kind: neither it nor the name is one of {known}")
    ts = first_of(item, ("ts", "timestamp", "t_client"))
    if isinstance(ts, (dict, list)):
        raise Rejected("invalid_ts", "ts: must not be an object or a list")
    if ts is not None:
        point.ts = instant_of(int(ts) if isinstance(ts, float) else ts)
    return point


def _vital(name: str, item: Item) -> MetricPoint:
    value = _number(item, "value")
    if not 0 <= value <= (LARGEST_CLS if name == "CLS" else LONGEST_MS):
        raise Rejected("value_out_of_range", "value: beyond what this vital can be")
    good, fair = LIMITS[name]
    rating = "good" if value <= good else "needs-improvement" if value <= fair else "poor"
    labels = {"rating": rating} | _labels(item, "page")
    if isinstance(navigation := item.get("navigationType"), str):
        labels["navigation_type"] = navigation
    return MetricPoint(f"web_vital.{name.lower()}", value, "1" if name == "CLS" else "ms", labels)


def _duration(item: Item) -> MetricPoint:
    metric = KINDS[first_of(item, _KIND)]
    value = _number(item, "value", "duration", "responseTime")
    if value < 0:
        raise Rejected("value_out_of_range", "value: must not be negative")
    unit = item.get("unit", "ms")
    if unit not in ("ms", "s"):
        raise Rejected("invalid_unit", "unit: must be 'ms' or 's'")
    labels = ("endpoint", "method", "status") if metric.startswith("api.") else ("name", "page")
    seconds = value / 1000 if unit == "ms" else value
    return MetricPoint(metric, seconds, "s", _labels(item, *labels), "delta")


def _memory(item: Item) -> MetricPoint:
    if "usedJSHeapSize" in item:
        limit = _number(item, "jsHeapSizeLimit")
        if limit <= 0:
            raise Rejected("invalid_jsHeapSizeLimit", "jsHeapSizeLimit: must be above zero")
        ratio = _within(_number(item, "usedJSHeapSize") / limit)
    else:
        ratio = _ratio(item)
    return MetricPoint("memory.heap_ratio", ratio, "1", _labels(item, "page"))


def _cache(item: Item) -> MetricPoint:
    hit = item.get("hit")
    ratio = float(hit) if isinstance(hit, bool) else _ratio(item)
    return MetricPoint("cache.hit_ratio", ratio, "1", _labels(item, "name"))


_MAKERS: dict[str, Callable[[Item], MetricPoint]] = dict.fromkeys(KINDS, _duration) | {
    "memory": _memory,
    "cache": _cache,
}


def _ratio(item: Item) -> float:
    value = _number(item, "value", "ratio")
    return _within(value / 100 if item.get("unit") == "%" else value)


def _within(ratio: float) -> float:
    if not 0 <= ratio <= 1:
        raise Rejected("value_out_of_range", "value: must be 0 to 1, or a percentage with unit '%'")
    return ratio


def _labels(item: Item, *names: str) -> dict[str, str]:
    found = {name: first_of(item, _LABELS[name]) for name in names}
    return {
        name: str(value).partition("?")[0] for name, value in found.items() if isinstance(value, (str, int))
    }


def _number(item: Item, *names: str) -> float:
    value = first_of(item, names)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Rejected(f"invalid_{names[0]}", f"{names[0]}: must be given, a number")
    return float(value)
