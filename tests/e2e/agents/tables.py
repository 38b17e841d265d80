"""The tables, as the tests of agents ask them: what became of the points of a tenant. Spans are seconds."""

from collections.abc import Awaitable, Callable, Mapping

from tests.support.processes.system import System
from tests.support.wait import until

SETTLED_S = 120.0
"""How long an agent may take to send what it has kept, and the services to count it."""

GROWN = """
SELECT coalesce(sum(sum), 0)::float8 AS grown FROM rollup_10s JOIN series USING (series_id)
WHERE tenant_id = $1 AND metric = $2
"""

COUNTS = """
SELECT metric, sum(count)::bigint AS points FROM rollup_10s JOIN series USING (series_id)
WHERE tenant_id = $1 GROUP BY 1
"""

OUTCOMES = """
SELECT outcome, sum(count)::bigint AS count FROM ledger_1m WHERE tenant_id = $1 AND topic = $2 GROUP BY 1
"""


async def grown(system: System, metric: str) -> float:
    """What the closed windows of a metric add up to."""
    return float((await system.sql(GROWN, system.tenant_id, metric))[0]["grown"])


async def counts(system: System) -> Mapping[str, int]:
    """How many points, or increments, each metric has in closed windows."""
    return {row["metric"]: row["points"] for row in await system.sql(COUNTS, system.tenant_id)}


async def outcomes(system: System, topic: str = "telemetry.metrics.v1") -> Mapping[str, int]:
    """What became of all that was received, by the ledger's words."""
    rows = await system.sql(OUTCOMES, system.tenant_id, system.prefix + topic)
    return {row["outcome"]: row["count"] for row in rows}


async def are_counted(system: System, samples: int) -> bool:
    """Whether so many have been counted, those that are no value included; more than that never is.

    The gateway's own points about what it refused come with a pause, so that some runs see none of them: left out.
    """
    found = await outcomes(system)
    counted = found.get("counted", 0) + found.get("rejected:no_value", 0) - found.get("derived", 0)
    assert counted <= samples, found
    return counted == samples


async def settled(fact: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for what must come to hold once an agent has sent all."""
    await until(fact, what, SETTLED_S)
