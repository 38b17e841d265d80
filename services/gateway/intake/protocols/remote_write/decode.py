"""Bodies of remote write, 1.0 and 2.0: series of labels, float samples and native histograms.

Version 1.0 spells the labels with each series: its rows are cut (`cut.py`), and only new labels are parsed. Version 2.0
refers to a table of symbols. Exemplars are skipped. Times are milliseconds UTC. Invariant: a series that cannot be read
is refused sample by sample and harms no other.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from services.gateway.intake.columns.contract import RefColumn, Request, RequestColumns
from services.gateway.intake.domain.admission import MINIMUM
from services.gateway.intake.protocols.remote_write.cut import cut
from services.gateway.intake.protocols.remote_write.map import SeriesText, series_text
from services.gateway.intake.protocols.remote_write.memory import SeriesMemory, TenantMemory
from services.gateway.intake.protocols.remote_write.messages import (
    Label,
    Outline2,
    Request2,
    Series,
    WriteRequest,
)
from services.gateway.intake.protocols.remote_write.samples import Samples, check_count, known_columns
from services.gateway.intake.protocols.remote_write.version import is_second
from shared.errors import Rejected
from shared.wire.envelope import MAX_ROWS

MAX_SAMPLES = MAX_ROWS
"""Samples and histograms of one request; the defaults of Prometheus and vmagent are 2,000 and 10,000."""

MAX_LABELS_READ = 64
"""Labels of a series that are looked at; a series may have fewer."""

COUNTED_BYTES = 1 << 20
"""The series of a larger body of version 2.0 are counted before they are parsed: an empty one takes memory, too."""

SYMBOLS_OF_A_SAMPLE = 20
"""So many times the samples are the symbols of a request at most."""

MALFORMED = "malformed_protobuf"
"""Code of what is no protobuf of its kind."""

UNKNOWN_PLACE = -1
"""Of a series that is not remembered."""

_LABELS = b"\x0a"
"""Tag of the labels of a series in version 1.0."""


_TOO_MANY_LABELS = Rejected("invalid_labels", f"labels: at most {MAX_LABELS_READ} are looked at")


class RemoteWrite:
    """Decodes both versions, told apart by the content type."""

    def __init__(self, max_samples: int = MAX_SAMPLES) -> None:
        self._max_samples = max_samples
        self._memory = SeriesMemory()

    def decode(self, request: Request) -> RequestColumns:
        """The columns of a request, none for one that only says the types of families."""
        tenant = self._memory.of(request.tenant_id)
        try:
            second = is_second(request.headers)
            if second and len(request.body) > COUNTED_BYTES:
                self._check(len(Outline2.FromString(request.body).timeseries))
            message = (Request2 if second else WriteRequest).FromString(request.body)
            request.expect(len(message.timeseries))
            return self._second(message, tenant).columns() if second else self._first(message, tenant)
        except DecodeError as error:
            raise Rejected(MALFORMED, "body: must be one protobuf message of remote write") from error

    def _first(self, message: Any, tenant: TenantMemory) -> RequestColumns:
        self._check(max(len(message.timeseries), len(message.metadata)))
        self._memory.learn(
            tenant, ((each.family.decode(errors="replace"), each.type) for each in message.metadata)
        )
        rows = message.timeseries[:]
        if not rows:
            return Samples().columns()
        heads, bits, ts_ms = cut(rows)
        places = np.fromiter(map(tenant.series.get, heads, repeat(UNKNOWN_PLACE)), np.int32, len(rows))
        if MINIMUM(places) != UNKNOWN_PLACE:
            return known_columns(RefColumn(tenant.table, places), bits, ts_ms)
        texts, samples = tenant.texts, Samples(max_count=self._max_samples)
        for row, place, value, ts in zip(rows, places.tolist(), bits.tolist(), ts_ms.tolist(), strict=True):
            if place == UNKNOWN_PLACE:
                self._parse(row, tenant, samples)
            else:
                samples.add(texts[place], value, ts)
        return samples.columns()

    def _parse(self, row: bytes, tenant: TenantMemory, samples: Samples) -> None:
        """Take a row that could not be cut, or whose labels are new."""
        try:
            series = Series.FromString(row)
        except DecodeError:
            samples.refuse(Rejected(MALFORMED, "timeseries: is no protobuf message of a series"))
            return
        # What is remembered is whole fields of labels and nothing else: `cut` rests on it.
        if len(series.labels) > MAX_LABELS_READ:
            samples.add_series(SeriesText("", b"", ("gauge", ""), _TOO_MANY_LABELS), series)
            return
        key = b"".join([_LABELS + _varint(len(label)) + label for label in series.labels])
        text = tenant.text_at(tenant.series.get(key))
        if text is None:
            text = series_text(_label_pairs(series.labels), tenant.type_of)
            self._memory.remember(tenant, tenant.series, key, text)
        samples.add_series(text, series)

    def _second(self, message: Any, tenant: TenantMemory) -> Samples:
        self._check(max(len(message.timeseries), len(message.symbols) // SYMBOLS_OF_A_SAMPLE))
        symbols = message.symbols[:]
        spelt = [_varint(len(symbol)) + symbol for symbol in symbols]
        samples = Samples(max_count=self._max_samples)
        for series in message.timeseries:
            samples.add_series(self._text_of(series, symbols, spelt, tenant), series)
        return samples

    def _text_of(
        self, series: Any, symbols: Sequence[bytes], spelt: Sequence[bytes], tenant: TenantMemory
    ) -> SeriesText:
        """The series that these symbols spell; lengths before them keep two spellings from being one."""
        refs, said = series.labels_refs, series.metadata.type
        if len(refs) > 2 * MAX_LABELS_READ:
            return SeriesText("", b"", ("gauge", ""), _TOO_MANY_LABELS)
        try:
            key = b"%d;" % said + b"".join([spelt[ref] for ref in refs])
        except IndexError:
            refusal = Rejected("invalid_labels", "labels_refs: name a symbol that is not there")
            return SeriesText("", b"", ("gauge", ""), refusal)
        text = tenant.text_at(tenant.by_symbols.get(key))
        if text is None:
            text = series_text(_pairs([symbols[ref] for ref in refs]), tenant.type_of, said)
            self._memory.remember(tenant, tenant.by_symbols, key, text)
        return text

    def _check(self, count: int) -> None:
        check_count(count, self._max_samples)


def _label_pairs(labels: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for raw in labels:
        try:
            label = Label.FromString(raw)
        except DecodeError as error:
            raise Rejected("invalid_labels", "labels: are no protobuf message of a label") from error
        yield label.name, label.value


def _pairs(texts: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    if len(texts) % 2:
        raise Rejected("invalid_labels", "labels_refs: must be pairs of a name and a value")
    yield from zip(texts[::2], texts[1::2], strict=True)


def _varint(number: int) -> bytes:
    """A length as protobuf writes it."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*written, number))
