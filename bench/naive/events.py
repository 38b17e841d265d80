"""The naive gateway of events: FastAPI, a pydantic model of the body, one Kafka message an event.

It is tuned as far as its form allows: uvloop, httptools, orjson, zstd, batches on the wire. Like ours it answers after
the broker's ack of all replicas. Run by uvicorn; `BENCH_KAFKA` and `BENCH_TOPIC` say where to.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import orjson
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request
from pydantic import BaseModel, Field

TOPIC = os.environ.get("BENCH_TOPIC", "")

Id = Annotated[str, Field(min_length=1, max_length=128)]


class Event(BaseModel):
    """One event, checked by pydantic."""

    event_id: Id
    type: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.:/-]*$", max_length=64)]
    name: Annotated[str, Field(max_length=200)] = ""
    ts: Annotated[int, Field(gt=0)]
    session_id: Id | None = None
    user_id: Id | None = None
    properties: dict[str, Any] = {}


class Body(BaseModel):
    """The body of a request."""

    events: Annotated[list[Event], Field(max_length=1000)]


@asynccontextmanager
async def _life(application: FastAPI) -> AsyncIterator[None]:
    producer = AIOKafkaProducer(
        bootstrap_servers=os.environ["BENCH_KAFKA"],
        acks="all",
        compression_type="zstd",
        linger_ms=5,
        max_batch_size=1 << 20,
        max_request_size=8 << 20,
    )
    await producer.start()
    application.state.producer = producer
    yield
    await producer.stop()


app = FastAPI(lifespan=_life)


@app.get("/health/ready")
async def ready() -> dict[str, bool]:
    """Answers once the producer is connected."""
    return {"ready": True}


@app.post("/v1/events", status_code=202)
async def events(body: Body, request: Request) -> dict[str, int]:
    """Publish each event by itself and wait for all acks."""
    producer: AIOKafkaProducer = request.app.state.producer
    acks = [
        await producer.send(TOPIC, orjson.dumps(event.model_dump()), key=(event.session_id or "").encode())
        for event in body.events
    ]
    await asyncio.gather(*acks)
    return {"accepted": len(acks)}
