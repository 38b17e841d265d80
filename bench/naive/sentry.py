"""The naive receiver of Sentry's envelopes: FastAPI, the lines of an envelope by orjson, a pydantic model of each item.

It answers after the broker's ack of all replicas, as ours does, with one Kafka message an error or line. Run by
uvicorn; `BENCH_KAFKA` and `BENCH_TOPIC` say where to.
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


class Frame(BaseModel):
    """A call on a stack."""

    filename: str = ""
    function: str = ""
    module: str = ""
    lineno: int | None = None


class Frames(BaseModel):
    """The calls."""

    frames: list[Frame] = []


class Thrown(BaseModel):
    """An exception."""

    type: str
    value: str
    mechanism: dict[str, Any] = {}
    stacktrace: Frames = Frames()


class Chain(BaseModel):
    """An exception and what caused it."""

    values: list[Thrown]


class Error(BaseModel):
    """An event; what is not named here is not kept."""

    event_id: str
    timestamp: datetime
    level: str = "error"
    platform: str = ""
    release: str = ""
    environment: str = ""
    transaction: str = ""
    user: dict[str, Any] = {}
    tags: dict[str, str] = {}
    exception: Chain


class Line(BaseModel):
    """A line of a log."""

    timestamp: float
    trace_id: str
    level: str
    body: str
    attributes: dict[str, dict[str, Any]] = {}


class Lines(BaseModel):
    """Lines."""

    items: list[Line]


@app.get("/health/ready")
async def ready() -> dict[str, bool]:
    """Answers once the producer is connected."""
    return {"ready": True}


@app.post("/api/{project}/envelope/")
async def envelope(project: str, request: Request) -> dict[str, int]:
    """Publish each error and each line by itself and wait for all acks."""
    producer: AIOKafkaProducer = request.app.state.producer
    lines = (await request.body()).splitlines()
    acks = []
    for header, payload in zip(lines[1::2], lines[2::2], strict=True):
        said = orjson.loads(payload)
        kind = orjson.loads(header)["type"]
        found = Lines.model_validate(said).items if kind == "log" else [Error.model_validate(said)]
        acks += [
            await producer.send(TOPIC, orjson.dumps({"project": project} | each.model_dump()))
            for each in found
        ]
    await asyncio.gather(*acks)
    return {"accepted": len(acks)}
