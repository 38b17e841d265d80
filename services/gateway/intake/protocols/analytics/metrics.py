"""Performance metrics as browsers and older clients post them, each as a point, or two for a vital that comes again.

Milliseconds and seconds as the names say. A metric that is not understood is refused by field.
"""

from collections.abc import Callable

from services.gateway.intake.columns.json import instant_of
from services.gateway.intake.columns.rows import MetricPoint, Time
from services.gateway.intake.protocols import vocabulary
from services.gateway.intake.protocols.analytics.map import Item, first_of
from services.gateway.intake.protocols.vocabulary import VITALS, labels, number
from shared.errors import Rejected

KINDS = {
    "api": vocabulary.API_RESPONSE, "api_response_time": vocabulary.API_RESPONSE,
    "render": vocabulary.RENDER, "component_render": vocabulary.RENDER,
    "resource": vocabulary.RESOURCE, "resource_loading": vocabulary.RESOURCE,
    "operation": vocabulary.OPERATION,
}  # fmt: skip
"""Kind of a duration -> its metric."""

_KIND = ("kind", "type", "metricType")
_PAGE = ("route", "page", "navigationURL", "url")
_TIME = ("ts", "timestamp", "t_client")


def points_of(item: Item) -> list[MetricPoint]:
    """The points that a metric stands for; raise `Rejected` naming the field."""
    kind, name = (first_of(item, names) for names in (_KIND, ("name",)))
    if isinstance(kind, str) and kind in _MAKERS:
        return [_MAKERS[kind](item, time_in(item))]
    vital = next((each for each in (name, kind) if isinstance(each, str) and each in VITALS), "")
    if not vital:
        known = ", ".join([*VITALS, *_MAKERS])
        raise Rejected("unknown_metric", f"kind: neither it nor the name is one of {known}")
    return vocabulary.vital(
        vital,
        item.get("value"),
        item.get("delta"),
        page=first_of(item, _PAGE),
        navigation_type=item.get("navigationType"),
        ts=time_in(item),
    )


def is_known_again(item: Item, points: list[MetricPoint]) -> bool:
    """Whether the same item posted again is the same one: two visitors may see a vital of one value at one time."""
    return item.get("id") is not None or (
        points[0].ts is not None and not points[0].name.startswith("web_vital.")
    )


def time_in(item: Item) -> Time:
    """When it happened, as an item says it; raise `Rejected` for what is no time."""
    ts = first_of(item, _TIME)
    if isinstance(ts, (dict, list)):
        raise Rejected("invalid_ts", "ts: must not be an object or a list")
    return ts if ts is None else instant_of(ts)


def _duration(item: Item, ts: Time) -> MetricPoint:
    metric = KINDS[first_of(item, _KIND)]
    value = _number(item, "value", "duration", "responseTime")
    unit = item.get("unit")
    if unit not in (None, "ms", "s"):
        raise Rejected("invalid_unit", "unit: must be 'ms' or 's'")
    seconds = value if unit == "s" else value / 1000
    if metric == vocabulary.API_RESPONSE:
        return vocabulary.api_response(
            seconds,
            endpoint=first_of(item, ("endpoint", "route")),
            method=item.get("method"),
            status=first_of(item, ("statusCode", "status_code", "status")),
            ts=ts,
        )
    return vocabulary.duration(metric, seconds, labels(name=item.get("name"), page=first_of(item, _PAGE)), ts)


def _memory(item: Item, ts: Time) -> MetricPoint:
    if item.get("usedJSHeapSize") is not None:
        limit = _number(item, "jsHeapSizeLimit")
        if limit <= 0:
            raise Rejected("invalid_jsHeapSizeLimit", "jsHeapSizeLimit: must be above zero")
        share = _number(item, "usedJSHeapSize") / limit
    else:
        share = _share(item)
    return vocabulary.ratio(vocabulary.HEAP_RATIO, share, labels(page=first_of(item, _PAGE)), ts)


def _cache(item: Item, ts: Time) -> MetricPoint:
    hit = item.get("hit")
    share = float(hit) if isinstance(hit, bool) else _share(item)
    return vocabulary.ratio(vocabulary.CACHE_HIT_RATIO, share, labels(name=item.get("name")), ts)


_MAKERS: dict[str, Callable[[Item, Time], MetricPoint]] = dict.fromkeys(KINDS, _duration) | {
    "memory": _memory,
    "cache": _cache,
}


def _share(item: Item) -> float:
    value = _number(item, "value", "ratio")
    return value / 100 if item.get("unit") == "%" else value


def _number(item: Item, *names: str) -> float:
    return number(first_of(item, names), names[0])
