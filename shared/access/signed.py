"""Texts that an installation has signed for itself: whoever holds one can neither make nor change one.

Pure. The key of a signature is made of the secret of the installation and a purpose, so that what was signed for one
purpose is nothing for another.
"""

import base64
import hmac
from hashlib import blake2b

MAX_CHARACTERS = 512
"""Longest text that is looked at."""

_SIGNATURE_BYTES = 16


class Signer:
    """Signs bytes for one purpose, and knows them again."""

    def __init__(self, secret: bytes, purpose: str) -> None:
        self._key = blake2b(purpose.encode(), key=secret[:64], digest_size=32).digest()

    def sign(self, value: bytes) -> str:
        """The bytes with their signature, in letters, digits, `-` and `_`."""
        return base64.urlsafe_b64encode(self._signature(value) + value).decode().rstrip("=")

    def value(self, text: str) -> bytes | None:
        """The bytes that were signed; None for anything else."""
        if len(text) > MAX_CHARACTERS or not text.isascii():
            return None
        try:
            signed = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        except ValueError:
            return None
        signature, value = signed[:_SIGNATURE_BYTES], signed[_SIGNATURE_BYTES:]
        return value if hmac.compare_digest(signature, self._signature(value)) else None

    def _signature(self, value: bytes) -> bytes:
        return blake2b(value, key=self._key, digest_size=_SIGNATURE_BYTES).digest()
