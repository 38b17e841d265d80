"""What the watchdog asks of a Faust application: symptoms of one that hangs without saying so.

It names attributes of Faust's objects, as `faust_runtime` does, and imports nothing of it.
"""

from typing import Any

from shared.stream import group as timing
from shared.stream.runtimes.watchdog import Symptom


def of(app: Any) -> dict[Symptom, float]:
    """All of them, each with how many seconds it may last."""
    return {
        crash(app): 0.0,
        coordination(app): 0.0,
        brokers(app): timing.SETTLE_S,
        flow(app): timing.SETTLE_S,
    }


def crash(app: Any) -> Symptom:
    """Faust has given up."""
    return lambda: f"Faust crashed: {app.crash_reason!r}" if app.crashed else None


def coordination(app: Any) -> Symptom:
    """The group has a fatal error, which aiokafka keeps until somebody asks for it, and Faust never does (G3)."""

    def symptom() -> str | None:
        consumer = app.consumer._thread._consumer if app.consumer and app.consumer._thread else None
        group = consumer and consumer._coordinator
        if app.should_stop or not group:
            return None
        if group._pending_exception or group._coordination_task.done():
            return f"group coordination ended: {group._pending_exception!r}"
        return None

    return symptom


def brokers(app: Any) -> Symptom:
    """The consumer knows no broker: `shared.runtime.metadata.require_brokers` says how that comes about."""

    def symptom() -> str | None:
        consumer = app.consumer._thread._consumer if app.consumer and app.consumer._thread else None
        if app.should_stop or consumer is None or consumer._client.cluster.brokers():
            return None
        return "no broker is known"

    return symptom


def flow(app: Any) -> Symptom:
    """A rebalance does not end, or nothing is fetched."""

    def symptom() -> str | None:
        if app.should_stop or not app.consumer or not app.consumer._thread:
            return None
        stuck = app.rebalancing or not app.consumer.flow_active or app.consumer._thread.crashed
        return "rebalance without end" if stuck else None

    return symptom
