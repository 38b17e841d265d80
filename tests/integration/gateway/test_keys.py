"""Keys at a running query process: an admin lists, makes, rotates and revokes those of its tenant."""

import secrets
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from deploy import api_keys
from deploy.local.stack import Stack
from tests.support.http.gateway import Gateway, points
from tests.support.wait import until

pytestmark = pytest.mark.servers

SHOP = "https://shop.example"


@pytest_asyncio.fixture
async def admin(stack: Stack, gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    """A page whose session is an admin's."""
    key = api_keys.new_key("admin")
    await api_keys.create(stack.postgres, f"keys-{secrets.token_hex(4)}", key, "admin")
    page = {"sec-fetch-site": "same-origin"}
    async with httpx2.AsyncClient(base_url=gateway.query_url, timeout=20, headers=page) as client:
        assert (await client.post("/v1/session", json={"key": key})).status_code == 200
        yield client


async def shown(admin: httpx2.AsyncClient) -> dict[str, dict[str, object]]:
    """The keys of the tenant by how they begin."""
    return {key["prefix"]: key for key in (await admin.get("/v1/keys")).raise_for_status().json()["keys"]}


async def test_a_key_goes_from_its_making_to_its_end(admin: httpx2.AsyncClient, gateway: Gateway) -> None:
    """Made on the spot for a page, replaced while both are good, and revoked."""
    made = await admin.post(
        "/v1/keys", json={"scope": "write", "origins": ["https://Shop.example/"], "name": "checkout"}
    )
    first, key = made.json()["key"], (await shown(admin))[made.json()["prefix"]]
    rotated = await admin.post(f"/v1/keys/{key['id']}/rotate", json={"keep_s": 3600})
    again = await admin.post(f"/v1/keys/{key['id']}/rotate", json={})
    second = rotated.json()["key"]
    between = await shown(admin)
    statuses = [(await gateway.post(points([1]), each, origin=SHOP)).status_code for each in (first, second)]
    revoked = await admin.delete(f"/v1/keys/{key['id']}")

    async def ended() -> bool:
        return (await gateway.post(points([1]), first, origin=SHOP)).status_code == 401

    await until(ended, "the key is revoked", 10)
    assert (201, 201, 422, "has_successor") == (
        made.status_code, rotated.status_code, again.status_code, again.json()["code"],
    )  # fmt: skip
    assert (["https://shop.example"], "live", None) == (key["origins"], key["state"], key["ends_ms"])
    assert [202, 202] == statuses
    old, new = between[first[:9]], between[second[:9]]
    assert ("rotated", "live", key["origins"]) == (old["state"], new["state"], new["origins"])
    assert ["checkout", "checkout"] == [old["name"], new["name"]]
    assert abs(int(str(old["ends_ms"])) - int(str(new["made_ms"])) - 3_600_000) < 60_000
    assert (200, 2, 60) == (revoked.status_code, revoked.json()["here_s"], revoked.json()["everywhere_s"])
    assert "revoked" == (await shown(admin))[first[:9]]["state"]
    assert first not in (await admin.get("/v1/keys")).text


async def test_a_rotated_key_ends_by_itself(admin: httpx2.AsyncClient, gateway: Gateway) -> None:
    """At the time that was chosen."""
    made = (await admin.post("/v1/keys", json={"scope": "write"})).json()
    key_id = (await shown(admin))[made["prefix"]]["id"]
    await admin.post(f"/v1/keys/{key_id}/rotate", json={"keep_s": 0})

    async def ended() -> bool:
        return (await gateway.post(points([1]), made["key"])).status_code == 401

    await until(ended, "the key has ended", 10)


async def test_other_tenants_keys_are_not_there(
    admin: httpx2.AsyncClient, stack: Stack, gateway: Gateway
) -> None:
    """Neither listed nor changed; a key that only reads sees none."""
    other, name = api_keys.new_key("read"), f"keys-{secrets.token_hex(4)}"
    await api_keys.create(stack.postgres, name, other, "read")
    (foreign,) = await api_keys.read_all(stack.postgres, name)
    answers = [
        await admin.delete(f"/v1/keys/{foreign.id}"),
        await admin.post(f"/v1/keys/{foreign.id}/rotate", json={}),
    ]
    async with httpx2.AsyncClient(base_url=gateway.query_url, headers={"x-api-key": other}) as client:
        refused = await client.get("/v1/keys")

    assert other[:9] not in await shown(admin)
    assert [(404, "unknown_key")] * 2 == [(one.status_code, one.json()["code"]) for one in answers]
    assert (403, "forbidden") == (refused.status_code, refused.json()["code"])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"scope": "beacon"}, "invalid_origins"),
        ({"scope": "write", "name": "a\nb"}, "invalid_name"),
        ({"scope": "write", "name": "a" * 81}, "invalid_name"),
        ({"scope": "write", "origins": ["*"]}, "invalid_origins"),
        ({"scope": "write", "origins": ["https://["]}, "invalid_origins"),
        ({"scope": "root"}, "invalid_request"),
        ({}, "invalid_request"),
        ({"scope": "write", "origins": ["https://a.example"] * 21}, "invalid_request"),
    ],
    ids=str,
)
async def test_a_key_that_cannot_be_is_refused(
    admin: httpx2.AsyncClient, body: dict[str, object], code: str
) -> None:
    """By the field that is wrong; nothing is made."""
    before = await shown(admin)
    answer = await admin.post("/v1/keys", json=body)

    assert (400, code) == (answer.status_code, answer.json()["code"])
    assert before == await shown(admin)
