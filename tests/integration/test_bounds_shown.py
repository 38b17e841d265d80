"""Workers show their bounds to Prometheus where they are told to."""

import secrets
from pathlib import Path

import httpx2
import pytest

from deploy.local.folder import ROOT
from deploy.local.stack import Stack
from tests.support.http.gateway import free_port
from tests.support.processes.harness import Worker
from tests.support.wait import until

pytestmark = pytest.mark.servers

BOUNDS = {
    "ingest": {"waiting"},
    "aggregator": {"waiting", "fold_series", "producers", "batch_ids", "runs", "running_totals"},
    "alerts": {"waiting", "known_series", "kept_windows", "alerts"},
}


@pytest.mark.parametrize("service", BOUNDS)
async def test_a_worker_shows_what_it_may_hold(stack: Stack, tmp_path: Path, service: str) -> None:
    """Each bound has its limit, and how much of it is used, which is nothing at first."""
    port = free_port()
    environ = stack.environ | {
        "TIDEGAUGE_TOPIC_PREFIX": f"b{secrets.token_hex(4)}.",
        "ALERTS_RULES": str(ROOT / "deploy/rules/default.yml"),
        f"{service.upper()}_METRICS_PORT": str(port),
    }
    worker = await Worker(service, environ, tmp_path / f"{service}.log").start()
    shown: list[str] = []

    async def answers() -> bool:
        try:
            async with httpx2.AsyncClient() as client:
                shown[:] = (await client.get(f"http://127.0.0.1:{port}/metrics")).text.splitlines()
        except httpx2.TransportError:
            return False
        return True

    await until(answers, "the worker answers Prometheus", 30)
    await worker.remove()

    used = {
        line.split('bound="')[1].split('"')[0]: line.split()[-1]
        for line in shown
        if line.startswith("bound_used")
    }
    assert dict.fromkeys(BOUNDS[service], "0.0") == used
    if service == "aggregator":
        counts = {line.partition("{")[0].partition(" ")[0] for line in shown}
        assert {"series_collisions_total", "messages_lost_total"} <= counts
    assert len(BOUNDS[service]) == sum(line.startswith("bound_limit{") for line in shown)
