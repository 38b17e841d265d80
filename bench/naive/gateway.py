"""The naive gateway: FastAPI, a pydantic model of the body, one Kafka message a point.

It is tuned as far as its form allows: uvloop, httptools, orjson, zstd, batches on the wire. Like ours it answers after
the broker's ack of all replicas. Run by uvicorn; `BENCH_KAFKA` and `BENCH_TOPIC` say where to.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import orjson
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request
from pydantic import BaseModel, Field

TOPIC = os.environ.get("BENCH_TOPIC", "")


class Point(BaseModel):
    """One point, checked by pydantic."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    ts: Annotated[int, Field(gt=0)]
    value: Annotated[float, Field(allow_inf_nan=False)]
    labels: Annotated[dict[str, str], Field(max_length=32)]


class Body(BaseModel):
    """The body of a request."""

    points: Annotated[list[Point], Field(max_length=5000)]


@asynccontextmanager
async def life(application: FastAPI) -> AsyncIterator[None]:
    """A producer for as long as the application runs."""
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


app = FastAPI(lifespan=life)


@app.get("/health/ready")
async def ready() -> dict[str, bool]:
    """Answers once the producer is connected."""
    return {"ready": True}


@app.post("/v1/telemetry", status_code=202)
async def telemetry(body: Body, request: Request) -> dict[str, int]:
    """Publish each point by itself and wait for all acks."""
    producer: AIOKafkaProducer = request.app.state.producer
    acks = [
        await producer.send(TOPIC, orjson.dumps(point.model_dump()), key=point.name.encode())
        for point in body.points
    ]
    await asyncio.gather(*acks)
    return {"accepted": len(acks)}
