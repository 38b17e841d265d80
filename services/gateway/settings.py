"""The gateway's knobs, read once in `__main__`; each is `GATEWAY_<FIELD>` or `TIDEGAUGE_<FIELD>`.

Milliseconds and bytes, as the names say. Every limit that a client can meet stands here or in `shared/model`.
"""

from typing import Annotated, Literal

import msgspec

from shared.wire.versions import OLD, WriteVersion

Positive = Annotated[int, msgspec.Meta(ge=1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All that an operator may set."""

    kafka: str
    """Bootstrap address, `host:port`."""
    postgres: str
    """Address of the database, `postgresql://user@host:port/name`."""
    redis: str
    """Address of the cache, `redis://host:port/0`."""
    role: Literal["intake", "query"] = "intake"
    """What the process does: `intake` takes points and events in, `query` answers questions."""
    host: str = "127.0.0.1"
    """Address to listen on; behind a proxy or in a container `0.0.0.0`."""
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 8080
    """Port to listen on."""
    metrics_host: str = "127.0.0.1"
    """Address at which /metrics and /health answer; in a container `0.0.0.0`."""
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """Port there; 0: nobody may ask."""
    query_url: str = ""
    """Public address of the queries: an intake names it to whoever asks it a question; empty: it names none."""
    intake_url: str = ""
    """Public address of the intake: a query process names it to whoever posts to it; empty: it names none."""
    topic_prefix: str = ""
    """Put before the names of topics, so that tests may share a broker; empty in production."""
    write_version: WriteVersion = OLD
    """Version of what is stored and sent: 4, or 5 once every process of the fleet reads it. Both are read always."""
    max_body_bytes: Positive = 1 << 20
    """Largest body on the wire: 1 MiB."""
    max_decoded_bytes: Positive = 5 << 20
    """Largest body after decompression: 5 MiB."""
    max_points: Annotated[int, msgspec.Meta(ge=1, le=20_000)] = 1000
    """Points of one request; 1 to 20,000."""
    max_events: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1000
    """Events of one request; 1 to 10,000."""
    max_requests: Positive = 1024
    """Requests that may be under way at once; more are answered 503."""
    inflight_bytes: Positive = 64 << 20
    """Bytes of bodies that may be under way at once; more are answered 503."""
    produce_deadline_ms: Annotated[int, msgspec.Meta(ge=100, le=10_000)] = 10_000
    """How long a flush may wait for the broker's ack; then its requests are answered 503 `unknown`. At most 10 s."""
    stall_ms: Annotated[int, msgspec.Meta(ge=100)] = 3_000
    """Age of an unacked flush from which on new requests are refused at once."""
    headers_ms: Positive = 10_000
    """How long a connection may be silent before its first request, and headers may take."""
    body_idle_ms: Positive = 10_000
    """How long a body may stall before the answer is 408."""
    body_total_ms: Positive = 30_000
    """How long a body may take in all before the answer is 408."""
    max_series: Annotated[int, msgspec.Meta(ge=1000)] = 100_000
    """Series remembered at once, about 0.5 KiB each; beyond it the memory starts anew."""
