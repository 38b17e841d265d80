"""StatsD lines by UDP: datagrams wait in a bounded queue and go to the log in batches; nobody is answered.

What cannot be taken now is posted again under one key, so that it counts once, while new datagrams wait. Where the
queue is full new ones are dropped. Bytes and seconds. Invariant: every datagram that the socket gave us is in the log,
or counted as dropped.
"""

import asyncio
import socket
import uuid
from collections import Counter, deque
from dataclasses import dataclass, field

from services.gateway.auth.http import api_key_of
from services.gateway.auth.ports import Grant
from services.gateway.http.problems import Problem, refused
from services.gateway.intake.adapters.http import IntakeContext, check_result
from services.gateway.intake.adapters.intake_batches import Decode
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.publish.event_batches import EventIntakeBatch
from services.gateway.intake.publish.point_batches import PointIntakeBatch
from services.gateway.intake.service import DecodedRequest
from shared.errors import Misconfigured, Rejected
from shared.model.batch_id import Signal
from shared.model.bound import Bound
from shared.runtime.clock import monotonic_s
from shared.runtime.retry import until_set

MAX_WAITING_BYTES = 4 << 20
"""Bytes of datagrams that wait; those that come beyond are dropped."""

BATCH_BYTES = 64 << 10
"""About how many bytes of datagrams go to the log together."""

RECEIVE_BUFFER_BYTES = 4 << 20
"""What the kernel is asked to keep; what it drops is not seen here."""

PAUSE_S = 1.0
"""How long a batch waits that cannot be taken now."""

PASSING = frozenset({429, 503})
"""Statuses of what passes by itself."""

SIGNALS: tuple[Signal, ...] = ("points",)

Decoded = DecodedRequest[PointIntakeBatch, EventIntakeBatch]


@dataclass(slots=True)
class DatagramCounters:
    """Plain counts that `/metrics` shows."""

    received: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """By reason."""


class DatagramQueue:
    """Datagrams that wait, the oldest first."""

    def __init__(self, max_bytes: int = MAX_WAITING_BYTES) -> None:
        self._max_bytes = max_bytes
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self.counters = DatagramCounters()
        self.filled = asyncio.Event()
        """Something waits."""

    def put(self, datagram: bytes) -> None:
        """Let one more wait, or drop it."""
        self.counters.received += 1
        if self._bytes + len(datagram) > self._max_bytes:
            self.counters.dropped["queue_full"] += 1
            return
        self._waiting.append(datagram)
        self._bytes += len(datagram)
        self.filled.set()

    def take(self) -> list[bytes]:
        """The oldest ones, of about `BATCH_BYTES`."""
        taken: list[bytes] = []
        size = 0
        while self._waiting and size < BATCH_BYTES:
            taken.append(self._waiting.popleft())
            size += len(taken[-1])
        self._bytes -= size
        if not self._waiting:
            self.filled.clear()
        return taken

    def bound(self) -> Bound:
        """What may wait."""
        return Bound(
            "datagrams",
            "bytes",
            self._max_bytes,
            lambda: self._bytes,
            lambda: self.counters.dropped["queue_full"],
        )


class _Receiving(asyncio.DatagramProtocol):
    def __init__(self, queue: DatagramQueue) -> None:
        self._queue = queue

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._queue.put(data)


class StatsdSocket:
    """A UDP socket whose lines belong to the tenant of one key."""

    def __init__(self, context: IntakeContext, decode: Decode, listening: socket.socket, key: str) -> None:
        self._context = context
        self._decode = decode
        self._socket = listening
        self._key = key.encode()
        self._batches = f"statsd-{uuid.uuid4()}"
        self._number = 0
        self._stopping = asyncio.Event()
        self.queue = DatagramQueue()

    async def run(self) -> None:
        """Bring to the log what comes until `stop`, and then what waits."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Receiving(self.queue), sock=self._socket)
        try:
            while not self._stopping.is_set():
                await self.queue.filled.wait()
                await self._empty()
        finally:
            transport.close()
        await self._empty()

    def stop(self) -> None:
        """Take no more; what waits is posted once."""
        self._stopping.set()
        self.queue.filled.set()

    async def _empty(self) -> None:
        while datagrams := self.queue.take():
            reason = await self._posted(datagrams)
            if reason:
                self.queue.counters.dropped[reason] += len(datagrams)

    async def _posted(self, datagrams: list[bytes]) -> str:
        """Post datagrams until they are taken, which is empty, or until it is known why they never will be."""
        self._number += 1
        batch_key = f"{self._batches}-{self._number}".encode()
        request = Request(b"\n".join(datagrams), (), b"", 0, self._context.now_ms())
        decoded: Decoded | None = None
        while True:
            try:
                api_key = await api_key_of(self._context.key_cache, self._key, "write")
                decoded = decoded or self._decode(
                    request._replace(tenant_id=api_key.grant.tenant_id), batch_key
                )
                await self._accept(api_key.grant, decoded)
            except Rejected as refusal:
                return refusal.code
            except Problem as problem:
                if problem.status not in PASSING or self._stopping.is_set():
                    return problem.code
                await until_set(self._stopping, max(PAUSE_S, problem.retry_after_s))
            else:
                return ""

    async def _accept(self, grant: Grant, decoded: Decoded) -> None:
        """Bring a batch to the log; raise `Problem` when that cannot be now."""
        reason = self._context.intakes.refusal(SIGNALS)
        if reason is not None and not self._stopping.is_set():
            raise refused(reason)
        check_result(await self._context.intakes.accept(grant, decoded, monotonic_s()), reason)


def statsd_socket(host: str, port: int) -> socket.socket:
    """A socket at this address; raise `Misconfigured` that names the setting when there can be none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_DGRAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        listening.bind((host, port))
    except OSError as problem:
        listening.close()
        raise Misconfigured(f"statsd_port {port}: {problem}") from problem
    listening.setblocking(False)
    return listening
