"""Attributes that have come before: what is remembered of them, and for how long."""

import pytest

from services.gateway.intake.protocols.otlp.attributes import attributes_of_json
from services.gateway.intake.protocols.otlp.decode import OtlpMetrics
from services.gateway.intake.protocols.otlp.map import Attributes
from services.gateway.intake.protocols.otlp.memory import MAX_SPELLING_BYTES, Memory
from services.gateway.intake.protocols.otlp.origins import origin_of_json
from shared.errors import Rejected
from tests.support.otlp import decoded, gauge, number, request, rows_of


def seen(memory: Memory, tenant_id: int, *attributes: str) -> None:
    """A request of points with these attributes, each a JSON text of one."""
    origin = memory.of(tenant_id).origin(b"", b"", origin_of_json)
    for text in attributes:
        origin.identity_of(b'[{"key":"k","value":{"stringValue":"%b"}}]' % text.encode(), attributes_of_json)


def test_attributes_that_came_before_are_not_read_again() -> None:
    """Nor are a resource and a scope."""
    memory = Memory(())
    seen(memory, 1, "a")
    origin = memory.of(1).origin(b"", b"", origin_of_json)

    def unread(_: bytes) -> Attributes:
        raise AssertionError

    found = [origin.identity_of(b'[{"key":"k","value":{"stringValue":"a"}}]', unread) for _ in range(2)]

    assert found[0] is found[1]


def test_a_flood_of_attributes_makes_only_its_tenant_forgotten() -> None:
    """Beyond the limit the tenant with the most begins anew; others keep what they have."""
    memory = Memory((), limit=20_000)
    seen(memory, 1, "a")
    kept = memory.of(1)

    for at in range(20):
        seen(memory, 2, *[f"{at}-{each}" for each in range(10)])

    assert memory.of(1) is kept
    assert memory.size <= 20_000 + 10 * 1000


def test_attributes_that_are_long_are_read_each_time() -> None:
    """They would fill the memory."""
    memory = Memory(())
    seen(memory, 1, "a")
    before = memory.size

    seen(memory, 1, "x" * MAX_SPELLING_BYTES)

    assert before == memory.size


def test_attributes_that_cannot_be_read_are_not_remembered() -> None:
    """They are refused each time they come."""
    memory = Memory(())
    for _ in range(2):
        with pytest.raises(Rejected):
            memory.of(1).origin(b"", b"", origin_of_json).identity_of(b"[1]", attributes_of_json)


def test_what_is_remembered_changes_no_answer() -> None:
    """A request that comes again has the same rows."""
    decoder = OtlpMetrics(("service.name",))
    body = request(gauge("m", number(1, {"a": 1}), number(2, {"a": "1"})), resource={"service.name": "s"})

    first, second = [rows_of(decoded(body.SerializeToString(), decoder=decoder)) for _ in range(2)]

    assert first == second
