"""A transition of an alert as bytes: one CloudEvents 1.0 object for `telemetry.alerts.v1`, structured JSON.

Times are milliseconds UTC, except `time`, which CloudEvents requires as text. `id` is the idempotency key, and all
transitions of one alert have its fingerprint as `partitionkey`. Equal transitions have equal bytes.
"""

from urllib.parse import quote

import msgspec
import xxhash

from shared.errors import Rejected
from shared.model.instants import text_of
from shared.wire.versions import MODULES, OLD, check


class AlertTransition(msgspec.Struct, frozen=True, kw_only=True):
    """A change of an alert's state, and the evaluation that caused it."""

    rule: str
    state: str
    """`firing` or `resolved`."""
    reason: str
    labels: dict[str, str]
    annotations: dict[str, str]
    value: float
    threshold: float
    expr: str
    window_start_ms: int
    at_ms: int
    """Event time of the transition."""
    active_at_ms: int
    fired_at_ms: int | None
    resolved_at_ms: int | None
    episode_ms: int
    decided_on: str
    count: float | None
    """Points of the window; None: not a number."""
    revision: int
    watermark_ms: int


class AlertCloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope that CloudEvents prescribes."""

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str = "application/json"
    partitionkey: str
    dataschema: str | msgspec.UnsetType = msgspec.UNSET
    """Names the version of `data`; version 4 does not."""
    data: AlertTransition


class _Keyed(msgspec.Struct):
    partitionkey: str


class _WithSchema(msgspec.Struct):
    dataschema: str | msgspec.UnsetType = msgspec.UNSET


SCHEMA = "urn:tidegauge:alert:"
"""What `dataschema` begins with; the version follows."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AlertCloudEvent)
_keyed = msgspec.json.Decoder(_Keyed)
_with_schema = msgspec.json.Decoder(_WithSchema)


def encode(
    key: str, fingerprint: str, transition: AlertTransition, version: int = OLD, placement: str = ""
) -> bytes:
    """The bytes of a transition; `placement` names its alert to the partitioner where its fingerprint does not."""
    return _encoder.encode(
        AlertCloudEvent(
            id=key,
            source=f"/alerts/{quote(transition.rule, safe='')}",
            type=f"telemetry.alert.{transition.state}.v1",
            subject=fingerprint,
            time=text_of(transition.at_ms),
            partitionkey=placement or fingerprint,
            dataschema=f"{SCHEMA}{version}" if version != 4 else msgspec.UNSET,  # the one without
            data=transition,
        )
    )


def decode(value: bytes | None) -> AlertCloudEvent:
    """The transition of these bytes; raise `Rejected` for other bytes, `UnknownVersion` for another build's."""
    try:
        named = _with_schema.decode(value or b"").dataschema
        if named is not msgspec.UNSET:
            check("alert", _number(named), MODULES)
        event = _decoder.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected("bad_alert", str(error)) from error
    if event.specversion != "1.0":
        raise Rejected("unsupported_version", f"specversion: {event.specversion} is not 1.0")
    return event


def _number(schema: str) -> int:
    name, number = schema[: len(SCHEMA)], schema[len(SCHEMA) :]
    if name != SCHEMA or not number.isdecimal():
        raise Rejected("bad_alert", f"dataschema: {schema} is none of ours")
    return int(number)


def partition_of(value: bytes, partitions: int) -> int:
    """The partition that all transitions of this one's alert go to."""
    return xxhash.xxh3_64_intdigest(_keyed.decode(value).partitionkey.encode()) % partitions
