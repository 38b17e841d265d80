"""The naive receiver of remote write: FastAPI, plain protobuf messages, one Kafka message a point.

It answers after the broker's ack of all replicas, as ours does. Run by uvicorn; `BENCH_KAFKA` and `BENCH_TOPIC` say
where to.
"""

import asyncio

import cramjam
import orjson
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request

from bench.naive.gateway import TOPIC, life
from services.gateway.intake.protocols.remote_write.messages import Label, Series, WriteRequest

app = FastAPI(lifespan=life)


@app.get("/health/ready")
async def ready() -> dict[str, bool]:
    """Answers once the producer is connected."""
    return {"ready": True}


@app.post("/api/v1/write", status_code=204)
async def write(request: Request) -> None:
    """Publish each sample by itself and wait for all acks."""
    producer: AIOKafkaProducer = request.app.state.producer
    body = bytes(cramjam.snappy.decompress_raw(await request.body()))
    acks = []
    for row in WriteRequest.FromString(body).timeseries:
        series = Series.FromString(row)
        pairs = [Label.FromString(raw) for raw in series.labels]
        labels = {label.name.decode(): label.value.decode() for label in pairs}
        for sample in series.samples:
            point = {"labels": labels, "ts": sample.timestamp, "bits": sample.value}
            acks.append(await producer.send(TOPIC, orjson.dumps(point), key=labels["__name__"].encode()))
    await asyncio.gather(*acks)
