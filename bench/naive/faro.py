"""The naive receiver of Faro: FastAPI, pydantic models of the payload, one Kafka message an item.

It answers after the broker's ack of all replicas, as ours does, and maps nothing: each item is written with the meta of
its page. Run by uvicorn; `BENCH_KAFKA` and `BENCH_TOPIC` say where to.
"""

import asyncio
from datetime import datetime
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request
from pydantic import BaseModel

from bench.naive.gateway import TOPIC, life

app = FastAPI(lifespan=life)


class Item(BaseModel):
    """What every item has."""

    timestamp: datetime
    trace: dict[str, str] = {}


class Event(Item):
    """Something happened."""

    name: str
    domain: str = ""
    attributes: dict[str, str] = {}


class Log(Item):
    """A line of a log."""

    message: str
    level: str = "info"
    context: dict[str, str] = {}


class Frame(BaseModel):
    """A call on a stack."""

    filename: str
    function: str
    lineno: int | None = None
    colno: int | None = None


class Stack(BaseModel):
    """The calls."""

    frames: list[Frame]


class Thrown(Item):
    """An exception."""

    type: str
    value: str
    stacktrace: Stack | None = None


class Payload(BaseModel):
    """The body of a request."""

    meta: dict[str, Any]
    events: list[Event] = []
    logs: list[Log] = []
    exceptions: list[Thrown] = []


@app.get("/health/ready")
async def ready() -> dict[str, bool]:
    """Answers once the producer is connected."""
    return {"ready": True}


@app.post("/collect/{path:path}", status_code=202)
async def collect(path: str, payload: Payload, request: Request) -> dict[str, int]:
    """Publish each item by itself and wait for all acks."""
    producer: AIOKafkaProducer = request.app.state.producer
    session = str(payload.meta.get("session", {}).get("id", path)).encode()
    acks = [
        await producer.send(TOPIC, orjson.dumps({"meta": payload.meta} | item.model_dump()), key=session)
        for item in (*payload.events, *payload.logs, *payload.exceptions)
    ]
    await asyncio.gather(*acks)
    return {"accepted": len(acks)}
