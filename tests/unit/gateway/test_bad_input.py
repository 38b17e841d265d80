"""One bad item between two good ones, in every protocol, and bodies that were cut: what is wrong is named, what is
good counts, to the last reader.
"""

import pytest

from services.gateway.intake.protocols import registry
from shared.wire.versions import NEW
from tests.support.bad_bodies import ENVELOPE, BadBody, bad_bodies
from tests.support.pipeline import Pipeline, Verdict

NOW = 1_790_000_003_000
GOOD = {case.sent.path + case.sent.media.decode(): case for case in bad_bodies(NOW) if not case.refused}
"""A body of good items of each protocol, and of each way to write it."""

BY_LINE = (registry.INFLUX[0], registry.STATSD)
MOST_CUTS = 2_000


@pytest.mark.parametrize("case", list(bad_bodies(NOW)), ids=lambda case: case.name)
def test_a_bad_item_is_named_and_harms_no_neighbour(case: BadBody) -> None:
    """Lone surrogates, NaN, 100 levels, 10,000 attributes, lying lengths, other tenants, other units."""
    found = Pipeline(NEW).post(case.sent.path, case.sent.request(7, NOW))

    assert Verdict({0, 1, 2} - case.refused.keys(), dict(case.refused)) == found


@pytest.mark.parametrize("case", GOOD.values(), ids=GOOD.keys())
def test_a_body_that_is_cut_at_any_byte_is_refused_or_counts_in_part(case: BadBody) -> None:
    """Never more than it holds, and of lines and envelopes all that is whole."""
    body, pipeline = case.sent.body, Pipeline(NEW)
    for end in range(0, len(body), 1 + len(body) // MOST_CUTS):
        sent = case.sent._replace(body=body[:end])

        found = pipeline.post(sent.path, sent.request(7, NOW + end))

        whole = body.count(b"\n", 0, end) if case.sent.path in BY_LINE else 0
        if whole:
            assert isinstance(found, Verdict), found
            assert set(range(whole)) <= found.counted, (end, found)
        assert isinstance(found, str) or found.counted <= {0, 1, 2}, (end, found)


def test_an_envelope_that_is_cut_keeps_the_items_that_were_whole() -> None:
    """Whatever its last item says of its length."""
    item = b'{"type":"log","length":15}\n{"body":"line"}'
    body, pipeline = b"\n".join((b"{}", item, item, item)), Pipeline(NEW)
    ends = [at for at in range(len(body)) if body[:at].endswith(b"}") and b'{"body"' in body[at - 15 : at]]
    for end in range(ends[0], len(body)):
        sent = next(iter(GOOD.values())).sent._replace(path=ENVELOPE, body=body[:end], media=b"")

        found = pipeline.post(ENVELOPE, sent.request(7, NOW + end))

        assert isinstance(found, Verdict), found
        assert set(range(sum(at <= end for at in ends))) <= found.counted, (end, found)
