"""A page of metrics that an agent scrapes: it counts how often, up to a limit, beside levels and a histogram."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

PAGE = """# TYPE orders counter
orders_total {count}
# TYPE basket_seconds histogram
basket_seconds_bucket{{le="1"}} {count}
basket_seconds_bucket{{le="+Inf"}} {count}
basket_seconds_sum {count}
basket_seconds_count {count}
# TYPE queue_length gauge
queue_length 5
# TYPE hit_ratio gauge
hit_ratio NaN
"""


@dataclass
class Target:
    """What is scraped."""

    count: int = 0
    """How often it was, and gave an answer."""
    port: int = 0
    gone: bool = False
    """Whether it says nothing any more."""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One page a connection."""
        await reader.readuntil(b"\r\n\r\n")
        self.count += not self.gone
        page = b"" if self.gone else PAGE.format(count=self.count).encode()
        status = "404 Not Found" if self.gone else "200 OK"
        head = (
            f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/plain; version=0.0.4\r\n"
            f"Content-Length: {len(page)}\r\n\r\n"
        )
        writer.write(head.encode() + page)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def target() -> AsyncIterator[Target]:
    """A target until the end of the block."""
    made = Target()
    async with await asyncio.start_server(made.answer, "127.0.0.1", 0) as listening:
        made.port = listening.sockets[0].getsockname()[1]
        yield made
