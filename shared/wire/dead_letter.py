"""A dead letter on `telemetry.deadletter.v1`: a MessagePack map with code, reason, origin and the original bytes.

Offsets are Kafka's. The law: topic, partition and offset name the refused record for ever, so one that is published
twice is known by its origin.
"""

import msgspec

VERSION = 1
"""Version this code writes."""


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """A record that no consumer can use."""

    topic: str
    partition: int
    offset: int
    code: str
    reason: str
    value: bytes | None
    v: int = VERSION


encode = msgspec.msgpack.Encoder().encode
"""The bytes of a dead letter."""
