"""The end of a forwarder's way: takes remote write, acknowledges at once, and counts the series with a sample.

Snappy and zstd, as vmagent sends them. Run by uvicorn; `GET /count` says how many came so far.
"""

from typing import Any

import cramjam

from services.gateway.intake.protocols.remote_write.messages import WriteRequest

_counted = [0]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Take a request, or say how many points came."""
    said = b"%d" % _counted[0]
    if scope["type"] == "http" and scope["method"] == "POST":
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        zstd = (b"content-encoding", b"zstd") in scope["headers"]
        plain = (cramjam.zstd.decompress if zstd else cramjam.snappy.decompress_raw)(body)
        _counted[0] += len(WriteRequest.FromString(bytes(plain)).timeseries)
        said = b""
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]}
    )
    await send({"type": "http.response.body", "body": said})
