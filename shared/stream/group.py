"""The timing of a consumer group, the same for both runtimes.

All spans are seconds and were chosen together: acquire < session < rebalance < request. So our own deadlines end a
process that hangs before Kafka removes it from the group.
"""

from dataclasses import dataclass

SESSION_S = 6.0
"""A member that sends no heartbeat for so long is removed; the broker's default minimum."""

HEARTBEAT_S = 1.0
"""Members learn of a join or a leave with their next heartbeat."""

REBALANCE_S = 10.0
"""A rebalance completes without members that have not joined by then."""

REQUEST_S = 15.0
"""Limit of one request; longer than a JoinGroup may take."""

ACQUIRE_S = 5.0
"""Limit of acquiring an assignment; no heartbeat is sent meanwhile."""

MAX_POLL_S = 300.0
"""Longest back-pressure before Kafka takes the partitions away."""

FENCED_S = 2 * SESSION_S
"""A fenced process that gets no new assignment within this time is stuck."""

SETTLE_S = REBALANCE_S + SESSION_S + ACQUIRE_S
"""Longest duration of a rebalance."""

FETCH_WAIT_MS = 100
"""How long the broker holds an empty fetch."""

MAX_FETCH_BYTES = 1 << 20
"""Bytes a fetch brings from one partition."""


@dataclass(frozen=True, slots=True)
class Group:
    """Where a runtime finds its records."""

    bootstrap: str
    """Kafka's address, host:port."""
    group_id: str
    """Consumer group."""
    topics: tuple[str, ...]
    """Topics to consume."""
    client_id: str
    """Name of this process in Kafka's logs."""
