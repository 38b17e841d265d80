"""What a body costs is judged before it is decoded: many small parts are refused before each is looked at."""

import pytest

from services.gateway.intake.columns.contract import Decoder, Request, RequestColumns
from services.gateway.intake.protocols.influx.decode import LINES_OF_A_FIELD, InfluxLines
from services.gateway.intake.protocols.influx.lines import MAX_FIELDS_OF_A_LINE
from services.gateway.intake.protocols.remote_write.decode import (
    MAX_LABELS_READ,
    SYMBOLS_OF_A_SAMPLE,
    RemoteWrite,
)
from services.gateway.intake.protocols.remote_write.histograms import MAX_READ
from services.gateway.intake.protocols.statsd.decode import StatsdLines
from services.gateway.intake.protocols.statsd.lines import MAX_LINE_BYTES
from shared.errors import Rejected
from shared.model.labels import MAX_LABELS
from tests.support import remote_write as wire

NOW = 1_790_000_000_000
LIMIT = 10
UP = {"__name__": "up"}
SAMPLE = wire.sample(1.0, NOW)


def decoded(decoder: Decoder, body: bytes, *headers: tuple[bytes, bytes]) -> RequestColumns:
    """What a decoder makes of a body."""
    return decoder.decode(Request(body, headers, b"", 1, NOW))


FIRST = {
    "series": lambda count: wire.request([b""] * count),
    "metadata": lambda count: wire.request([], [b""] * count),
    "samples of a series": lambda count: wire.request([wire.series(UP, more=wire.part(2, b"") * count)]),
    "histograms of a series": lambda count: wire.request([wire.series(UP, more=wire.part(4, b"") * count)]),
}
SECOND = {
    "series": lambda count: wire.part(5, b"") * count,
    "samples of a series": lambda count: wire.second_request([(UP, [b""] * count, [], 0)]),
}


@pytest.mark.parametrize("name", FIRST)
def test_a_request_of_version_one_has_so_many_parts(name: str) -> None:
    """At the limit they are looked at."""
    assert decoded(RemoteWrite(LIMIT), FIRST[name](LIMIT)).points is not None
    with pytest.raises(Rejected, match="at most 10"):
        decoded(RemoteWrite(LIMIT), FIRST[name](LIMIT + 1))


@pytest.mark.parametrize("name", SECOND)
def test_a_request_of_version_two_has_so_many_parts(name: str) -> None:
    """At the limit they are looked at."""
    assert decoded(RemoteWrite(LIMIT), SECOND[name](LIMIT), wire.SECOND).points is not None
    with pytest.raises(Rejected, match="at most 10"):
        decoded(RemoteWrite(LIMIT), SECOND[name](LIMIT + 1), wire.SECOND)


def test_a_request_of_version_two_has_so_many_symbols() -> None:
    """More than its samples can name are refused."""
    with pytest.raises(Rejected, match="at most 10"):
        decoded(RemoteWrite(LIMIT), wire.part(4, b"") * (LIMIT + 1) * SYMBOLS_OF_A_SAMPLE, wire.SECOND)


def test_a_series_of_too_many_labels_is_refused_alone() -> None:
    """Of either version."""
    labels = UP | {f"l{number}": "x" for number in range(MAX_LABELS_READ)}
    found = [
        decoded(RemoteWrite(), wire.request([wire.series(labels, (1.0, NOW)), wire.series(UP, (1.0, NOW))])),
        decoded(
            RemoteWrite(),
            wire.second_request([(labels, [SAMPLE], [], 0), (UP, [SAMPLE], [], 0)]),
            wire.SECOND,
        ),
    ]

    for each in found:
        assert each.points is not None
        assert (1, [(0, "invalid_labels")]) == (
            len(each.points.name), [(bad.index, bad.code) for bad in each.refused],
        )  # fmt: skip


@pytest.mark.parametrize(
    "histogram",
    [
        wire.histogram(3, [(0, MAX_READ + 1)], [0] * (MAX_READ + 1), NOW),
        wire.histogram(3, [(0, 0)] * (MAX_READ + 1), [], NOW),
        wire.histogram(-53, [(0, 1)], [1], NOW, bounds=[float(one) for one in range(200)]),
    ],
    ids=["buckets", "spans", "bounds"],
)
def test_a_histogram_of_too_many_parts_is_refused_alone(histogram: bytes) -> None:
    """Before they are added up."""
    found = decoded(RemoteWrite(), wire.second_request([(UP, [], [histogram], 3)]), wire.SECOND)

    assert [(0, "invalid_histogram")] == [(bad.index, bad.code) for bad in found.refused]


def test_lines_without_fields_count_too() -> None:
    """Empty ones and comments are read as well."""
    assert decoded(InfluxLines(LIMIT), b"\n" * LIMIT * LINES_OF_A_FIELD).points is not None
    with pytest.raises(Rejected, match="at most 20"):
        decoded(InfluxLines(LIMIT), b"\n" * (LIMIT * LINES_OF_A_FIELD + 1))
    with pytest.raises(Rejected, match="at most 10"):
        decoded(StatsdLines(LIMIT), b"\n" * (LIMIT + 1))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"m " + b",".join([b"a=1"] * (MAX_FIELDS_OF_A_LINE + 1)), "malformed_line"),
        (b"m" + b",a=1" * (MAX_LABELS + 2) + b" v=1", "invalid_labels"),
    ],
    ids=["fields", "labels"],
)
def test_a_line_of_too_many_parts_is_refused_alone(line: bytes, code: str) -> None:
    """And the next one is read."""
    found = decoded(InfluxLines(), line + b"\nm v=1")

    assert found.points is not None
    assert (1, [(0, code)]) == (len(found.points.name), [(bad.index, bad.code) for bad in found.refused])


def test_fields_of_lines_that_are_refused_count_too() -> None:
    """They were looked at."""
    line = b"m " + b",".join([b"a=1"] * (MAX_FIELDS_OF_A_LINE + 1)) + b"\n"
    assert decoded(InfluxLines(2 * len(line)), line * 2).points is not None
    with pytest.raises(Rejected, match="at most 2000"):
        decoded(InfluxLines(2 * MAX_FIELDS_OF_A_LINE), line * 2)


def test_a_line_of_statsd_of_too_many_labels_is_refused_alone() -> None:
    """Before they are read."""
    found = decoded(StatsdLines(), b"a:1|c|#" + b"x," * (MAX_LABELS + 1) + b"\nb:1|c")

    assert [(0, "invalid_labels")] == [(bad.index, bad.code) for bad in found.refused]


def test_a_line_of_statsd_is_so_long_at_most() -> None:
    """At the limit it is read."""
    line = b"a:1|c|#x:"
    fits = line + b"y" * (MAX_LINE_BYTES - len(line))
    found = decoded(StatsdLines(), fits + b"\n" + fits + b"y")

    assert found.points is not None
    assert (1, [(1, "malformed_line")]) == (
        len(found.points.name), [(bad.index, bad.code) for bad in found.refused],
    )  # fmt: skip
