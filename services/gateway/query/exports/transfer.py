"""The bytes of one export on their way: blocks of text through an encoder, in a thread, to whoever takes the file.

One block is encoded while the next one comes, and no third is waited for: memory is bounded by the encoder's block.
What takes the file slowly slows down Postgres.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from hashlib import sha256

from services.gateway.query.exports.formats import Encoder

Deliver = Callable[[bytes], Awaitable[None]]
"""Takes some bytes of the file."""


class Transfer:
    """One export: rows in as text, the file out."""

    def __init__(self, encoder: Encoder, deliver: Deliver, threads: Executor) -> None:
        self._encoder = encoder
        self._deliver = deliver
        self._threads = threads
        self._hash = sha256()
        self._block: list[bytes] = []
        self._block_bytes = 0
        self._encoding: asyncio.Future[bytes] | None = None
        self.bytes = 0
        """Of the file, so far."""

    @property
    def rows(self) -> int | None:
        """Rows of the file so far; None: not known."""
        return self._encoder.rows

    @property
    def sha256(self) -> str:
        """Of the file so far."""
        return self._hash.hexdigest()

    async def take(self, chunk: bytes) -> None:
        """Take some whole rows."""
        self._block.append(chunk)
        self._block_bytes += len(chunk)
        if self._block_bytes >= self._encoder.block_bytes:
            await self._turn()

    async def finish(self, rows: int) -> bytes:
        """All is taken, so many rows: hand over all but the last bytes, which are returned.

        Raises `ValueError` where the file has other rows.
        """
        if self._block:
            await self._turn()
        await self._end_block()
        last = await self._in_thread(lambda: self._encoder.finish(rows))
        self.bytes += len(last)
        return last

    async def _turn(self) -> None:
        """Hand over what the last block has become, while this one is encoded."""
        block, self._block, self._block_bytes = self._block, [], 0
        encoded = await self._encoding if self._encoding else b""
        self._encoding = self._in_thread(lambda: self._encoder.encode(block))
        await self._hand_over(encoded)

    async def _end_block(self) -> None:
        if self._encoding is not None:
            await self._hand_over(await self._encoding)
            self._encoding = None

    async def _hand_over(self, encoded: bytes) -> None:
        if encoded:
            self.bytes += len(encoded)
            await self._deliver(encoded)

    def _in_thread(self, job: Callable[[], bytes]) -> asyncio.Future[bytes]:
        def hashed() -> bytes:
            encoded = job()
            self._hash.update(encoded)
            return encoded

        return asyncio.get_running_loop().run_in_executor(self._threads, hashed)
