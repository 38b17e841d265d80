"""Golden bytes of every format and version, `FORMAT.vN.bin`, and what they decode to, `FORMAT.vN.json`.

Those of version 4 were written by the build that it is the format of (`first_build.py`), but for formats that are newer
than that build; those of the newest version are what their content encodes to, with what version 4 cannot say
(`enriched`). The columns of a row of `batch_id` are
an array of MessagePack. `frames.json` holds the fields of every frame. Times are milliseconds UTC.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cramjam
import msgspec
import numpy as np

from shared.wire import alerts, dead_letter, envelope, events, rollups
from shared.wire.stored import batch_ids, groups, live, producers, snapshot
from shared.wire.versions import MODULES

FOLDER = Path(__file__).parent

NOW_MS = 1_763_985_612_345
"""When the examples were appended."""

_ZSTD = b"\x28\xb5\x2f\xfd"


class Format(NamedTuple):
    """How one format is read and written."""

    decode: Callable[[bytes], Any]
    encode: Callable[[Any, int], bytes]


def _alert(event: Any, version: int) -> bytes:
    return alerts.encode(event.id, event.subject, event.data, version)


def _ids(value: bytes) -> batch_ids.Ids:
    return batch_ids.decode(msgspec.msgpack.decode(value, type=batch_ids.Row))


def _row(ids: batch_ids.Ids, version: int) -> bytes:
    return msgspec.msgpack.encode(batch_ids.encode(ids, version))


FORMATS = {
    "points": Format(lambda value: envelope.decode(value, NOW_MS), envelope.encode),
    "tick": Format(
        lambda value: envelope.decode(value, NOW_MS),
        lambda batch, version: envelope.tick(
            batch.producer, batch.seq, batch.received_at_ms, batch.entries, version
        ),
    ),
    "events": Format(lambda value: events.decode(value, NOW_MS), events.encode),
    "windows": Format(rollups.decode, rollups.encode),
    "alert": Format(alerts.decode, _alert),
    "dead_letter": Format(dead_letter.decode, dead_letter.encode),
    "live_window": Format(live.decode, live.encode),
    "prepared_groups": Format(groups.decode, groups.encode),
    "snapshot": Format(snapshot.decode, snapshot.encode),
    "open_window": Format(snapshot.decode_window, snapshot.encode_window),
    "running_totals": Format(snapshot.decode_totals, snapshot.encode_totals),
    "batch_ids": Format(_ids, _row),
    "producers": Format(producers.decode, producers.encode),
}
"""By the name of their examples."""


def enriched(name: str, content: Any) -> Any:
    """The content of an example, with what version 4 cannot say: what tells streams of running totals apart."""
    if name == "points":
        content.points.stream = np.array([0, 0, 7, 0, 0, (1 << 64) - 1], np.uint64)
    elif name == "snapshot":
        columns = content.totals.columns
        columns["stream_id"] = np.arange(1, len(columns["middle"]) // 8 + 1, dtype="<u8").tobytes()
        content.totals.identified_ms = NOW_MS
    return content


def path(name: str, version: int, form: str = "bin") -> Path:
    """Where an example of a format is."""
    return FOLDER / f"{name}.v{version}.{form}"


def shown(value: Any) -> bytes:
    """What was decoded, as JSON text."""
    text = msgspec.json.encode(value, enc_hook=lambda one: one.tolist(), order="sorted")
    return msgspec.json.format(text, indent=1) + b"\n"


def plain(value: bytes) -> bytes:
    """The bytes with what is compressed in plain: how zstd packs is no part of a format."""
    at = value.find(_ZSTD)
    return value if at < 0 else value[:at] + bytes(cramjam.zstd.decompress(value[at:]))


def frames() -> bytes:
    """The fields of every frame of every version, as JSON text."""
    found = {
        f"{name}.v{version}": {
            "v": str(_number_of(frame)),
            **{field.encode_name: _described(field) for field in msgspec.structs.fields(frame)},
        }
        for version, module in MODULES.items()
        for name, frame in vars(module).items()
        if isinstance(frame, type) and frame.__module__ == module.__name__
    }
    found["batch_ids"] = {name: str(batch_ids.NOTE[name]) for name in batch_ids.NOTE.names or ()}
    found["event"] = {field.encode_name: _described(field) for field in msgspec.structs.fields(events.Event)}
    return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"


def _number_of(frame: Any) -> object:
    return frame.__struct_config__.tag


def _described(field: Any) -> str:
    kind = (
        getattr(field.type, "__name__", str(field.type)) if isinstance(field.type, type) else str(field.type)
    )
    return kind if field.required else f"{kind}, optional"
