"""The body of `/v1/vitals`: an object of the web-vitals library, a list, or either under `vitals`.

Vitals bear no time: they count when they are received. Invariant: each is taken, or refused by itself under its index.
"""

from services.gateway.intake.columns.contract import Request, RequestColumns, check_size
from services.gateway.intake.columns.json import items_of, object_of
from services.gateway.intake.columns.rows import MetricPoint, mapped, point_columns
from services.gateway.intake.protocols.beacon.map import points_of


class Vitals:
    """Decodes web vitals, to points."""

    def __init__(self, max_points: int) -> None:
        self._max_points = max_points

    def decode(self, request: Request) -> RequestColumns:
        """The columns of the vitals that are understood; their ids tell whether a body came before."""
        raws = items_of(request.body, "vitals")
        check_size("points", len(raws), self._max_points)
        known: list[bool] = []

        def rows_of(raw: bytes) -> list[MetricPoint]:
            item = object_of(raw)
            points = points_of(item)
            known.append(isinstance(item.get("id"), str))
            return points

        points, index, refused = mapped(raws, rows_of)
        columns = point_columns(points, index, request.received_at_ms, timed=all(known))
        return RequestColumns(columns, refused=refused)
