"""The client's conservation: whatever the gateway answers, every item is sent, rejected or dropped."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.http.receiver import Reply, receiving
from tidegauge_client import Telemetry

REJECTED = {"accepted": 0, "rejected": [{"index": 0, "code": "c", "message": "m"}]}
REPLIES = (
    Reply(202),
    Reply(202, REJECTED),
    Reply(422, REJECTED),
    Reply(400, {}),
    Reply(413, {}),
    Reply(429, {}),
    Reply(503, {}),
    Reply(0, hang_up=True),
)


@given(st.lists(st.sampled_from(REPLIES), max_size=12), st.integers(1, 5), st.integers(1, 20))
@settings(max_examples=40)
def test_nothing_is_lost_unseen(replies: list[Reply], batch_items: int, points: int) -> None:
    """Every point made is in one count, and every batch that was repeated is the same to the letter."""
    with receiving() as receiver:
        receiver.answer("/v1/telemetry", *replies)
        with Telemetry(
            receiver.url, "key", batch_items=batch_items, max_queue=100,
            batch_after_s=60.0, retry_first_s=0.0, retry_longest_s=0.0,
        ) as telemetry:  # fmt: skip
            for value in range(points):
                telemetry.point("n", value)
            assert telemetry.flush(30)
        stats = telemetry.stats

    assert points == stats.sent + stats.rejected + sum(stats.dropped.values())
    assert 0 == stats.queued
    assert set(range(points)) == {point["value"] for point in receiver.points}
    bodies = {(request.batch_id, str(request.body)) for request in receiver.requests}
    assert {1} == set(Counter(batch_id for batch_id, _ in bodies).values())
