"""Signs messages to webhooks as Standard Webhooks has it, so that a receiver knows who sent them and when.

Source: standardwebhooks.com, version 1: HMAC-SHA256 of id, seconds and body. While one secret is replaced by another
both sign.
"""

import base64
import hmac
from collections.abc import Sequence


class Signer:
    """Signs with one secret, or with two while they are changed."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = secrets

    def headers(self, key: str, at_s: int, body: bytes) -> dict[str, str]:
        """The headers of a message with this key, sent at this second."""
        content = f"{key}.{at_s}.".encode() + body
        signatures = [
            base64.b64encode(hmac.digest(secret, content, "sha256")).decode() for secret in self._secrets
        ]
        return {
            "webhook-id": key,
            "webhook-timestamp": str(at_s),
            "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        }
