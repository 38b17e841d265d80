"""The naive ingest: a Faust agent, one JSON message an event, one INSERT and one sent point each.

It keeps no memory of ids but the primary key, no funnels, no offsets of its own: less than the work it is compared
with, and it loses or doubles a point when it dies. Prints its CPU seconds from the first message to the last.
"""

import os
import sys
import time
from datetime import UTC, datetime
from typing import Any

import asyncpg
import faust
import orjson

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "0"))

_INSERT = """
INSERT INTO naive_event (event_id, ts, type, name, session_id, user_id, properties) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
"""

app = faust.App(
    os.environ.get("BENCH_GROUP", "bench"),
    broker=f"kafka://{os.environ.get('BENCH_KAFKA', '')}",
    store="memory://",
    datadir=os.environ.get("BENCH_FOLDER", "."),
    topic_partitions=1,
    topic_disable_leader=True,
    topic_replication_factor=1,
    consumer_auto_offset_reset="earliest",
    stream_buffer_maxsize=4096,
    broker_max_poll_records=2000,
    processing_guarantee="at_least_once",
    web_enabled=False,
)
events = app.topic(os.environ.get("BENCH_TOPIC", ""), value_serializer="json", partitions=1)
points = app.topic(os.environ.get("BENCH_POINTS", ""), value_serializer="json", partitions=1)
started: list[float] = []


@app.agent(events)  # type: ignore[untyped-decorator]  # Faust is partly typed
async def store(stream: Any) -> None:
    """Store each event, and send a point for each that was new."""
    seen = 0
    conn = await asyncpg.connect(os.environ["BENCH_POSTGRES"])
    async for event in stream:
        if not started:
            started.append(time.process_time())
        ts = datetime.fromtimestamp(event["ts_ms"] / 1000, UTC)
        body = orjson.dumps(event["properties"]).decode()
        done = await conn.execute(
            _INSERT,
            event["event_id"],
            ts,
            event["type"],
            event["name"],
            event["session_id"],
            event["user_id"],
            body,
        )
        if done == "INSERT 0 1":
            await points.send(
                value={"metric": "events.count", "type": event["type"], "ts": event["ts_ms"], "value": 1}
            )
        seen += 1
        if seen == MESSAGES:
            cpu_s = time.process_time() - started[0]
            os.write(1, orjson.dumps({"messages": seen, "cpu_s": cpu_s}) + b"\n")
            os._exit(0)


if __name__ == "__main__":
    sys.argv = ["faust", "worker", "-l", "error", "--without-web"]
    app.main()
