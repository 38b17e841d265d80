"""Bodies that grow: they are cut where earlier ones ended, and each part has the name that it had alone."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.auth.ports import Grant
from services.gateway.intake.adapters.intake_batches import Decode
from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.domain.growing_body import Prefix, name_of, parts_of, prefix_of
from services.gateway.intake.domain.in_flight import ConcurrencyLimits
from services.gateway.intake.domain.tenant_limits import TenantLimits
from services.gateway.intake.protocols.influx.decode import InfluxLines
from services.gateway.intake.protocols.influx.dialect import InfluxDialect
from services.gateway.intake.protocols.registry import ProtocolRoute
from services.gateway.intake.service import Intake, IntakeCounters, Intakes
from services.gateway.intake.steps import finished
from shared.runtime.clock import now_ms
from tests.support.growing import FakeGrowingBodies
from tests.support.http.intake import FakeGrants, FakeLog, post, route
from tests.support.idempotency import FakeIdempotencyClaims

NOW_MS = now_ms()

A, B, C = (f"cpu,host=a idle={value} {NOW_MS + value}000000\n".encode() for value in (1, 2, 3))

lines = st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=6)


def decode(*parts: bytes) -> list[tuple[bytes, int]]:
    """Name and rows of the batches of a request in these parts."""
    request = Request(b"".join(parts), [], b"", 7, NOW_MS)
    decoded = finished(Decode(InfluxLines(), PointAdmission(1000)).in_parts(request, parts, b""))
    batches = [decoded.points, *decoded.more]
    return [
        (each.batch.identity.batch_id, len(each.batch))
        for each in batches
        if each is not None and each.batch.identity is not None
    ]


@pytest.mark.parametrize(
    ("earlier", "parts"),
    [
        pytest.param([], [A + B + C], id="none"),
        pytest.param([A], [A, B + C], id="one"),
        pytest.param([A, A + B], [A, B, C], id="that grew before"),
        pytest.param([A + B, A], [A, B, C], id="in any order"),
        pytest.param([A + B + C], [A + B + C], id="the same"),
        pytest.param([A + C], [A + B + C], id="another of that length"),
        pytest.param([A + B + C + A], [A + B + C], id="a longer one"),
        pytest.param([A[:-1]], [A[:-1], b"\n" + B + C], id="that ended without a line feed"),
        pytest.param([A[:5]], [A + B + C], id="that ended within a line"),
    ],
)
def test_a_body_is_cut_where_an_earlier_one_ended(earlier: Sequence[bytes], parts: Sequence[bytes]) -> None:
    """At the end of a line, where all bytes before are those of the earlier one."""
    assert parts == parts_of(A + B + C, map(prefix_of, earlier))


@given(lines, st.lists(lines), st.integers(0, 200))
def test_parts_make_the_body(body: list[bytes], earlier: list[list[bytes]], length: int) -> None:
    """Whatever came before, and whatever is said of it."""
    known = [prefix_of(b"".join(each)) for each in earlier] + [Prefix(length, b"of nothing")]

    assert b"".join(body) == b"".join(parts_of(b"".join(body), known))


def test_bodies_that_grow_have_one_name_for_each_tenant() -> None:
    """That of their first line."""
    assert name_of(1, A) == name_of(1, A + B) == name_of(1, A[:-1])
    assert len({name_of(1, A), name_of(2, A), name_of(1, B)}) == 3


def test_a_part_is_known_by_the_name_that_it_had_alone() -> None:
    """So that the aggregator leaves out what it has counted."""
    (alone,) = decode(A)

    assert alone == decode(A, B + C)[0]
    assert [1, 2] == [rows for _, rows in decode(A, B + C)]


async def test_all_parts_are_published_and_their_refusals_bear_their_lines() -> None:
    """One answer counts them all."""
    log = FakeLog()
    intake = Intake(log, IntakeCounters(), FakeIdempotencyClaims())
    parts = (A, B + b"no line\n", b"none either\n" + C)
    request = Request(b"".join(parts), [], b"", 7, NOW_MS)
    decoded = finished(Decode(InfluxLines(), PointAdmission(1000)).in_parts(request, parts, b""))

    result = await Intakes(intake, intake, TenantLimits()).accept(Grant(7, "write", 100.0, 100.0), decoded, 0)

    assert (3, 3, [2, 3]) == (result.accepted, log.rows, [each.index for each in result.rejected])


@pytest.mark.parametrize(("up", "batches"), [(True, 3), (False, 2)], ids=["known", "without Redis"])
async def test_a_body_is_taken_whether_it_is_known_or_not(up: bool, batches: int) -> None:
    """Without Redis it is whole, under a name of its own."""
    log = FakeLog()
    lines_in = ProtocolRoute(("points",), InfluxLines(), InfluxDialect(), "")
    growing = FakeGrowingBodies(up=up)
    made, _ = route(log, FakeGrants(), ConcurrencyLimits(100, 64 << 20), protocol=lines_in, growing=growing)

    answers = [(await post(made, [body, b""]))[0]["status"] for body in (A, A + B)]

    assert [204, 204] == answers
    assert (3, batches) == (log.rows, len(log.identities))
    assert up == (log.identities[0] in log.identities[1:])
