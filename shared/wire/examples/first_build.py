"""Writes the examples of version 4, in a tree of the build that it is the format of: commit 73920a5.

`git worktree add ../first 73920a5 && cd ../first && make env && PYTHONPATH=. .venv/bin/python FILE FOLDER`, where FILE
is this one. Modules are looked up by name, since most of these names exist in that tree alone. Times are milliseconds.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

TOPIC = "points"
NOW_MS = 1_763_985_612_345
TENANT_ID = 7
ENTRIES = [(TENANT_ID, "received", 6), (TENANT_ID, "rejected:ts_too_old", 2)]


def messages() -> dict[str, bytes]:
    """What stands on the topics."""
    envelope, events, letters, alerts = (
        import_module(f"shared.wire.{name}") for name in ("envelope", "events", "dead_letter", "alerts")
    )
    event = events.Event(
        TENANT_ID, "e-1", "click", NOW_MS - 5, "buy", "s-1", "u-1", msgspec.Raw(b'{"price":4.5}')
    )
    grounds = alerts.Grounds(
        rule="slow pages", state="firing", reason="breach", labels={"page": "/"}, annotations={"summary": "slow"},
        value=4.5, threshold=2.0, expr="p95 > 2", window_start_ms=NOW_MS - 12_345, at_ms=NOW_MS,
        active_at_ms=NOW_MS - 60_000, fired_at_ms=NOW_MS, resolved_at_ms=None, episode_ms=NOW_MS, decided_on="final",
        count=12.0, revision=0, watermark_ms=NOW_MS,
    )  # fmt: skip
    return {
        "points": envelope.encode(batch(1, 0)),
        "tick": envelope.tick("gateway-1", 9, NOW_MS, ENTRIES),
        "events": events.encode(events.Batch(1, NOW_MS, [event], ENTRIES)),
        "dead_letter": letters.encode(letters.DeadLetter(TOPIC, 3, 41, "bad_batch", "seq: missing", b"\xc1")),
        "alert": alerts.encode("k-1", "f-1", grounds),
    }


def batch(seq: int, after_ms: int) -> Any:
    """Points of three series, one of them a running total, of which a part came in a batch with an id."""
    envelope, wire = import_module("shared.wire.envelope"), import_module("shared.wire.series")
    series = import_module("shared.model.series").Series
    kinds = (("load", "gauge"), ("pages", "delta"), ("bytes", "cumulative"))
    packed = [
        wire.pack(series(TENANT_ID, name, kind, "1", (("host", "a"), ("unit", "é")))) for name, kind in kinds
    ]
    at_ms = NOW_MS + after_ms
    points = import_module("shared.model.point").Points(
        np.array([0, 1, 2, 0, 1, 2], np.uint16), at_ms + np.array([-9, -8, -7, -3, -2, -1]),
        np.array([1.5, 2.0, 100.0, -0.25, 4.0, 164.0]) * seq, np.array([1.0, 2.0, 1.0, 1.0, 0.5, 1.0]),
        np.array([0, 0, NOW_MS - 60_000] * 2), np.array([0, 1 << 60, 0, 0, (1 << 64) - 3, 0], np.uint64),
    )  # fmt: skip
    part = envelope.Part(bytes(range(16))[::-1] if seq > 1 else bytes(range(16)), 12345 * seq, 1, 4)
    return envelope.Batch("gateway-1", seq, at_ms, packed, points, [part], ENTRIES)


def stored() -> dict[str, bytes]:
    """What a checkpoint stores after some messages, the last of which has made older windows close."""
    stream = import_module("services.aggregator.adapters.stream")
    snapshot, live, rollups = (
        import_module(name)
        for name in (
            "services.aggregator.adapters.snapshot",
            "shared.wire.live",
            "shared.wire.rollups",
        )
    )
    pump = import_module("shared.stream.processor")
    key, envelope = pump.Key(TOPIC, 3), import_module("shared.wire.envelope")
    memory = import_module("services.aggregator.domain.repeats").Repeats()
    fold = stream.PartitionStream(key, pump.Stored(1, 0, None, b"", None), {}, memory)
    for offset, after_ms in enumerate((0, 25_000, 21_000)):
        value = envelope.encode(batch(offset + 1, after_ms))
        fold.fold(pump.Record(offset, NOW_MS + after_ms, value))
    checkpoint = fold.checkpoint()
    work = checkpoint.work
    fold.fold(pump.Record(3, NOW_MS + 22_000, envelope.encode(batch(4, 3_000))))
    whole = dict(snapshot.whole(key, work))
    resolution_ms, rows = next(iter(work.closed.items()))
    names, closed = import_module("services.aggregator.service").compact(work.series, rows)
    windows = rollups.encode(rollups.Windows(3, True, 3, NOW_MS, names, closed, resolution_ms))
    row = import_module("services.aggregator.adapters.repeats")._packed(work.batches)  # noqa: SLF001 # it wrote the table
    totals = import_module("services.aggregator.adapters.totals")
    return {
        "windows": windows,
        "live_window": live.encode(windows, 3),
        "snapshot": fold.checkpoint().snapshot,
        "open_window": whole[60_000],
        "running_totals": snapshot._compressed(totals.encode_whole(work.totals.totals)),  # noqa: SLF001 # as above
        "batch_ids": msgspec.msgpack.encode(row),
        "producers": checkpoint.seen,
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, value in (messages() | stored()).items():
        (folder / f"{name}.v4.bin").write_bytes(value)
