"""Brings to the log what whole requests were refused, as increments of `intake.refused` by path, status and code.

Seconds. A report that the log may not have is posted again under its key, so that it counts once; counts wait while
Kafka is away. What was counted in the last `REPORT_S` of a process that is killed is lost.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.columns.contract import RequestColumns
from services.gateway.intake.columns.rows import MetricPoint, point_columns
from services.gateway.intake.domain.idempotency import identity_of
from services.gateway.intake.domain.ledger import Admitted
from services.gateway.intake.domain.refusals import Refusal, RefusedRequests
from services.gateway.intake.publish.point_batches import PointIntakeBatch
from services.gateway.intake.service import Intakes
from shared.ledger.entries import DERIVED
from shared.runtime.retry import until_set

METRIC = "intake.refused"
"""Requests that were refused as a whole."""

REPORT_S = 2.0
"""How often the counts go to the log, and how soon what it has not taken comes again."""


class RefusalReports:
    """Posts what has been counted, tenant by tenant."""

    def __init__(
        self,
        refused: RefusedRequests,
        intakes: Intakes[PointIntakeBatch, Any],
        admission: PointAdmission,
        now_ms: Callable[[], int],
        report_s: float = REPORT_S,
    ) -> None:
        self._refused, self._intakes, self._admission, self._now_ms = refused, intakes, admission, now_ms
        self._report_s = report_s
        self._keys = f"refused-{uuid.uuid4()}"
        self._number = 0
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Report every `REPORT_S` until `stop`, and then once more."""
        while not self._stopping.is_set():
            await until_set(self._stopping, self._report_s)
            if self._intakes.has_series_ids():
                await self._report()

    def stop(self) -> None:
        """What is left is posted once."""
        self._stopping.set()

    async def _report(self) -> None:
        while found := self._refused.take():
            batch = self._batch(*found)
            while not await self._intakes.report(batch) and not self._stopping.is_set():
                await until_set(self._stopping, self._report_s)

    def _batch(self, tenant_id: int, counts: Counter[Refusal]) -> PointIntakeBatch:
        self._number += 1
        at_ms = self._now_ms()
        points = [
            MetricPoint(METRIC, times, "", {"path": path, "status": str(status), "code": code}, "delta")
            for (path, status, code), times in counts.items()
        ]
        columns = point_columns(points, range(len(points)), at_ms)
        found = self._admission.admit(RequestColumns(columns), tenant_id, at_ms)
        key = f"{self._keys}-{self._number}".encode()
        return PointIntakeBatch(
            found.catalogue,
            found.points,
            at_ms,
            Admitted(tenant_id, len(found.points), {}, DERIVED),
            overflowed=found.overflowed,
            identity=identity_of("points", tenant_id, key, key, timed=True),
        )
