"""How senders of remote write are answered: in plain text, by statuses that each of them understands.

Prometheus drops a batch on any 4xx, 429 among them, and comes again on 5xx. vmagent drops on 400, 409 and 415 alone and
repeats all else for ever. So what may never be taken is 400, and what passes by itself is 503 with `Retry-After`.
"""

from collections.abc import Iterable

from services.gateway.auth.schemes import key_shown
from services.gateway.http.problems import Headers, Problem
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.protocols.dialect import Answer, Asked, Dialect
from services.gateway.intake.protocols.remote_write.compression import unsnappy, unsnappy_if_it_is, unzstd
from services.gateway.intake.protocols.remote_write.messages import CountedRequest2
from services.gateway.intake.protocols.remote_write.samples import NO_VALUE
from services.gateway.intake.protocols.remote_write.version import SECOND, is_second
from services.gateway.intake.service import IntakeResult

WIRE_BYTES, DECODED_BYTES = 4 << 20, 16 << 20
"""Largest bodies; vmagent's largest block is 8 MiB before compression."""

KEPT = frozenset({401, 405})
"""Statuses of the client's own that stay: a key may be put right while vmagent keeps its data."""

PASSING = frozenset({408, 429})
"""Statuses that pass by themselves."""

SHOWN = 3
"""Refusals that an answer names; Prometheus logs one line of it."""

_TEXT = (b"content-type", b"text/plain; charset=utf-8")


class RemoteWriteDialect(Dialect):
    """Of both versions."""

    media = frozenset[bytes]()
    encodings = {b"": unsnappy_if_it_is, b"snappy": unsnappy, b"zstd": unzstd}  # noqa: RUF012 - never changed
    wire_bytes = WIRE_BYTES
    decoded_bytes = DECODED_BYTES

    def key(self, asked: Asked) -> bytes:
        """The key, as a bearer token, in `X-API-Key` or as the password of `basic_auth`."""
        return key_shown(asked.headers)

    def taken(self, request: Request, result: IntakeResult) -> Answer:
        """204, or 400 where a sample was refused that has a value; the others are kept all the same."""
        headers = _written(request, result.rejected) if is_second(request.headers) else []
        faults = [refusal for refusal in result.rejected if refusal.code != NO_VALUE]
        if not faults:
            return Answer(204, headers, b"")
        return Answer(400, [_TEXT, *headers], _message(result.accepted, faults))

    def refused(self, asked: Asked, problem: Problem) -> Answer:
        """400 or 503, whatever the problem calls itself."""
        headers: Headers = [_TEXT, *problem.headers]
        status = problem.status
        if status in PASSING:
            status = 503
        elif status < 500 and status not in KEPT:
            status = 400
        if status >= 500:
            headers.append((b"retry-after", b"%d" % max(1, problem.retry_after_s)))
        if SECOND in dict(asked.headers).get(b"content-type", b""):
            headers += _counts(0, 0)
        return Answer(status, headers, f"{problem.code}: {problem.message}".encode())


def _message(accepted: int, faults: list[Rejection]) -> bytes:
    """What was refused, in one line."""
    first = "; ".join(f"sample {each.index}: {each.code}: {each.message}" for each in faults[:SHOWN])
    return f"{len(faults)} samples refused, {accepted} kept: {first}".encode()


def _written(request: Request, rejected: Iterable[Rejection]) -> Headers:
    """How many samples and histograms of a request of version 2.0 were taken; they are refused by their place."""
    refused = {refusal.index for refusal in rejected}
    place = samples = histograms = 0
    for series in CountedRequest2.FromString(request.body).timeseries:
        floats, end = place + len(series.samples), place + len(series.samples) + len(series.histograms)
        samples += sum(each not in refused for each in range(place, floats))
        histograms += sum(each not in refused for each in range(floats, end))
        place = end
    return _counts(samples, histograms)


def _counts(samples: int, histograms: int) -> Headers:
    return [
        (b"x-prometheus-remote-write-samples-written", b"%d" % samples),
        (b"x-prometheus-remote-write-histograms-written", b"%d" % histograms),
        (b"x-prometheus-remote-write-exemplars-written", b"0"),
    ]
