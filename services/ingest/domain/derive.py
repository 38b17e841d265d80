"""The points that are made from an event, so that windows, charts and alerts know events as they know metrics.

A derived point has the value 1 and the event's own time. The law: they follow from the event alone.
It is made once an event, so the sums of windows count events.
"""

from shared.model.event import ERROR
from shared.model.series import Series

EVENTS_COUNT = "events.count"
"""Events by type."""

ERRORS_COUNT = "errors.count"
"""Events that report an error."""

VALUE = 1.0
"""What each derived point counts."""


def series_of(tenant_id: int, type_: str) -> tuple[Series, ...]:
    """The series in which an event of this type is one point each."""
    counted = Series(tenant_id, EVENTS_COUNT, "delta", "", (("type", type_),))
    if type_ != ERROR:
        return (counted,)
    return (counted, Series(tenant_id, ERRORS_COUNT, "delta", "", ()))
