"""The tables of one alert system of its own, what writes to them, and one receiver that hears of it."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from services.alerts.dispatch.adapters.handover import WithinTransaction
from services.alerts.dispatch.adapters.notifications import Notifications
from services.alerts.dispatch.adapters.outbox import AlertOutbox
from services.alerts.dispatch.adapters.receivers.webhook import Webhook as WebhookReceiver
from services.alerts.dispatch.adapters.reconciler import Reconciler
from services.alerts.dispatch.owner import ReceiverOwner
from services.alerts.dispatch.router import route
from services.alerts.domain.transition import FIRING, RESOLVED, Transition
from services.alerts.evaluation.adapters.postgres import AlertTables
from services.alerts.evaluation.service import PartitionAlerts, SeriesInfo, WindowRows
from shared.model.window import BASE_MS
from shared.postgres.connections import Pool, connection
from shared.stream.processor import Checkpoint, Cut, Key
from tests.support.alerting import closed, describe_in, partition, rule, tick
from tests.support.http.webhook import Webhook
from tests.support.wait import until

EPISODE = (closed([(1, 100, 9.0)]), tick(101), closed([(1, 101, 1.0)]), tick(102))
"""Series 1 breaches in window 100 and is calm in window 101."""


@dataclass
class System:
    """The tables of one system, and one receiver."""

    pool: Pool
    topic: str
    pager: WebhookReceiver
    webhook: Webhook
    state: PartitionAlerts = field(init=False)

    def __post_init__(self) -> None:
        self.state = partition(rule(), rule("api:response_seconds:p95_10s > 3", 60, alert="Lasting"))
        self.state.describe = describe_in(self.topic)
        self.reconciler = Reconciler(self.pool, self.topic, [self.pager])

    def mark_series(self) -> None:
        """Give its series a label that no other system's have."""
        of = describe_in(self.topic)

        def marked(packed: bytes) -> SeriesInfo:
            known = of(packed)
            series = replace(known.series, labels={**known.series.labels, "system": self.topic})
            return SeriesInfo(known.candidate, series)

        self.state.describe = marked

    @property
    def outbox(self) -> AlertOutbox:
        """Its transitions."""
        return AlertOutbox(self.topic, partial(connection, self.pool))

    async def commit(self, within: WithinTransaction | None = None) -> list[Transition]:
        """Evaluate one episode and write it as the pump does."""
        return await self.evaluate(*EPISODE, within=within)

    async def evaluate(
        self, *messages: WindowRows, within: WithinTransaction | None = None
    ) -> list[Transition]:
        """Evaluate messages and write what comes of them; what receivers hear of."""
        for message in messages:
            self.state.fold(message)
        work = self.state.checkpoint()
        cut = Cut(Key(self.topic, 3), 1, 0, 1, Checkpoint(work, 102 * BASE_MS, b"", None))
        async with self.pool.acquire() as conn, conn.transaction():
            await AlertTables().save(conn, [cut])
            if within is not None:
                await within.within(conn)
        return [each for each in work.transitions if each.transition in {FIRING, RESOLVED}]

    async def notifications(self) -> list[tuple[str, bytes | None]]:
        """Keys and bodies in the order of delivery."""
        query = "SELECT key, body FROM notification WHERE topic = $1 ORDER BY notification_id"
        return [(row["key"], row["body"]) for row in await self.pool.fetch(query, self.topic)]

    async def waiting(self) -> int:
        """Transitions that nobody has routed."""
        count = await self.pool.fetchval("SELECT count(*) FROM alert_outbox WHERE topic = $1", self.topic)
        return int(count)

    async def deliver(self) -> None:
        """All that is due."""
        owner = ReceiverOwner(Notifications(self.pool, self.topic), self.pager)
        owner.stop()
        await owner.run()

    async def turn(self) -> list[str]:
        """Route, reconcile and deliver, as a process does within a second; what the receiver was told by then."""
        await route(self.outbox, [self.pager])
        await self.reconciler.reconcile()
        await self.deliver()
        return self.heard()

    def heard(self) -> list[str]:
        """What the receiver was told, in order: the state and the rule."""
        bodies = [request.body for request in self.webhook.received]
        return [f"{body['status']} {body['commonLabels']['alertname']}" for body in bodies]

    async def deliver_until(self, count: int) -> None:
        """All that is due, until the webhook was called so often."""
        owner = ReceiverOwner(Notifications(self.pool, self.topic), self.pager, 0.05)
        running = asyncio.create_task(owner.run())

        async def fact() -> bool:
            return len(self.webhook.received) >= count

        await until(fact, f"{count} calls", 20)
        owner.stop()
        await running


@asynccontextmanager
async def alert_system(pool: Pool) -> AsyncIterator[System]:
    """Tables that no other test sees, and a receiver that answers 200."""
    topic = f"r{random.SystemRandom().randrange(1 << 40)}.windows"
    with Webhook() as webhook:
        pager = WebhookReceiver("pager", webhook.url)
        yield System(pool, topic, pager, webhook)
        await pager.close()
