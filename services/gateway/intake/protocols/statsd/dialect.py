"""How those who post StatsD lines are answered: as in our own dialect, for no client of theirs looks at an answer.

The lines are plain text, whatever the content type says.
"""

from services.gateway.auth.schemes import key_shown
from services.gateway.intake.protocols.dialect import Asked, Dialect


class StatsdDialect(Dialect):
    """Of lines over HTTP."""

    media = frozenset[bytes]()

    def key(self, asked: Asked) -> bytes:
        """The key of a request, as the password of `Basic` too."""
        return key_shown(asked.headers)
