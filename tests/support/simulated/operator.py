"""An operator who accepts the log as it is: `tidegauge topics accept`, on the store and the log in memory."""

from dataclasses import replace

from deploy.kafka.accepted_logs import Accepted, begins, routed_by
from deploy.postgres.logs import LogCheckpoint
from shared.errors import Unavailable
from shared.stream.log.identity import adopted
from shared.stream.processor import Key, Stored
from tests.support.simulated.kafka import MemoryLogReader
from tests.support.simulated.store import MemoryStore, checkpoints, transaction


async def accept(
    store: MemoryStore, log: MemoryLogReader, topic: str, moves: dict[Key, tuple[int, int]] | None = None
) -> list[Accepted]:
    """Let the checkpoints of a topic go on in the log that is there now. Raises `Unavailable`.

    `moves` is told of each that has another place now: its next offset, and where that is in Kafka.
    """
    stored = [_checkpoint(key, at) for key, at in checkpoints(store, topic).items()]
    found = (await log.topics([topic]))[topic]
    identity = adopted(found)._replace(routed_by=routed_by(topic, stored, found))
    wanted = await begins(log, topic, stored, identity)
    done = []
    async with transaction(store) as conn:
        for before, new in wanted:
            key = Key(topic, before.partition)
            await conn.lock(key)
            at, _ = conn.get(key)
            if (at.epoch, at.next_offset) == (before.epoch, before.next_offset):
                base = at.next_offset - new.offset
                last = at.last if new.problem is None else None
                moved = replace(at, epoch=at.epoch + 1, offset_base=base, log=identity, last=last)
                conn.put(key, (moved, ""))
                if moves is not None and base != at.offset_base:
                    moves[key] = at.next_offset, new.offset
                done.append(new)
    if len(done) < len(wanted):
        raise Unavailable("store", "partitions moved meanwhile")
    return done


def _checkpoint(key: Key, at: Stored) -> LogCheckpoint:
    return LogCheckpoint(key.partition, at.epoch, at.next_offset, at.offset_base, at.log, at.last)
