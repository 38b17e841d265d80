"""`tidegauge partitions`: shows where each partition stands, and lets an operator resume, skip and reset.

Offsets are Kafka's. A partition is named by its topic and its number. A reset checks the log first, so that no
checkpoint lies outside it.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from deploy.kafka.ends import bounds
from deploy.postgres import partitions as store
from deploy.postgres.dead_letters import opened
from deploy.postgres.partitions import DeathRow, Partition
from shared.errors import Misconfigured

EARLIEST, LATEST = "earliest", "latest"
"""Names of the first record that the log still has, and of its end."""

_HEAD = ("topic", "partition", "next offset", "watermark", "committed", "owner", "")


class Details(NamedTuple):
    """One partition."""

    partition: Partition
    deaths: Sequence[DeathRow]
    skips: Sequence[int]


async def listing(dsn: str, topic: str | None, *, stopped: bool) -> list[Partition]:
    """The partitions that are meant, those that are stopped first. Raises `Unavailable`."""
    async with opened(dsn) as conn:
        return store.stopped_first(await store.listed(conn, topic, stopped=stopped))


async def one(dsn: str, topic: str, partition: int) -> Details:
    """One partition in full. Raises `Misconfigured` when it was never read, and `Unavailable`."""
    async with opened(dsn) as conn:
        found = await store.listed(conn, topic, partition)
        if not found:
            raise Misconfigured(
                f"{topic} {partition} was never read: `tidegauge partitions list` names what was"
            )
        return Details(
            found[0], await store.deaths(conn, topic, partition), await store.skips(conn, topic, partition)
        )


async def resume(dsn: str, topic: str, partition: int, through: int) -> int:
    """Let a stopped partition go on; bad messages below the offset returned do not stop it again."""
    async with opened(dsn) as conn:
        return await store.resume(conn, topic, partition, through)


async def skip(dsn: str, topic: str, partition: int, offset: int | None) -> int:
    """Make the record that a partition is stopped before a dead letter; its offset."""
    async with opened(dsn) as conn:
        return await store.skip(conn, topic, partition, offset)


async def reset(servers: tuple[str, str], topic: str, partition: int, to: str, *, without_state: bool) -> int:
    """Put a partition to an offset, and return it; `servers` are the addresses of Postgres and Kafka."""
    earliest, end = await bounds(servers[1], topic, partition)
    offset = offset_of(to, earliest, end)
    async with opened(servers[0]) as conn:
        await store.reset(conn, topic, partition, offset, without_state=without_state)
    return offset


def offset_of(to: str, earliest: int, end: int) -> int:
    """The offset that is meant. Raises `Misconfigured` when the log does not reach it."""
    named = {EARLIEST: earliest, LATEST: end}
    if to not in named and not to.isdecimal():
        raise Misconfigured(f"--to: must be an offset, {EARLIEST} or {LATEST}")
    offset = named[to] if to in named else int(to)
    if not earliest <= offset <= end:
        raise Misconfigured(f"--to: the log has the offsets {earliest} to {end}")
    return offset


def rendered(found: Sequence[Partition]) -> Iterator[str]:
    """The list, line by line."""
    lines = [_HEAD, *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if found:
        for line in lines:
            yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    for each in found:
        yield from stop_lines(each)
    if not any(each.stop for each in found):
        yield "no partition is stopped"


def stop_lines(each: Partition) -> Iterator[str]:
    """Why a partition is stopped, and what to do; nothing when it is not."""
    if each.stop:
        since = f" since {_text(each.stop.since)}" if each.stop.since else ""
        yield f"stopped{since}: {each.topic} {each.partition} at {each.stop.offset}: {each.stop.reason}"
        yield f"  {each.remedy}"


def described(found: Details) -> Iterator[str]:
    """One partition, line by line."""
    each = found.partition
    yield f"partition    {each.topic} {each.partition}"
    yield f"owner        {each.owner or 'nobody'}"
    yield f"next offset  {'none' if each.next_offset is None else each.next_offset}"
    yield f"watermark    {_text(each.watermark)}"
    yield f"committed    {_text(each.updated_at)}"
    for death in found.deaths:
        yield f"{_cause(death)} ended {death.deaths} workers, last {_text(death.died_at)}: {death.error}"
    for offset in found.skips:
        yield f"the record at {offset} becomes a dead letter"
    yield from stop_lines(each) if each.stop else ("it is not stopped",)


def _cause(death: DeathRow) -> str:
    if death.until == death.offset:
        return f"restoring at {death.offset}"
    if death.until == death.offset + 1:
        return f"the record at {death.offset}"
    return f"a record of {death.offset} to {death.until - 1}"


def _row(each: Partition) -> tuple[str, ...]:
    offset = "none" if each.next_offset is None else str(each.next_offset)
    state = "stopped" if each.stop else ""
    times = _text(each.watermark), _text(each.updated_at)
    return each.topic, str(each.partition), offset, *times, each.owner or "nobody", state


def _text(instant: datetime | None) -> str:
    return "none" if instant is None else instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
