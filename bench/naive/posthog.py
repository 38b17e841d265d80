"""The naive receiver of PostHog's batches: FastAPI, a pydantic model of the body, one Kafka message an event.

It answers after the broker's ack of all replicas, as ours does, and renames nothing. Run by uvicorn; `BENCH_KAFKA` and
`BENCH_TOPIC` say where to.
"""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request
from pydantic import BaseModel

from bench.naive.gateway import TOPIC, life

app = FastAPI(lifespan=life)


class Event(BaseModel):
    """A captured event."""

    event: str
    uuid: UUID
    timestamp: datetime
    distinct_id: str
    properties: dict[str, Any] = {}


class Batch(BaseModel):
    """The body of a request."""

    api_key: str
    batch: list[Event]
    sent_at: datetime | None = None


@app.get("/health/ready")
async def ready() -> dict[str, bool]:
    """Answers once the producer is connected."""
    return {"ready": True}


@app.post("/batch/")
async def batch(body: Batch, request: Request) -> dict[str, str]:
    """Publish each event by itself and wait for all acks."""
    producer: AIOKafkaProducer = request.app.state.producer
    acks = [
        await producer.send(TOPIC, orjson.dumps(event.model_dump()), key=event.distinct_id.encode())
        for event in body.batch
    ]
    await asyncio.gather(*acks)
    return {"status": "Ok"}
