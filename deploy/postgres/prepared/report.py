"""What is prepared since when, and how a back-fill gets on, line by line for an operator.

Instants are UTC. A label set that not all partitions keep answers nothing: an aggregator with an older file, or of an
older build, has some of them.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from deploy.postgres.prepared.backfill import Backfill, Done, KeptSet, kept_sets, topic_of
from shared.model.window import TIERS_MS
from shared.postgres import connections

TIER_NAMES = dict(zip(TIERS_MS, ("10 s", "1 min", "15 min"), strict=True))

PIECE_S = 120.0
"""Longest time for one statement of a back-fill."""

_HEAD = ("windows", "metrics", "label set", "since", "partitions")


async def status(dsn: str) -> list[tuple[int, KeptSet]]:
    """What each tier keeps, the coarsest first. Raises `Misconfigured` where nothing is prepared, and `Unavailable`."""
    async with connections.single(dsn) as conn:
        topic = await topic_of(conn)
        return [(tier, one) for tier in reversed(TIERS_MS) for one in await kept_sets(conn, topic, tier)]


async def filled(dsn: str, since_ms: int, say: Callable[[str], object], *, again: bool = False) -> int:
    """Run a back-fill to its end, saying each piece; how many there were. Raises as `status` does."""
    pieces = 0
    async with connections.single(dsn, command_s=PIECE_S) as conn:
        backfill = Backfill(conn, await topic_of(conn), since_ms)
        if again:
            await backfill.forget()
        async for done in backfill.run():
            say(progress_line(done))
            pieces += 1
    return pieces


def status_lines(kept: Sequence[tuple[int, KeptSet]]) -> Iterator[str]:
    """The label sets of each tier."""
    rows = [_HEAD, *(_row(tier, one) for tier, one in kept)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    if any(not one.everywhere for _, one in kept):
        yield (
            "sets that not all partitions keep answer nothing: start every aggregator with the same file, and with a "
            "build that prepares groups"
        )


def _row(tier: int, one: KeptSet) -> tuple[str, ...]:
    label_set = one.label_set.replace(",", ", ") or "(all series together)"
    return (
        TIER_NAMES[tier], one.pattern, label_set, text_of(one.since_ms) if one.everywhere else "–",
        f"{one.kept} of {one.partitions}",
    )  # fmt: skip


def progress_line(done: Done) -> str:
    """A piece of a back-fill."""
    tier, begin_ms, _ = done.span
    rows = f"{done.rows:,} rows of series, {done.groups:,} of groups"
    return f"{TIER_NAMES[tier]}: whole from {text_of(begin_ms)} on ({rows})"


def text_of(ms: float) -> str:
    """An instant; of windows that are whole for ever, that word."""
    if ms == float("-inf"):
        return "ever"
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
