"""A tenant that sends more series than it may have, over real HTTP."""

import hashlib
from typing import Any

import pytest

from shared.runtime.clock import now_ms
from shared.wire import series
from tests.support.http.gateway import Gateway
from tests.support.http.reader import Reader

pytestmark = pytest.mark.servers

KEY = "INSERT INTO api_key (key_hash, tenant_id, scope, prefix) VALUES ($1, $2, 'write', '')"
LIMIT = "UPDATE tenant SET max_series = $2 WHERE tenant_id = $1"
HISTOGRAM = {"bounds": [1, 2], "counts": [4, 0, 2]}


async def allowed(tenant: Reader, limit: int) -> str:
    """The write key of a tenant that may have so many series."""
    key = f"{tenant.key}-writes"
    await tenant.write(LIMIT, (tenant.tenant_id, limit))
    await tenant.write(KEY, (hashlib.sha256(key.encode()).digest(), tenant.tenant_id))
    return key


def points(metric: str, labels: range, **fields: Any) -> dict[str, Any]:
    """A point for each label."""
    given = {"name": metric, "value": 1, "ts": now_ms(), "kind": "delta"} | fields
    return {"points": [given | {"labels": {"x": str(label)}} for label in labels]}


async def stored(gateway: Gateway, metric: str) -> dict[str, float]:
    """The sum of weights in the topic for each `name=value` of the metric's labels."""
    found: dict[str, float] = {}
    for _, batch in await gateway.batches():
        weights = [1.0] * len(batch.points) if batch.points.weight is None else batch.points.weight.tolist()
        for slot, weight in zip(batch.points.slot.tolist(), weights, strict=True):
            owner = series.unpack(batch.series[slot])
            if owner.metric == metric:
                label = "=".join(owner.labels[0])
                found[label] = found.get(label, 0.0) + weight
    return found


async def counters(gateway: Gateway) -> str:
    """The text of `/metrics`."""
    return await gateway.intake.metrics()


async def test_beyond_the_limit_points_count_together_and_the_answer_warns(
    gateway: Gateway, mine: Reader, foreign: Reader
) -> None:
    """All are accepted and in the log; the client hears how many and why, the operator sees it, others feel nothing."""
    key, theirs = await allowed(mine, 3), await allowed(foreign, 1000)

    within = await gateway.post(points("limited.a", range(3)), key)
    beyond = await gateway.post(points("limited.a", range(1, 9)), key)
    other = await gateway.post(points("limited.b", range(99)), theirs)

    assert [{"accepted": 3, "rejected": []}, {"accepted": 99, "rejected": []}] == [
        within.json(),
        other.json(),
    ]
    (warned,) = beyond.json()["warnings"]
    assert (202, 8, [], "series_limit", 6) == (
        beyond.status_code, beyond.json()["accepted"], beyond.json()["rejected"], warned["code"], warned["points"],
    )  # fmt: skip
    assert {"x=0": 1, "x=1": 2, "x=2": 2, "overflow=true": 6} == await stored(gateway, "limited.a")
    assert f'tenant="{mine.tenant_id}"' in "".join(
        line for line in (await counters(gateway)).splitlines() if line.startswith("gateway_overflowed_total")
    )


async def test_a_histogram_is_one_point_and_several_rows(gateway: Gateway, mine: Reader) -> None:
    """Accepted as one, in the log as the buckets that are not empty; one without any values is accepted as well."""
    key = await allowed(mine, 10)
    without = {"bounds": [1], "counts": [0, 0]}
    body = {
        "points": [
            {"name": "histogram", "kind": "delta", "labels": {"x": str(at)}, "histogram": histogram}
            for at, histogram in enumerate((HISTOGRAM, without))
        ]
    }
    empty = {"points": [body["points"][1]]}

    answer, nothing = await gateway.post(body, key), await gateway.post(empty, key)

    assert {"accepted": 2, "rejected": []} == answer.json()
    assert (202, {"accepted": 1, "rejected": []}) == (nothing.status_code, nothing.json())
    assert {"x=0": 6} == await stored(gateway, "histogram")


async def test_the_log_has_sample_rates_and_strings_to_be_counted(gateway: Gateway, mine: Reader) -> None:
    """A rate of a quarter weighs four; a string is there as its hash."""
    key = await allowed(mine, 10)

    answer = await gateway.post(points("sampled", range(1), sample_rate=0.25, distinct="user-1"), key)

    hashes = {
        int(batch.points.distinct[row])
        for _, batch in await gateway.batches()
        if batch.points.distinct is not None
        for row, slot in enumerate(batch.points.slot.tolist())
        if series.unpack(batch.series[slot]).metric == "sampled"
    }
    assert {"accepted": 1, "rejected": []} == answer.json()
    assert ({"x=0": 4}, 1) == (await stored(gateway, "sampled"), len(hashes - {0}))
