"""What the gateway itself has made of requests that it refused, which no client has sent.

Counts are points.
"""

from services.gateway.intake.publish.refusal_reports import METRIC
from tests.support.processes.system import System

_POINTS = """
SELECT coalesce(sum(count), 0) AS points FROM rollup_10s JOIN series USING (series_id)
WHERE tenant_id = $1 AND metric = $2
"""


async def reported_points(system: System) -> float:
    """How many of the counted points are such; their coarser windows are open yet."""
    (row,) = await system.sql(_POINTS, system.tenant_id, METRIC)
    return float(row["points"])
