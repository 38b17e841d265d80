"""What the framework answers to requests that no route takes."""

import httpx2
import pytest

from services.gateway.http.openapi import framework


@pytest.mark.parametrize("path", ["/v1/telemetry/", "/v1/events/"])
async def test_a_path_with_a_slash_too_many_is_unknown(path: str) -> None:
    """It is refused, not sent elsewhere: there are clients that take a redirect for a delivery."""
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(framework("t")), base_url="http://gateway")

    async with client:
        answer = await client.post(path, json={})

    assert (404, "not_found") == (answer.status_code, answer.json()["code"])
