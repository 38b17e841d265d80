"""The health of the system, judged by what its services have committed: partitions in, verdict out.

Spans are seconds. A service is judged by its progress alone, whatever the cause. A service behind one that makes no
progress makes none either. The system is as healthy as its worst part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

MOVED_S = 30.0
"""A partition that was committed within so long moves: workers commit every 5 s."""

STILL_S = 60.0
"""A service none of whose partitions was committed for so long is down."""

BEHIND_S = 60.0
"""A service that is so far behind is degraded: pages come late."""

OK, DEGRADED, DOWN = "ok", "degraded", "down"
"""Verdicts, from good to bad."""

UP = "up"
"""A dependency that answers; the other word is `DOWN`."""

FITFUL = frozenset({"ingest"})
"""Services whose topic bears no ticks."""

_WORSE = (OK, DEGRADED, DOWN)


@dataclass(frozen=True, slots=True)
class Partition:
    """The checkpoint of a partition, as far as health goes."""

    topic: str
    owned: bool
    """Some process has acquired it."""
    idle_s: float
    """Age of its last commit."""
    watermark_ms: int | None
    """None: nothing has carried time yet."""
    stopped: bool = False
    """Its breaker has stopped it: too many messages were bad."""


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """How one service is."""

    status: str
    partitions: int = 0
    partitions_owned: int = 0
    oldest_commit_s: float | None = None
    """Age of the oldest last commit of its partitions."""
    watermark_lag_s: float | None = None
    """How far the slowest partition's time is behind."""
    quiet: bool = False
    """Nothing came for a while, so that only ownership could be judged."""
    partitions_stopped: int = 0
    """Those whose breaker has stopped them."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """How everything is."""

    status: str
    dependencies: Mapping[str, str]
    """`up` or `down` by name."""
    gateway: str
    """How those are that take points and events in."""
    services: Mapping[str, ServiceHealth]
    """How those are that it knows by their partitions."""


def steady(partitions: Sequence[Partition], now_ms: int) -> ServiceHealth:
    """A service whose partitions move each second, if only by ticks."""
    health = _measured(partitions, now_ms)
    if not partitions or min(each.idle_s for each in partitions) > STILL_S:
        return health
    moving = all(each.owned and each.idle_s <= MOVED_S and not each.stopped for each in partitions)
    behind = health.watermark_lag_s is not None and health.watermark_lag_s > BEHIND_S
    return replace(health, status=OK if moving and not behind else DEGRADED)


def fitful(partitions: Sequence[Partition], now_ms: int) -> ServiceHealth:
    """A service whose partitions may have nothing to do: only who owns them can be judged."""
    health = _measured(partitions, now_ms)
    quiet = bool(partitions) and min(each.idle_s for each in partitions) > MOVED_S
    if not health.partitions_owned:
        return replace(health, status=DOWN, quiet=quiet)
    able = health.partitions_owned == health.partitions and not health.partitions_stopped
    return replace(health, status=OK if able else DEGRADED, quiet=quiet)


def services(rows: Sequence[Partition], topics: Mapping[str, str], now_ms: int) -> dict[str, ServiceHealth]:
    """How the service is that reads each topic; those named in `FITFUL` may have nothing to do."""
    return {
        name: (fitful if name in FITFUL else steady)([row for row in rows if row.topic == topic], now_ms)
        for name, topic in topics.items()
    }


def system(
    dependencies: Mapping[str, bool], gateway: str, services: Mapping[str, ServiceHealth]
) -> HealthReport:
    """The verdict on everything; without Redis the system is degraded, without Kafka or Postgres it is down."""
    shown = {name: UP if up else DOWN for name, up in dependencies.items()}
    parts = [DEGRADED if name == "redis" else DOWN for name, up in dependencies.items() if not up]
    verdicts = [gateway, *parts, *(service.status for service in services.values())]
    return HealthReport(max(verdicts, key=_WORSE.index), shown, gateway, services)


def _measured(partitions: Sequence[Partition], now_ms: int) -> ServiceHealth:
    watermarks = [each.watermark_ms for each in partitions if each.watermark_ms is not None]
    return ServiceHealth(
        status=DOWN,
        partitions=len(partitions),
        partitions_owned=sum(each.owned for each in partitions),
        partitions_stopped=sum(each.stopped for each in partitions),
        oldest_commit_s=max((each.idle_s for each in partitions), default=None),
        watermark_lag_s=max(0.0, (now_ms - min(watermarks)) / 1000) if watermarks else None,
    )
