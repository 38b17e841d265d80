"""Which version of remote write a request is of: its content type says so.

Without the parameter `proto` it is of version 1.0 (prometheus.io, "Remote-Write 2.0", headers).
"""

from collections.abc import Iterable

from shared.errors import Rejected

FIRST, SECOND = b"prometheus.WriteRequest", b"io.prometheus.write.v2.Request"
"""Names of the messages, as the content type has them."""


def is_second(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the body is a message of version 2.0; raise `Rejected` for a message that neither version knows."""
    for name, value in headers:
        if name == b"content-type":
            message = _message(value)
            if message not in (b"", FIRST, SECOND):
                raise Rejected(
                    "unsupported_message",
                    f"Content-Type: proto must be {FIRST.decode()} or {SECOND.decode()}",
                )
            return message == SECOND
    return False


def _message(content_type: bytes) -> bytes:
    """What the parameter `proto` says, empty where there is none."""
    for part in content_type.split(b";")[1:]:
        name, _, value = part.strip().partition(b"=")
        if name.strip().lower() == b"proto":
            return value.strip().strip(b'"')
    return b""
