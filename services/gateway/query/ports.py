"""What the queries need from outside.

Each port is small enough for a fake of thirty lines. A dependency that is down is `Unavailable`, never another
exception, and no call waits without a limit of its own.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from services.gateway.query.resources.alerts.alert import Alert, History
from services.gateway.query.resources.batches.batch_status import BatchStatus
from services.gateway.query.resources.funnels.funnel import Reach
from services.gateway.query.resources.ledger.ledger_query import Minutes, TenantLedger
from services.gateway.query.resources.system.health import Partition
from services.gateway.query.resources.windows.windows import Query, WindowRow
from shared.model.funnel import Funnel

Probe = Callable[[], Awaitable[bool]]
"""Whether a dependency answers."""


class Closed(Protocol):
    """Knows closed windows."""

    async def closed(self, query: Query) -> Sequence[WindowRow]:
        """Up to `limit + 1` rows in order."""
        ...

    async def kept_since_ms(self, resolution_ms: int) -> int:
        """Windows of a tier that start before this are not in the tables."""
        ...


class Live(Protocol):
    """Knows live windows."""

    async def live(self, query: Query, now_ms: int) -> Sequence[WindowRow]:
        """All live rows of the query. Raises `Unavailable`, and `UnknownVersion` for a window of another build."""
        ...


class Funnels(Protocol):
    """Knows how far sessions came."""

    async def reach(self, tenant_id: int, funnel: Funnel, from_ms: int, to_ms: int) -> Reach:
        """How far the sessions came that entered in the range."""
        ...


class Alerts(Protocol):
    """Knows alerts."""

    async def alerts(
        self, tenant_id: int, states: Sequence[str], resolved_since_ms: int, limit: int
    ) -> Sequence[Alert]:
        """Up to `limit` alerts in these states, newest first; of the resolved ones only the recent."""
        ...


class NamedAlerts(Alerts, Protocol):
    """Knows alerts by their names, and how they came to be as they are."""

    async def named(self, tenant_id: int, name: str) -> Sequence[str]:
        """Ids of the alerts with this id or fingerprint; a fingerprint may be that of several."""
        ...

    async def of_fingerprint(self, tenant_id: int, fingerprint: str, limit: int) -> Sequence[Alert]:
        """Up to `limit` alerts with this fingerprint, the latest change first."""
        ...

    async def history(self, tenant_id: int, alert_id: str) -> History | None:
        """An alert with its transitions, None for an unknown one."""
        ...


class Ledgers(Protocol):
    """Knows what became of what was received."""

    async def ledger(self, tenant_id: int, signal: str, span: Minutes) -> TenantLedger:
        """What became of the points, or events, that a tenant sent in these minutes."""
        ...


class BatchCounts(Protocol):
    """Knows what became of batches."""

    async def batch_status(self, batch_id: bytes) -> BatchStatus | None:
        """What became of a batch; None: nothing of it has counted within a day. Raises `Unavailable`."""
        ...


class Checkpoints(Protocol):
    """Knows what the services have committed."""

    async def partitions(self, topics: Sequence[str]) -> Sequence[Partition]:
        """Every partition of the topics that was ever acquired."""
        ...
