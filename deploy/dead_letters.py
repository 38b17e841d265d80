"""`tidegauge dead-letters`: lists, shows and replays the messages that no service could use.

A dead letter is named by its origin, `topic/partition/offset`. Invariant: a dead letter is marked as replayed only
after Kafka has it; a crash in between publishes the same message twice, and it counts once.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from deploy.postgres import dead_letters as store
from deploy.postgres.dead_letters import Choice, Count, DeadLetter, Place
from shared.errors import Misconfigured
from shared.runtime.kafka import Message, Sender
from shared.wire import dead_letter as wire
from shared.wire.replay import replayed

SHOWN_BYTES = 512
"""How much of a dead letter is shown."""

CLIENT_ID = "tidegauge-dead-letters"
"""How the producer of what is published again is known to Kafka."""

_LINE = 16
_REASON = 60


class Listing(NamedTuple):
    """What a list shows."""

    dead_letters: Sequence[DeadLetter]
    counts: Sequence[Count]


def choice(topic: str | None, code: str | None, since: str) -> Choice:
    """The dead letters that are meant; `since` as ISO 8601, empty: all times. Raises `Misconfigured`."""
    try:
        instant = datetime.fromisoformat(since) if since else None
    except ValueError:
        raise Misconfigured("--since: must be an instant such as 2026-03-01T12:00Z") from None
    if instant is not None and instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return Choice(topic, code, instant)


async def listing(dsn: str, chosen: Choice, limit: int) -> Listing:
    """The newest dead letters, and how many there are. Raises `Unavailable`."""
    async with store.opened(dsn) as conn:
        found = await store.listed(conn, chosen, limit)
        return Listing(found, await store.counts(conn, chosen))


async def one(dsn: str, name: str) -> tuple[DeadLetter, bytes]:
    """A dead letter with its bytes. Raises `Misconfigured` when there is none of that name, and `Unavailable`."""
    chosen = Choice(ids=(name,))
    async with store.opened(dsn) as conn:
        if found := await store.page(conn, chosen, _FIRST):
            return found[0]
        if without := await store.listed(conn, chosen, 1):
            return without[0], b""
    raise Misconfigured(f"there is no dead letter {name!r}: `tidegauge dead-letters list` names them")


async def replay(postgres: str, kafka: str, chosen: Choice) -> int:
    """Publish dead letters again, ordered by origin; return how many. Raises `Unavailable`, with some of them done."""
    sender, done, after = Sender(kafka, CLIENT_ID), 0, _FIRST
    try:
        async with store.opened(postgres) as conn:
            while found := await store.page(conn, chosen, after):
                await sender.send([_message(dead_letter, value) for dead_letter, value in found])
                places = [_origin(dead_letter) for dead_letter, _ in found]
                await store.mark(conn, places)
                done, after = done + len(found), places[-1]
    finally:
        await sender.close()
    return done


def rendered(found: Listing) -> Iterator[str]:
    """The list, line by line."""
    lines = [("id", "code", "received", "bytes", "replayed", "reason")]
    lines += [
        (each.id, each.code, _text(each.received_at), _size(each), _replays(each), each.reason[:_REASON])
        for each in found.dead_letters
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if found.dead_letters:
        for line in lines:
            yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    for count in found.counts:
        yield f"{count.topic}: {count.code} {count.dead_letters}, {count.replayed} of them replayed"
    if not found.counts:
        yield "there are no such dead letters"


def described(dead_letter: DeadLetter, value: bytes) -> Iterator[str]:
    """A dead letter with the beginning of its bytes, line by line."""
    yield f"origin    {dead_letter.topic}, partition {dead_letter.partition}, offset {dead_letter.offset}"
    yield f"code      {dead_letter.code}"
    yield f"reason    {dead_letter.reason}"
    yield f"received  {_text(dead_letter.received_at)}"
    yield f"replayed  {_replays(dead_letter)}"
    yield f"bytes     {_size(dead_letter)}"
    for at in range(0, min(len(value), SHOWN_BYTES), _LINE):
        part = value[at : at + _LINE]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"{at:08x}  {part.hex(' '):{3 * _LINE - 1}}  {text}"
    if len(value) > SHOWN_BYTES:
        yield f"… and {len(value) - SHOWN_BYTES:,} more: --raw writes all of them"


def _message(dead_letter: DeadLetter, value: bytes) -> Message:
    origin = wire.DeadLetter(*_origin(dead_letter), dead_letter.code, dead_letter.reason, None)
    return Message(dead_letter.topic, dead_letter.partition, replayed(origin, value))


def _origin(dead_letter: DeadLetter) -> Place:
    return dead_letter.topic, dead_letter.partition, dead_letter.offset


_FIRST: Place = ("", -1, -1)


def _size(dead_letter: DeadLetter) -> str:
    return "none" if dead_letter.size is None else f"{dead_letter.size:,}"


def _replays(dead_letter: DeadLetter) -> str:
    if dead_letter.replayed_at is None:
        return "never"
    return f"{_text(dead_letter.replayed_at)} ({dead_letter.replays}x)"


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
