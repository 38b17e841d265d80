"""Batches on disk: what becomes of them when the application ends, and of files that are none."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from tests.support.http.receiver import Receiver, Reply
from tests.support.wait import until
from tidegauge_client import Stats, Telemetry
from tidegauge_client.clock import now_ms

Make = Callable[..., Telemetry]
AWAY = Reply(503, {"outcome": "not_accepted"})
UNKNOWN = Reply(503, {"outcome": "unknown"})
TELEMETRY = "/v1/telemetry"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the spool is."""
    return tmp_path / "spool"


def files(folder: Path) -> list[Path]:
    """The batches that are there, the oldest first."""
    return sorted(folder.glob("*-*/*.batch"), key=lambda path: path.name)


def left(client: Make, receiver: Receiver, folder: Path, values: range, reply: Reply = AWAY) -> list[str]:
    """Points that a client has left behind, each a batch of its own; their ids."""
    receiver.answer(TELEMETRY, *[reply] * 10_000)
    telemetry = client(spool=folder, batch_items=1)
    for value in values:
        telemetry.point("left", value)
    assert telemetry.save(30)
    telemetry.close(0.0)
    assert len(values) == telemetry.stats.stored
    receiver.script[TELEMETRY].clear()
    receiver.requests.clear()
    return [path.name.split("-")[1] for path in files(folder)]


async def recovered(telemetry: Telemetry, items: int) -> None:
    """Wait until so many are found and none waits any more."""

    async def settled() -> bool:
        return (telemetry.stats.recovered, telemetry.stats.queued) == (items, 0)

    await until(settled, f"{items} are recovered and settled")


async def test_what_was_left_is_sent_by_the_next_client(
    client: Make, receiver: Receiver, folder: Path
) -> None:
    """Under the same ids, in order; nothing stays on disk, and all of it is counted."""
    ids = left(client, receiver, folder, range(5))

    telemetry = client(spool=folder)
    await recovered(telemetry, 5)

    assert ids == [request.batch_id for request in receiver.requests]
    assert list(range(5)) == [point["value"] for point in receiver.points]
    assert (5, 5, {}) == (telemetry.stats.sent, telemetry.stats.recovered, telemetry.stats.dropped)
    telemetry.close()
    assert not files(folder)
    assert {"damaged"} >= set(os.listdir(folder))  # noqa: PTH208  pathlib's would block the loop as well


