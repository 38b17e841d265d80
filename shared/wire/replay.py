"""A dead letter as it is published again: its own bytes under an address that counts once, however often it comes.

A batch of points is the only message of a producer named after its origin, so the aggregator drops repeats. Events are
known by their ids; windows may come twice. No field is read that is not needed, so that letters of newer versions
survive. Invariant: the ledger closes after a replay, whether the replay fails or counts.
"""

from typing import Any, TypeAlias

import msgspec

from shared.ledger.entries import DEAD_LETTERED, coded, unsettled
from shared.wire.dead_letter import DeadLetter
from shared.wire.ledger_entries import FIELD, VERSION_4, salvaged
from shared.wire.topics import METRICS

PREFIX = "replay:"
"""Prefix of the producer's name of a replayed message."""

_Fields: TypeAlias = dict[str, msgspec.Raw]

_packed, _text = msgspec.msgpack.Decoder(_Fields), msgspec.json.Decoder(_Fields)
_name, _number = msgspec.msgpack.Decoder(str), msgspec.msgpack.Decoder(int)


def replayed(letter: DeadLetter, value: bytes) -> bytes:
    """What to publish for a letter with this value; the value as it is when nothing in it can be read."""
    json = value.startswith(b"{")
    try:
        fields = (_text if json else _packed).decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return value
    encode: Any = msgspec.json.encode if json else msgspec.msgpack.encode
    added = _settling(letter, value, fields)
    if not json and letter.topic.endswith(METRICS.name):
        added |= {"producer": _producer(letter, fields), "seq": 1}
    return encode(fields | added) if added else value


def _settling(letter: DeadLetter, value: bytes, fields: _Fields) -> dict[str, Any]:
    """Ledger entries that take back what the letter's own said; nothing when that could not be read either."""
    lines = salvaged(value)
    if not lines:
        return {}
    outcome = coded(DEAD_LETTERED, letter.code)
    name = FIELD if FIELD in fields else VERSION_4
    return {name: [(tenant_id, outcome, -count) for tenant_id, count in unsettled(lines).items()]}


def _producer(letter: DeadLetter, fields: _Fields) -> str:
    try:
        name, seq = _name.decode(fields["producer"]), _number.decode(fields["seq"])
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError):
        return f"{PREFIX}{letter.topic}/{letter.partition}/{letter.offset}"
    return name if name.startswith(PREFIX) else f"{PREFIX}{name}/{seq}"
