"""The gateway's knobs, read once in `__main__`; each is `GATEWAY_<FIELD>` or `TIDEGAUGE_<FIELD>`.

Milliseconds and bytes, as the names say. Every limit that a client can meet stands here or in `shared/model`.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from shared.wire.versions import OLD, WriteVersion

VIEWS = Path(__file__).parents[2] / "deploy/views"
"""The saved views that are installed beside the services."""

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
    statsd_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """UDP port of an intake for StatsD lines; 0: none. They come without a key, and nobody is answered."""
    statsd_key: str = ""
    """API key whose tenant the lines of `statsd_port` belong to."""
    query_url: str = ""
    """Public address of the queries: an intake names it to whoever asks it a question; empty: it names none."""
    intake_url: str = ""
    """Public address of the intake: a query process names it to whoever posts to it; empty: it names none."""
    views: str = str(VIEWS)
    """Folder of saved views, which a query process lists; empty: none."""
    topic_prefix: str = ""
    """Put before the names of topics, so that tests may share a broker; empty in production."""
    write_version: WriteVersion = OLD
    """Version of what is stored and sent: 4, or 5 once every process of the fleet reads it. Both are read always."""
    slow_request_ms: Positive = 500
    """An answer of the queries that takes so long is logged; with more weight from 3 s and from 5 s on."""
    slow_query_ms: Positive = 100
    """A statement of the queries that takes so long is logged; as an error from ten times as long on."""
    max_body_bytes: Positive = 1 << 20
    """Largest body on the wire: 1 MiB."""
    max_decoded_bytes: Positive = 5 << 20
    """Largest body after decompression: 5 MiB."""
    max_inflation: Positive = 100
    """So many times its bytes on the wire a body may have after decompression, where it has more than 256 KiB then."""
    max_objects: Annotated[int, msgspec.Meta(ge=1000)] = 1 << 18
    """Objects and lists of JSON that a body may hold, in as many as it may have bytes more than `max_decoded_bytes` in
    proportion: 262,144. At least 1,000."""
    max_items: Positive = 100_000
    """Points, records or spans of a request of OpenTelemetry; other protocols have smaller limits."""
    max_points: Annotated[int, msgspec.Meta(ge=1, le=20_000)] = 1000
    """Points of one request; 1 to 20,000."""
    max_events: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1000
    """Events of one request; 1 to 10,000."""
    otlp_resource_labels: str = "service.name"
    """Attributes of OpenTelemetry's resources that become labels, a list with commas; the others tell streams apart."""
    max_requests: Positive = 1024
    """Requests that may be under way at once; more are answered 503."""
    inflight_bytes: Positive = 64 << 20
    """Bytes of bodies that may be under way at once; more are answered 503."""
    max_turn_wait_ms: Positive = 2_000
    """How long a body may wait beside those of other tenants to be decoded; then it is answered 429."""
    produce_deadline_ms: Annotated[int, msgspec.Meta(ge=100, le=10_000)] = 10_000
    """How long a flush may wait for the broker's ack; then its requests are answered 503 `unknown`. At most 10 s."""
    stall_ms: Annotated[int, msgspec.Meta(ge=100)] = 3_000
    """Age of an unacked flush from which on new requests are refused at once."""
    max_clock_offset_ms: Annotated[int, msgspec.Meta(ge=100)] = 10_000
    """How far this machine's clock may be from the broker's: beyond it an intake is not ready. At least 100."""
    max_connections: Positive = 16_384
    """Connections of clients that may be open at once; fewer where the process may not have so many files."""
    max_connections_per_address: Positive = 1024
    """Those of one address; behind a trusted proxy its requests under way. More are answered 503."""
    trusted_proxies: str = ""
    """Addresses and networks whose `X-Forwarded-For` is believed, a list with commas; empty: nobody's."""
    max_header_bytes: Annotated[int, msgspec.Meta(ge=1024)] = 16 << 10
    """Largest head of a request, target and headers: 16 KiB. At least 1,024."""
    max_headers: Annotated[int, msgspec.Meta(ge=16)] = 100
    """Headers of a request. At least 16."""
    max_target_bytes: Annotated[int, msgspec.Meta(ge=256)] = 8 << 10
    """Longest target of a request, path and query: 8 KiB. At least 256."""
    headers_ms: Positive = 10_000
    """How long a connection may be silent before its first request, and headers may take."""
    keep_alive_ms: Annotated[int, msgspec.Meta(ge=1000)] = 75_000
    """How long a connection may rest between two requests: longer than proxies and clients keep one, or a request meets
    the end of it. At least 1,000."""
    unread_ms: Positive = 30_000
    """How long a client may take nothing of its answer before the connection is cut off."""
    archive: str = ""
    """Where the archive lies, a folder or `s3://bucket/prefix`; empty: the tables alone are asked."""
    export_ms: Annotated[int, msgspec.Meta(ge=1000)] = 3_600_000
    """How long an export may take before it is cut off: Postgres keeps the rows of its snapshot meanwhile. At least
    1,000."""
    body_idle_ms: Positive = 10_000
    """How long a body may stall before the answer is 408."""
    body_total_ms: Positive = 30_000
    """How long a body may take in all before the answer is 408."""
    feed_bytes: Annotated[int, msgspec.Meta(ge=1 << 20)] = 256 << 20
    """Live windows that a query process keeps of the log: 256 MiB; beyond it they are unavailable. At least 1 MiB."""
    cache_bytes: Annotated[int, msgspec.Meta(ge=1 << 20)] = 64 << 20
    """Blocks of rows that a query process remembers: 64 MiB. At least 1 MiB."""
    max_series: Annotated[int, msgspec.Meta(ge=1000)] = 100_000
    """Series remembered at once, about 0.5 KiB each; beyond it the memory starts anew."""

    def resource_labels(self) -> tuple[str, ...]:
        """The attributes of resources that become labels."""
        return tuple(name.strip() for name in self.otlp_resource_labels.split(",") if name.strip())
