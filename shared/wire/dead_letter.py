"""A dead letter on `telemetry.deadletter.v1`: a MessagePack map with code, reason, origin and the original bytes.

Offsets are Kafka's. Topic, partition and offset name the refused record for ever, so one that is published twice is
known by its origin.
"""

from typing import NamedTuple

import msgspec

from shared.errors import Rejected
from shared.wire.versions import OLD, check, frames, number_of


class DeadLetter(NamedTuple):
    """A record that no consumer can use."""

    topic: str
    partition: int
    offset: int
    code: str
    reason: str
    value: bytes | None


_FRAMES = frames("DeadLetter")
_NUMBERS = {1: 4, 5: 5}
"""The version that each number means."""

_encoder = msgspec.msgpack.Encoder()
_decoders = {version: msgspec.msgpack.Decoder(frame) for version, frame in _FRAMES.items()}


def encode(letter: DeadLetter, version: int = OLD) -> bytes:
    """The bytes of a dead letter."""
    return _encoder.encode(_FRAMES[version](*letter))


def decode(value: bytes) -> DeadLetter:
    """The dead letter of these bytes; raise `Rejected` for other bytes, `UnknownVersion` for those of another build."""
    try:
        number = number_of(value, absent=0)
        check("dead letter", number, _NUMBERS)
        frame = _decoders[_NUMBERS[number]].decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected("bad_dead_letter", str(error)) from error
    return DeadLetter(frame.topic, frame.partition, frame.offset, frame.code, frame.reason, frame.value)
