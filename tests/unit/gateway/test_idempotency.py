"""What a batch is known by."""

import pytest

from services.gateway.intake.domain.idempotency import Identity, identity_of
from shared.errors import Rejected
from shared.model.batch_id import MAX_KEY, checked_key, id_of_key


def test_a_key_names_a_batch_of_its_tenant_and_signal() -> None:
    """Two tenants may use one key, and so may points and events."""
    ids = {id_of_key("points", 1, b"k"), id_of_key("points", 2, b"k"), id_of_key("events", 1, b"k")}

    assert 3 == len(ids)
    assert all(len(one) == 16 for one in ids)
    assert id_of_key("points", 1, b"k") == id_of_key("points", 1, b"k")


def test_content_names_a_batch_whose_points_bear_their_times() -> None:
    """Others would name what is not the same when it comes again."""
    made = [
        identity_of("points", tenant_id, b"", content, timed=timed)
        for tenant_id, content, timed in ((1, b"x", True), (1, b"x", True), (2, b"x", True), (1, b"y", True))
    ]
    ids = [one.batch_id for one in made if one is not None]

    assert (ids[0], 4, 3) == (ids[1], len(ids), len(set(ids)))
    assert None is identity_of("points", 1, b"", b"x", timed=False)


def test_a_key_comes_before_the_content() -> None:
    """Whatever the body, the key names it, and the hash of the body tells two of them apart."""
    first, second = (identity_of("points", 1, b"k", body, timed=True) for body in (b"x", b"y"))

    assert isinstance(first, Identity)
    assert isinstance(second, Identity)
    assert (first.batch_id, True) == (second.batch_id, first.keyed)
    assert first.body != second.body
    assert 0 <= first.body < 1 << 64


@pytest.mark.parametrize(
    ("key", "good"),
    [
        pytest.param(b"", False, id="empty"),
        pytest.param(b"!", True, id="first visible"),
        pytest.param(b"~" * MAX_KEY, True, id="longest"),
        pytest.param(b"~" * (MAX_KEY + 1), False, id="too long"),
        pytest.param(b" ", False, id="blank"),
        pytest.param(b"\x7f", False, id="of control"),
    ],
)
def test_a_key_is_visible_ascii(key: bytes, good: bool) -> None:
    """A wrong one is refused under the name of its field."""
    if good:
        assert key == checked_key("a", "invalid_a", key)
        return
    with pytest.raises(Rejected, match="a: must be") as refused:
        checked_key("a", "invalid_a", key)
    assert "invalid_a" == refused.value.code
