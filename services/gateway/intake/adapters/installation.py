"""Ids of series in a gateway, which may start before Postgres does.

Until the secret of the installation is known it makes none, and takes no points.
"""

import asyncio

from shared.errors import Unavailable
from shared.postgres import installation
from shared.postgres.connections import Pool
from shared.wire.series import SeriesId, keyed

NOT_KNOWN = "postgres has not told the secret of series ids yet"


class InstallationIds:
    """Makes ids once the secret of the installation is known."""

    def __init__(self) -> None:
        self._id_of: SeriesId | None = None
        self._secret = b""

    def __call__(self, packed: bytes) -> int:
        """The id of a series. Raises `Unavailable` until the secret is known."""
        if self._id_of is None:
            raise Unavailable("postgres", NOT_KNOWN)
        return self._id_of(packed)

    def secret(self) -> bytes:
        """The secret itself, for other hashes that nobody else is to make. Raises `Unavailable` until it is known."""
        if self._id_of is None:
            raise Unavailable("postgres", NOT_KNOWN)
        return self._secret

    async def learn(self, pool: Pool, checked: asyncio.Task[None], stopping: asyncio.Event) -> None:
        """Ask Postgres for the secret when the schema was checked; return without it when the process is to stop."""
        await asyncio.wait({checked})
        secret = await installation.series_secret(pool, stopping)
        if not stopping.is_set():
            self._id_of, self._secret = keyed(secret), secret
