"""Objects of the web-vitals library as points.

Source: the library's README (`id`, `name`, `value`, `delta`, `navigationType`, `navigationURL`). `entries` and
`attribution` are passed over. `seq` is an addition of ours: which report of this `id` it is, from 0.
"""

from collections.abc import Mapping
from typing import Any

from services.gateway.intake.columns.rows import MetricPoint
from services.gateway.intake.protocols.vocabulary import VITALS, vital
from shared.errors import Rejected


def points_of(item: Mapping[str, Any]) -> list[MetricPoint]:
    """The points of a report; raise `Rejected` naming the field."""
    name, seq = item.get("name"), item.get("seq")
    if not isinstance(name, str) or name not in VITALS:
        raise Rejected("unknown_metric", f"name: must be one of {', '.join(VITALS)}")
    return vital(
        name,
        item.get("value"),
        item.get("delta"),
        first=seq == 0 if isinstance(seq, int) else None,
        page=item.get("navigationURL") or item.get("page"),
        navigation_type=item.get("navigationType"),
    )
