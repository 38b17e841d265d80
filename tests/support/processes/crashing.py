"""A system in which one worker after the other crashes or freezes at a failpoint, while another one stays.

A crashed worker is removed from its group at once, as the broker would do at the end of its session. Each case checks
that the failpoint was reached, and then that every point of the load is counted once.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import NamedTuple, Self

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.group import LeaveGroupRequest

from services.aggregator.app import GROUP
from shared.runtime.failpoint import EXIT_CRASHED, VARIABLE
from shared.runtime.lifecycle import EXIT_GIVEN_UP
from tests.support.load.points import PointLoad
from tests.support.prepared import compared
from tests.support.processes.forks import Fork
from tests.support.processes.harness import Harness, under_load
from tests.support.wait import until

STEP_MS = 4_000
"""Event time of a round: a few of them close a window, so that commits follow each other."""

BEFORE_MS = 24 * 3600 * 1000
"""It begins so long ago, for it runs faster than the clock, ahead of which it must not be."""

PAUSE_S = 0.1
"""Between two rounds."""

OF_ASSIGNMENTS = {"assigned", "raised", "restored", "acquired", "sought", "installed", "revoked", "forgotten"}
"""Points that are passed once a rebalance."""

OF_STOPS = {"stopping", "drained"}
"""Points that are passed once a life."""

OWNERS = "SELECT DISTINCT split_part(owner, '-', -1) AS pid FROM partition_state WHERE topic = $1"

TIERS = """
SELECT count(*) AS wrong FROM rollup_1m coarse JOIN series USING (series_id)
WHERE tenant_id = $1 AND coarse.count <> (
    SELECT sum(count) FROM rollup_10s finer WHERE finer.series_id = coarse.series_id
    AND finer.window_start >= coarse.window_start AND finer.window_start < coarse.window_start + interval '1 minute')
"""


class Blow(NamedTuple):
    """Where a worker fails, at which passage, and whether it ends or freezes."""

    point: str
    passage: int
    how: str


@dataclass
class StruckWorker:
    """One system."""

    harness: Harness
    seed: int

    async def __aenter__(self) -> Self:
        self._closing = AsyncExitStack()
        self.harness.folder.mkdir()
        await self.harness.create()
        self._load: PointLoad = await self._closing.enter_async_context(self.harness.load(self.seed))
        self._load.begin(BEFORE_MS, STEP_MS)
        self._admin = AIOKafkaAdminClient(bootstrap_servers=self.harness.kafka)
        await self._admin.start()
        self._closing.push_async_callback(self._admin.close)
        self._group = self.harness.prefix + GROUP
        self._postgres = await asyncpg.connect(self.harness.postgres)
        self._closing.push_async_callback(self._postgres.close)
        self._lives = 0
        self._keeper = await self._start()
        await self._owned_by(self._keeper)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closing.aclose()

    async def _start(self, blow: Blow | None = None) -> Fork:
        environ = self.harness.environ() | ({VARIABLE: ":".join(map(str, blow))} if blow else {})
        self._lives += 1
        fork = Fork(self.harness.service, environ, self.harness.folder / f"{self._lives}.log")
        self._closing.push_async_callback(fork.kill)
        return await fork.start()

    async def inject(self, blow: Blow) -> None:
        """Let a worker run into this, let the other one take over, and see that all is right."""
        async with under_load(Steady(self._load)):
            struck = await self._struck(blow)
            assert struck.code == (EXIT_CRASHED if blow.how == "exit" else None), struck.log.read_text()[
                -2000:
            ]
            await self._kick(struck)
            await self._owned_by(self._keeper)
            if blow.how == "freeze":
                await self._wake(struck)
        await self.harness.exact(self._load)
        assert await self._postgres.fetchval(TIERS, self.harness.tenant_id) == 0
        groups = await compared(self._postgres, self.harness.topic, self.harness.tenant_id)
        assert groups
        assert [] == [mismatch for tier in groups for mismatch in tier.mismatches]

    async def _struck(self, blow: Blow) -> Fork:
        if blow.point in OF_STOPS:
            return await self._struck_while_stopping(blow)
        fork = await self._start(blow)
        await self._until(
            lambda: self._is_struck(fork, kick=blow.point in OF_ASSIGNMENTS), f"{blow} is reached"
        )
        return fork

    async def _struck_while_stopping(self, blow: Blow) -> Fork:
        for _ in range(blow.passage - 1):
            await self._stopped(await self._start())
        return await self._stopped(await self._start(blow._replace(passage=1)))

    async def _stopped(self, fork: Fork) -> Fork:
        await self._owned_by(self._keeper, fork)
        fork.signal(signal.SIGTERM)
        await self._until(lambda: self._is_struck(fork), "a worker stops")
        return fork

    async def _is_struck(self, fork: Fork, *, kick: bool = False) -> bool:
        if fork.code is not None or fork.frozen:
            return True
        if kick and await self._is_owned_by(self._keeper, fork):
            await self._kick(self._keeper)
        return False

    async def _wake(self, struck: Fork) -> None:
        """It goes on where it stood, and becomes a member again or ends itself; then it is done."""
        struck.signal(signal.SIGCONT)

        async def settled() -> bool:
            return struck.code is not None or bool(
                await self._is_owned_by(self._keeper, struck) and await self._memberships(struck)
            )

        await self._until(settled, "the worker that was frozen is a member again, or has ended")
        assert struck.code in {None, 0, EXIT_GIVEN_UP}, struck.log.read_text()[-2000:]
        await struck.kill()
        await self._kick(struck)
        await self._owned_by(self._keeper)

    async def _kick(self, fork: Fork) -> None:
        """Take a process from its group, as the broker does when it has not heard of it for a while."""
        coordinator = await self._admin.find_coordinator(self._group)
        for member_id in await self._memberships(fork):
            await self._admin._send_request(LeaveGroupRequest(self._group, member_id), coordinator)

    async def _memberships(self, fork: Fork) -> list[str]:
        (described,) = await self._admin.describe_consumer_groups([self._group])
        return [member_id for member_id, *_ in described.groups[0][5] if f"-{fork.pid}-" in member_id]

    async def _owned_by(self, *forks: Fork) -> None:
        await self._until(lambda: self._is_owned_by(*forks), f"{len(forks)} workers own all partitions")

    async def _is_owned_by(self, *forks: Fork) -> bool:
        await self._keeper.keep()
        rows = await self._postgres.fetch(OWNERS, self.harness.topic)
        return {row["pid"] for row in rows} == {str(fork.pid) for fork in forks}

    async def _until(self, fact: Callable[[], Awaitable[bool]], what: str) -> None:
        try:
            await until(fact, what)
        except AssertionError as problem:
            logs = sorted(self.harness.folder.glob("*.log"), key=lambda log: log.stat().st_mtime)
            raise AssertionError(
                f"{problem}\n" + "\n".join(log.read_text()[-1500:] for log in logs[-2:])
            ) from None


@dataclass
class Steady:
    """A load in rounds that are far apart."""

    load: PointLoad

    async def until(self, stop: asyncio.Event) -> None:
        """Publish until told to stop."""
        await self.load.until(stop, PAUSE_S)
