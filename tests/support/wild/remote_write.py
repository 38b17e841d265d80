"""Requests of Prometheus remote write, 1.0 and 2.0. Samples and histograms are numbered in their order."""

import struct
from random import Random

from services.gateway.intake.protocols import registry
from tests.support import remote_write as written
from tests.support.wild import edges
from tests.support.wild.wild_body import WildBody

NAMES = (
    "up",
    "http_requests_total",
    "rpc_seconds_sum",
    "rpc_seconds_bucket",
    "heap_bytes",
    "x_created",
    "имя",
)
FIRST_TYPE = b"application/x-protobuf"


def first(chance: Random, now_ms: int) -> WildBody:
    """Version 1.0."""
    rows, silent, size = [], set[int](), 0
    for _ in range(chance.choice((1, 2, 5, 20))):
        samples = _samples(chance, now_ms)
        histograms = _histograms(chance, now_ms)
        rows.append(
            written.series(
                _labels(chance), *samples, more=b"".join(written.part(4, one) for one in histograms)
            )
        )
        silent |= {size + at for at, (value, _) in enumerate(samples) if _is_stale(value)}
        size += len(samples) + len(histograms)
    said = [
        written.metadata(chance.choice(NAMES), chance.randrange(8)) for _ in range(chance.choice((0, 0, 2)))
    ]
    body = written.request(rows, said)
    return WildBody(
        registry.REMOTE_WRITE[0], body, size, silent, FIRST_TYPE, ((b"content-type", FIRST_TYPE),)
    )


def second(chance: Random, now_ms: int) -> WildBody:
    """Version 2.0."""
    rows, silent, size = [], set[int](), 0
    for _ in range(chance.choice((1, 2, 5, 20))):
        pairs = _samples(chance, now_ms)
        start = chance.choice((0, 0, now_ms - 60_000, now_ms + 1, -1, 5, 2**62))
        samples = [written.sample(value, ts, start) for value, ts in pairs]
        histograms = _histograms(chance, now_ms)
        rows.append((dict(_labels(chance)), samples, histograms, chance.randrange(8)))
        silent |= {size + at for at, (value, _) in enumerate(pairs) if _is_stale(value)}
        size += len(samples) + len(histograms)
    media = written.SECOND[1]
    return WildBody(
        registry.REMOTE_WRITE[0],
        written.second_request(rows),
        size,
        silent,
        media,
        ((b"content-type", media),),
    )


def _is_stale(value: float) -> bool:
    return struct.pack("<d", value) == struct.pack("<d", written.STALE)


def _samples(chance: Random, now_ms: int) -> list[tuple[float, int]]:
    """Values with their times; all that 64 bits hold."""
    found = []
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        value = written.STALE if edges.often(chance, 0.03) else edges.floating(chance, 0.85)
        ts = edges.time_ms(chance, now_ms, 0.85)
        if edges.often(chance, 0.02):
            ts = chance.choice((2**63 - 1, -(2**63), 2**42, -1))
        found.append((value, ts))
    return found


def _labels(chance: Random) -> list[tuple[str, str]]:
    name = edges.text(chance, 200, NAMES, 0.95)
    pairs = {"__name__": name} | {
        _plain(label): _plain(value) for label, value in edges.labels(chance).items()
    }
    if edges.often(chance, 0.2):
        pairs[chance.choice(("le", "quantile"))] = chance.choice(("1", "1.0", "+Inf", "NaN", "1e400", "x"))
    if edges.often(chance, 0.03):
        pairs |= {f"l{at}": "v" for at in range(chance.choice((30, 63, 64, 65)))}
    found = [(_plain(label), _plain(value)) for label, value in pairs.items()]
    return [*found, found[-1]] if edges.often(chance, 0.02) else found


def _plain(text: str) -> str:
    """What protobuf can hold."""
    return text.encode("utf-8", "replace").decode()


def _histograms(chance: Random, now_ms: int) -> list[bytes]:
    if edges.often(chance, 0.85):
        return []
    schema = chance.choice((-53, -4, -1, 0, 2, 3, 8, 9, -5))
    size = chance.choice((0, 1, 3, 20))
    offset = chance.choice((0, -1, 1, 5, 330, 331, 1340, 100_000, -100_000, 2**31 - 1))
    spans = [(offset, size)] if size else []
    deltas = [1] + [chance.choice((0, 1, -1)) for _ in range(size - 1)] if size else []
    bounds = [float(at) for at in range(chance.choice((0, 1, 5, 199)))] if schema == -53 else []
    if edges.often(chance, 0.1):
        deltas = deltas[1:]
    total = written.STALE if edges.often(chance, 0.05) else edges.floating(chance)
    ts, hint = edges.time_ms(chance, now_ms, 0.8), chance.choice((0, 0, 1, 2, 3))
    # A marker that ends a series stands in the sum; such a histogram says nothing, and is numbered all the same.
    made = written.histogram(
        schema, spans, deltas, ts, zero=chance.choice((0, 5, 2**63)), bounds=bounds, total=total, hint=hint
    )
    return [] if _is_stale(total) else [made]
