"""Posts generated bodies to a running gateway, with a real key wherever their protocol has it.

A generated body names its key `k`, in its address, its query or itself.
"""

import cramjam
import httpx2

from services.gateway.intake.protocols.registry import REMOTE_WRITE
from tests.support.wild.wild_body import WildBody

_NAMED = (b'"api_key":"k"', b'"token":"k"')


def with_key(sent: WildBody, key: str) -> WildBody:
    """The body with this key in place of its own."""
    packed, body = key.encode(), sent.body
    for name in _NAMED:
        body = body.replace(name, name[:-2] + packed + b'"')
    return sent._replace(body=body, query=sent.query.replace(b"key=k", b"key=" + packed))


async def post(client: httpx2.AsyncClient, sent: WildBody, key: str) -> httpx2.Response:
    """The answer to a body that names this key; remote write is compressed, as its senders do."""
    path = sent.path.replace("{key}", key).replace("{project}", "1")
    headers = {"content-type": sent.media.decode() or "application/json", "x-api-key": key}
    headers |= {name.decode(): value.decode() for name, value in sent.headers}
    content = sent.body
    if sent.path in REMOTE_WRITE:
        content, headers["content-encoding"] = bytes(cramjam.snappy.compress_raw(content)), "snappy"
    return await client.post(
        f"{path}?{sent.query.decode()}" if sent.query else path, content=content, headers=headers
    )
