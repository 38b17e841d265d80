"""The timing of a consumer group, the same for both runtimes.

All spans are seconds and were chosen together. The law: acquire < session < rebalance < request, so that whatever
hangs is ended by a deadline of ours before Kafka draws its own conclusions.
"""

from dataclasses import dataclass

SESSION_S = 6.0
"""A member that is silent for so long is out; the broker's default minimum."""

HEARTBEAT_S = 1.0
"""Members learn of a join or a leave with their next heartbeat."""

REBALANCE_S = 10.0
"""A rebalance goes on without members that have not joined by then."""

REQUEST_S = 15.0
"""Longer than a JoinGroup may take."""

ACQUIRE_S = 5.0
"""Taking ownership of an assignment; no heartbeat is sent meanwhile."""

MAX_POLL_S = 300.0
"""Longest back-pressure before Kafka takes the partitions away."""

FENCED_S = 2 * SESSION_S
"""A fenced process that gets no new assignment by then is stuck."""

SETTLE_S = REBALANCE_S + SESSION_S + ACQUIRE_S
"""No rebalance takes longer."""

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