async def test_a_batch_in_doubt_comes_again_to_the_letter(
    client: Make, receiver: Receiver, folder: Path
) -> None:
    """The gateway may have it, so id and bytes are those of the first attempt."""
    receiver.answer(TELEMETRY, UNKNOWN)
    telemetry = client(spool=folder, retry_first_s=1e6, retry_longest_s=1e6)
    for value in range(100):
        telemetry.point("load", value, labels={"file": "\udce4"})
    assert telemetry.save(30)
    assert receiver.arrived.wait(30)
    telemetry.close(0.0)

    telemetry = client(spool=folder)
    await recovered(telemetry, 100)

    first, second = receiver.requests
    assert (first.batch_id, first.body, "gzip") == (
        second.batch_id, second.body, second.headers["content-encoding"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tried_s_ago", "expected"),
    [
        pytest.param(None, {}, id="never tried"),
        pytest.param(13 * 60, {}, id="while it is known"),
        pytest.param(15 * 60, {"in_doubt": 1}, id="when it would count again"),
    ],
)
async def test_what_was_in_doubt_for_long_is_not_sent_again(
    client: Make, receiver: Receiver, folder: Path, tried_s_ago: int | None, expected: dict[str, int]
) -> None:
    """The gateway knows a repeat of points for 15 minutes; a batch that was never tried may be as old as it likes."""
    left(client, receiver, folder, range(1))
    (path,) = files(folder)
    number, batch_id, count, _, _ = path.stem.split("-")
    made_ms = now_ms() - 3600_000
    tried_s = 0 if tried_s_ago is None else now_ms() // 1000 - tried_s_ago
    told = f"{number}-{batch_id}-{count}-{made_ms}-{tried_s}.batch"
    first, _, sent = path.read_bytes().partition(b"\n")
    path.unlink()
    path.with_name(told).write_bytes(_head(first, made_ms, sent) + sent)

    telemetry = client(spool=folder)
    await recovered(telemetry, 1)

    assert (expected, 1 - len(expected), 0) == (
        telemetry.stats.dropped, len(receiver.requests), telemetry.stats.damaged,
    )  # fmt: skip


def _head(first: bytes, made_ms: int, sent: bytes) -> bytes:
    from zlib import crc32  # noqa: PLC0415  for this one test

    _, version, signal, batch_id, count, _, form, _ = first.decode().split(" ")
    name = f"{signal} {batch_id} {count} {made_ms} {form}"
    return f"tidegauge-batch {version} {name} {crc32(sent, crc32(name.encode())):08x}\n".encode()


@pytest.mark.parametrize(
    ("replies", "is_in_doubt"),
    [
        pytest.param([AWAY], False, id="refused before it was published"),
        pytest.param([Reply(429, {})], False, id="over the allowance"),
        pytest.param([UNKNOWN], True, id="no ack in time"),
        pytest.param([Reply(502, {})], True, id="a proxy without an answer"),
        pytest.param([Reply(0, hang_up=True)] * 2, True, id="hung up"),
        pytest.param([UNKNOWN, AWAY], True, id="refused when it came again"),
    ],
)
async def test_a_batch_that_was_surely_not_taken_is_not_in_doubt(
    client: Make, receiver: Receiver, folder: Path, replies: list[Reply], is_in_doubt: bool
) -> None:
    """The file says so by its name, for whoever finds it."""
    receiver.answer(TELEMETRY, *replies, Reply(503, {"outcome": "not_accepted"}, {"Retry-After": "600"}))
    telemetry = client(spool=folder)
    telemetry.point("load", 1)
    telemetry.save(30)

    async def tried() -> bool:
        return len(receiver.requests) == len(replies) + 1 and telemetry.stats.retries > 0

    await until(tried, "it was tried and is tried no more")
    telemetry.close(0.0)

    (path,) = files(folder)
    assert is_in_doubt == (not path.name.endswith("-0.batch"))


async def test_what_is_too_old_is_dropped(client: Make, receiver: Receiver, folder: Path) -> None:
    """By the time of its making, over restarts."""
    left(client, receiver, folder, range(3))

    telemetry = client(spool=folder, spool_age_s=0)
    await recovered(telemetry, 3)

    assert ({"too_old": 3}, []) == (telemetry.stats.dropped, receiver.requests)


@pytest.mark.parametrize(("notes", "dropped"), [(255, 0), (256, 0), (257, 1)])
def test_a_spool_holds_as_many_bytes_as_it_may(
    client: Make, receiver: Receiver, folder: Path, notes: int, dropped: int
) -> None:
    """Below it everything is kept, beyond it the oldest are dropped, but for the one that is being sent."""
    release = Event()
    receiver.answer("/v1/events", Reply(202, release=release))
    telemetry = client(spool=folder, spool_bytes=1 << 20, batch_items=1)
    text = "".join(chr(33 + at % 90) for at in range(400))
    for number in range(notes):
        telemetry.event("note", event_id=f"e{number}", properties={"text": text})
    assert telemetry.save(30)
    stats, taken = telemetry.stats, sum(path.stat().st_blocks * 512 for path in files(folder))
    release.set()
    assert telemetry.flush(30)

    assert taken <= 1 << 20
    assert ({"spool_full": dropped} if dropped else {}) == stats.dropped
    sent = [event["event_id"] for event in receiver.events]
    assert ["e0", *(f"e{number}" for number in range(1 + dropped, notes))] == sent


@pytest.mark.parametrize(("spool_bytes", "dropped"), [(1 << 20, 44), (2 << 20, 44), (4 << 20, 0)])
def test_the_processes_of_a_folder_share_its_bytes_evenly(
    client: Make, receiver: Receiver, folder: Path, spool_bytes: int, dropped: int
) -> None:
    """But each may keep 1 MiB, so that there is room for any batch."""
    release = Event()
    receiver.answer("/v1/events", *[Reply(202, release=release)] * 2)
    other = client(spool=folder, spool_bytes=spool_bytes)
    other.event("note")
    assert other.save(30)
    telemetry = client(spool=folder, spool_bytes=spool_bytes, batch_items=1)
    for _ in range(300):
        telemetry.event("note")
    assert telemetry.save(30)

    stats = telemetry.stats
    release.set()
    assert dropped == sum(stats.dropped.values())
    assert telemetry.flush(30)
    assert {} == other.stats.dropped


async def test_a_client_that_finds_what_several_left_has_their_shares(
    client: Make, receiver: Receiver, folder: Path
) -> None:
    """Nothing that was saved makes room because one client has all of it now."""
    receiver.answer(TELEMETRY, *[AWAY] * 10_000)
    several = [client(spool=folder, spool_bytes=3 << 20, batch_items=1) for _ in range(3)]
    for each in several:
        for value in range(200):
            each.point("left", value)
        assert each.save(30)
    for each in several:
        each.close(0.0)
    receiver.script[TELEMETRY].clear()

    telemetry = client(spool=folder, spool_bytes=3 << 20)
    await recovered(telemetry, 600)

    assert ({}, 600) == (telemetry.stats.dropped, telemetry.stats.sent)


SPOILS = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "half written": lambda path: path.rename(path.with_suffix(".new")),
    "one bit": lambda path: path.write_bytes(path.read_bytes()[:-9] + b"?" + path.read_bytes()[-8:]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "another version": lambda path: path.write_bytes(path.read_bytes().replace(b"batch 1", b"batch 9", 1)),
    "another's name": lambda path: path.rename(path.with_name(path.name.replace("-1-", "-2-"))),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a foreign file": lambda path: path.rename(path.with_name("notes.txt")),
}


@pytest.mark.parametrize("spoil", SPOILS)
async def test_a_damaged_file_is_set_aside(
    client: Make, receiver: Receiver, folder: Path, spoil: str
) -> None:
    """Counted, never raised; its neighbours arrive."""
    left(client, receiver, folder, range(3))
    SPOILS[spoil](files(folder)[1])

    telemetry = client(spool=folder)

    async def found() -> bool:
        stats = telemetry.stats
        return (stats.sent, stats.damaged, stats.queued) == (2, 1, 0)

    await until(found, "the neighbours are sent and one is set aside")
    assert [0, 2] == [point["value"] for point in receiver.points]
    assert 1 == len(list((folder / "damaged").iterdir()))
    stats = telemetry.stats
    assert stats.recovered == stats.sent + sum(stats.dropped.values())


async def test_files_that_were_set_aside_are_few(client: Make, receiver: Receiver, folder: Path) -> None:
    """The newest twenty."""
    left(client, receiver, folder, range(30))
    for path in files(folder):
        path.write_bytes(b"")

    telemetry = client(spool=folder)
    await recovered(telemetry, 30)

    assert (30, {"damaged": 30}) == (telemetry.stats.damaged, telemetry.stats.dropped)
    assert 20 == len(list((folder / "damaged").iterdir()))


def test_files_are_readable_by_their_owner_alone(client: Make, receiver: Receiver, folder: Path) -> None:
    """Whatever the umask says."""
    before = os.umask(0)
    try:
        left(client, receiver, folder, range(2))
    finally:
        os.umask(before)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*")) if path.is_dir()}
    assert ({0o600}, {0o700}) == (modes, folders)


async def test_a_folder_that_cannot_be_made_costs_the_safety_alone(
    client: Make, receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Points go on from memory, and the log says so."""
    (tmp_path / "file").write_text("in the way")
    release = Event()
    receiver.answer(TELEMETRY, Reply(202, release=release))
    telemetry = client(spool=tmp_path / "file/spool")
    telemetry.point("load", 1)

    assert not telemetry.save(0.2)
    release.set()
    assert telemetry.flush(30)
    assert [1.0] == [point["value"] for point in receiver.points]
    assert [message for message in caplog.messages if message.startswith("1 points in memory alone: spool:")]
    assert Stats(sent=1) == telemetry.stats


def test_save_puts_everything_into_files(client: Make, receiver: Receiver, folder: Path) -> None:
    """Points and events, without waiting for the gateway; without a spool it says no."""
    receiver.answer(TELEMETRY, *[AWAY] * 1000)
    receiver.answer("/v1/events", *[AWAY] * 1000)
    telemetry, without = client(spool=folder), client(retry_first_s=1e6)
    for value in range(1200):
        telemetry.point("load", value)
    telemetry.event("click")
    without.point("load", 1)

    assert telemetry.save(30)
    assert not without.save(0.05)
    assert 1201 == telemetry.stats.stored == telemetry.stats.queued
    assert 4 == len(files(folder))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        pytest.param({"spool": 7}, "TypeError spool: must be the path of a folder, not int", id="folder"),
        pytest.param({"spool": ""}, "ValueError spool: must not be empty", id="no folder"),
        pytest.param(
            {"spool_bytes": 1000}, "ValueError spool_bytes: must be between 1048576 and", id="bytes"
        ),
        pytest.param(
            {"spool_age_s": 432_001}, "ValueError spool_age_s: must be between 0 and 432000", id="age"
        ),
        pytest.param(
            {"spool_age_s": "1 day"}, "TypeError spool_age_s: must be a number, not str", id="no age"
        ),
    ],
)
def test_a_wrong_setting_of_the_spool_raises(tmp_path: Path, given: dict[str, object], error: str) -> None:
    """When the client is made, with its name."""
    with pytest.raises((TypeError, ValueError)) as raised:
        Telemetry(**({"url": "http://host", "key": "key", "spool": tmp_path} | given))

    assert f"{raised.type.__name__} {raised.value}".startswith(error)
