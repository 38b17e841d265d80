"""An outbox of notifications of its own, and what delivers it."""

import asyncio
from dataclasses import dataclass, field

from services.alerts.dispatch.adapters.notifications import Notifications
from services.alerts.dispatch.owner import ReceiverOwner
from services.alerts.dispatch.ports import Receiver
from services.alerts.dispatch.wakeup import POLL_S
from shared.postgres.connections import Pool
from tests.support.http.webhook import Webhook
from tests.support.wait import until

_PUT = """
INSERT INTO notification (topic, receiver, key, rule, series_id, body)
VALUES ($1, $2, $1 || $3, $4, $5, convert_to($6, 'UTF8'))
"""


@dataclass
class Office:
    """An outbox of its own, and what delivers it."""

    pool: Pool
    topic: str
    running: list[asyncio.Task[None]] = field(default_factory=list)

    async def put(self, receiver: str, *keys: str, alert: int = 1) -> None:
        """Notifications of one alert for a receiver, in this order."""
        rows = [
            (self.topic, receiver, key, "rule", alert, f'{{"key": "{key}", "partitionkey": "{alert}"}}')
            for key in keys
        ]
        await self.pool.executemany(_PUT, rows)

    def deliver(self, receiver: Receiver, poll_s: float = POLL_S) -> ReceiverOwner:
        """Deliver for ever."""
        owner = ReceiverOwner(Notifications(self.pool, self.topic), receiver, poll_s)
        self.running.append(asyncio.create_task(owner.run()))
        return owner

    async def state(self, key: str) -> str:
        """What became of a notification: its state, attempts and problem."""
        row = await self.pool.fetchrow("SELECT * FROM notification WHERE key = $1", self.topic + key)
        assert row is not None
        state = "delivered" if row["delivered_at"] else "given up" if row["given_up_at"] else "due"
        return f"{state} {row['attempts']} {row['problem'] or ''}".strip()

    async def becomes(self, key: str, state: str) -> None:
        """Wait until that is the state of a notification."""

        async def fact() -> bool:
            return (await self.state(key)).startswith(state)

        await until(fact, f"{key} is {state}", 20)

    async def waits_s(self, key: str) -> float:
        """How long until it is tried again."""
        query = "SELECT extract(epoch FROM next_at - now())::float8 FROM notification WHERE key = $1"
        return float(await self.pool.fetchval(query, self.topic + key))

    def delivered(self, webhook: Webhook) -> list[str]:
        """Keys that a webhook was told, repeats included."""
        return [key.removeprefix(self.topic) for key in webhook.keys]
