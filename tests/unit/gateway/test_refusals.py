"""Whole requests that were refused: counted by tenant at the door, and brought to the log as points of ours."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np
import pytest

from services.gateway.http.server import Front
from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.domain.in_flight import ConcurrencyLimits
from services.gateway.intake.domain.ledger import PendingEntries, RowsByTenant, admitted
from services.gateway.intake.domain.refusals import Refusal, RefusedRequests
from services.gateway.intake.domain.strangers import Strangers
from services.gateway.intake.domain.tenant_limits import TenantLimits
from services.gateway.intake.ports import Outcome
from services.gateway.intake.publish.point_batches import PointIntakeBatch
from services.gateway.intake.publish.refusal_reports import METRIC, RefusalReports
from services.gateway.intake.service import Intake, IntakeCounters, Intakes
from shared.ledger.entries import DERIVED, RECEIVED, Line
from shared.wire.series import unpack
from shared.wire.versions import NEW
from tests.support.http.intake import GOOD, FakeGrants, FakeLog, post, route
from tests.support.idempotency import FakeIdempotencyClaims
from tests.support.pipeline import Pipeline

ROOM = ConcurrencyLimits(requests=10, bytes=100_000)
NOW_MS = 1_790_000_000_000
BAD = Refusal("/v1/logs", 400, "malformed_json")
AWAY = Refusal("/v1/logs", 503, "unavailable")


class OutcomesLog:
    """Gives each publication the next outcome."""

    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = list(outcomes)
        self.batches: list[PointIntakeBatch] = []
        self.done = asyncio.Event()

    def refusal(self) -> str | None:
        """It is there."""
        return None

    async def publish(self, batch: PointIntakeBatch) -> Outcome:
        """Remember the batch."""
        self.batches.append(batch)
        outcome = self._outcomes.pop(0)
        if not self._outcomes:
            self.done.set()
        return outcome

    def note(self, batch: PointIntakeBatch) -> None:
        """Nothing to remember."""


def test_refusals_are_handed_out_once() -> None:
    """Those of one tenant together."""
    refused = RefusedRequests()
    for tenant_id, refusal in ((1, BAD), (1, BAD), (1, AWAY)):
        refused.add(tenant_id, refusal)

    assert (1, Counter({BAD: 2, AWAY: 1})) == refused.take()
    assert refused.take() is None


def test_counts_beyond_the_bound_are_left_out() -> None:
    """A count that is there goes on."""
    refused = RefusedRequests(max_counts=1)
    for refusal in (BAD, AWAY, BAD):
        refused.add(1, refusal)

    bound = refused.bound()
    assert (1, 1) == (bound.used(), bound.evicted())
    assert (1, Counter({BAD: 2})) == refused.take()


@pytest.mark.parametrize(
    ("down", "body", "wanted"),
    [
        pytest.param(None, b"no JSON", Refusal("/v1/telemetry", 400, "malformed_json"), id="bad"),
        pytest.param("kafka is away", GOOD, Refusal("/v1/telemetry", 503, "unavailable"), id="away"),
    ],
)
async def test_a_refusal_counts_for_the_tenant_of_its_key(
    down: str | None, body: bytes, wanted: Refusal
) -> None:
    """Also while nothing can be taken."""
    made, counts = route(FakeLog(down=down), FakeGrants(), ROOM)

    await post(made, [body, b""])

    assert (1, Counter({wanted: 1})) == counts.refusals.of_tenants.take()


async def test_a_key_that_nobody_has_counts_for_nobody() -> None:
    """There is no tenant to tell."""
    made, counts = route(FakeLog(), FakeGrants(None), ROOM)

    await post(made, [GOOD, b""])

    assert counts.refusals.of_tenants.take() is None
    assert {(401, "none"): 1} == counts.refusals.strangers.counts


def test_strangers_are_told_apart_by_their_first_word_up_to_a_limit() -> None:
    """Nothing of a path or a key is kept."""
    strangers = Strangers(max_names=2)
    for agent in (
        b"OTel-OTLP-Exporter-Python/1.45",
        b"OTel-OTLP-Exporter-Python/1.46",
        b"<x>",
        b"curl/8",
        b"wget/1",
    ):
        strangers.note(401, [(b"user-agent", agent)])
    strangers.note(404, [])
    strangers.note(400, [])

    assert {
        (401, "OTel-OTLP-Exporter-Python"): 2, (401, "none"): 1, (401, "others"): 2, (404, "none"): 1,
    } == strangers.counts  # fmt: skip


async def test_a_report_is_posted_until_the_log_has_it() -> None:
    """Under one id, so that it counts once; as what the gateway has made itself."""
    log, refused = OutcomesLog(Outcome.UNKNOWN, Outcome.NOT_ACCEPTED, Outcome.ACCEPTED), RefusedRequests()
    points = Intake(log, IntakeCounters(), FakeIdempotencyClaims())
    intakes = Intakes(points, points, TenantLimits())
    reports = RefusalReports(refused, intakes, PointAdmission(1000), lambda: NOW_MS, report_s=0.01)
    refused.add(1, BAD)
    refused.add(1, BAD)

    running = asyncio.create_task(reports.run())
    await log.done.wait()
    reports.stop()
    await running

    (identity,) = {each.identity.batch_id for each in log.batches if each.identity is not None}
    (batch, *_) = log.batches
    (slot,) = batch.points.slot.tolist()
    series = unpack(batch.catalogue.packed[slot])
    assert (METRIC, {"path": "/v1/logs", "status": "400", "code": "malformed_json"}) == (
        series.metric,
        dict(series.labels),
    )
    assert (3, [2.0], DERIVED) == (len(log.batches), batch.points.value.tolist(), batch.admitted.came_in)
    assert identity

    pipeline = Pipeline(NEW)
    for each in log.batches[:2]:
        pipeline.take_points(each, NOW_MS)
    account = pipeline.accounts(NOW_MS).points
    assert (2, 1, 1) == (account["derived"], account["counted"], account["duplicate"])


def test_rows_of_a_report_are_derived_in_the_ledger() -> None:
    """Beside those that the same tenant has sent."""
    sent = admitted(1, 2, [])
    report = replace(sent, came_in=DERIVED)
    pending = PendingEntries()
    pending.add([sent, report])

    lines = RowsByTenant([sent, report]).of(np.array([0, 0, 1, 1]))
    pending.carried(lines)

    assert {Line(1, RECEIVED, 2), Line(1, DERIVED, 2)} == set(lines)
    assert [] == pending.rest()


async def test_an_address_that_nobody_answers_is_noted() -> None:
    """By the name of the client alone."""
    strangers = Strangers()

    async def nothing_here(
        _scope: object, _receive: object, send: Callable[[object], Awaitable[None]]
    ) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})

    async def send(_message: object) -> None:
        """Nobody listens."""

    scope = {
        "type": "http",
        "path": "/v1/metrics/",
        "headers": [(b"user-agent", b"OTel-OTLP-Exporter-JavaScript/0.301")],
    }
    await Front({}, nothing_here, strangers.note)(scope, None, send)

    assert {(404, "OTel-OTLP-Exporter-JavaScript"): 1} == strangers.counts
