"""The verdict on services and on the system, from their partitions."""

import pytest

from services.gateway.query.resources.system.health import (
    Partition,
    ServiceHealth,
    fitful,
    services,
    steady,
    system,
)

NOW_MS = 1_000_000


def row(
    idle_s: float = 1.0,
    *,
    owned: bool = True,
    behind_s: float | None = 3.0,
    topic: str = "t",
    stopped: bool = False,
) -> Partition:
    """A partition, in good health unless said otherwise."""
    watermark_ms = None if behind_s is None else NOW_MS - int(behind_s * 1000)
    return Partition(topic, owned, idle_s, watermark_ms, stopped)


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        pytest.param([row(), row(30.0)], "ok", id="all move"),
        pytest.param([row(), row(31.0)], "degraded", id="one stands still"),
        pytest.param([row(), row(owned=False)], "degraded", id="one has no owner"),
        pytest.param([row(), row(stopped=True)], "degraded", id="one is stopped"),
        pytest.param([row(45.0), row(59.0)], "degraded", id="none moves, but not for a minute"),
        pytest.param([row(61.0), row(600.0)], "down", id="none moved for a minute"),
        pytest.param([], "down", id="it has never run"),
        pytest.param([row(), row(behind_s=61.0)], "degraded", id="one is a minute behind"),
        pytest.param([row(), row(behind_s=60.0)], "ok", id="one is nearly a minute behind"),
        pytest.param([row(), row(behind_s=None)], "ok", id="one has no watermark yet"),
    ],
)
def test_a_service_with_ticks_is_judged_by_its_moves(rows: list[Partition], status: str) -> None:
    """Its partitions move every few seconds, whatever clients do."""
    assert status == steady(rows, NOW_MS).status


@pytest.mark.parametrize(
    ("rows", "status", "quiet"),
    [
        pytest.param([row(), row(500.0)], "ok", False, id="some move"),
        pytest.param([row(500.0), row(900.0)], "ok", True, id="nothing comes"),
        pytest.param([row(500.0), row(900.0, owned=False)], "degraded", True, id="one has no owner"),
        pytest.param([row(500.0), row(900.0, stopped=True)], "degraded", True, id="one is stopped"),
        pytest.param([row(500.0, owned=False)], "down", True, id="none has an owner"),
        pytest.param([], "down", False, id="it has never run"),
    ],
)
def test_a_service_without_ticks_is_judged_by_its_owners(
    rows: list[Partition], status: str, quiet: bool
) -> None:
    """A partition without news does not move, and that says nothing; the answer says so."""
    health = fitful(rows, NOW_MS)

    assert (status, quiet) == (health.status, health.quiet)


def test_a_service_shows_what_it_was_judged_on() -> None:
    """The worst of its partitions, in seconds; a watermark ahead of the clock is no lag."""
    rows = [row(2.0, behind_s=4.5), row(9.5, owned=False, behind_s=None)]

    assert ServiceHealth("degraded", 2, 1, 9.5, 4.5) == steady(rows, NOW_MS)
    assert 0.0 == steady([row(behind_s=-30.0)], NOW_MS).watermark_lag_s


def test_each_service_is_judged_by_its_own_topic() -> None:
    """Ingest by owners, the others by moves."""
    rows = [row(500.0, topic="events"), row(500.0, topic="metrics"), row(topic="foreign")]

    found = services(rows, {"ingest": "events", "aggregator": "metrics", "alerts": "windows"}, NOW_MS)

    assert {"ingest": ("ok", 1), "aggregator": ("down", 1), "alerts": ("down", 0)} == {
        name: (one.status, one.partitions) for name, one in found.items()
    }


@pytest.mark.parametrize(
    ("down", "gateway", "service", "status"),
    [
        pytest.param((), "ok", "ok", "ok", id="all is well"),
        pytest.param(("redis",), "ok", "ok", "degraded", id="without live windows"),
        pytest.param(("postgres",), "ok", "ok", "down", id="without tables"),
        pytest.param(("kafka",), "degraded", "ok", "down", id="without the log"),
        pytest.param((), "degraded", "ok", "degraded", id="the gateway takes nothing"),
        pytest.param((), "ok", "degraded", "degraded", id="a service is degraded"),
        pytest.param(("redis",), "ok", "down", "down", id="a service is down"),
    ],
)
def test_the_system_is_as_good_as_its_worst_part(
    down: tuple[str, ...], gateway: str, service: str, status: str
) -> None:
    """Dependencies count by what is lost without them."""
    dependencies = {name: name not in down for name in ("kafka", "postgres", "redis")}

    health = system(dependencies, gateway, {"aggregator": ServiceHealth(service)})

    assert status == health.status
    assert {name: "down" if name in down else "up" for name in dependencies} == health.dependencies
