"""The naive aggregator: a Faust agent with a tumbling table, one JSON message a point.

It counts one figure a series and window, without commits of its own, sketch or database: less than the work it is
compared with. Memory store, at least once, no web. Prints its CPU seconds from the first message to the last.
"""

import os
import sys
import time
from typing import Any

import faust
import orjson

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "0"))
TOPIC = os.environ.get("BENCH_TOPIC", "")

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
points = app.topic(TOPIC, value_serializer="json", partitions=1)
counts = app.Table("counts", default=int, partitions=1).tumbling(10.0, expires=60.0)
started: list[float] = []


@app.agent(points)  # type: ignore[untyped-decorator]  # Faust is partly typed
async def count(stream: Any) -> None:
    """Count each point in the window of its series."""
    seen = 0
    async for point in stream:
        if not started:
            started.append(time.process_time())
        counts[point["series"]] += 1
        seen += 1
        if seen == MESSAGES:
            cpu_s = time.process_time() - started[0]
            os.write(1, orjson.dumps({"messages": seen, "cpu_s": cpu_s}) + b"\n")
            os._exit(0)


if __name__ == "__main__":
    sys.argv = ["faust", "worker", "-l", "error", "--without-web"]
    app.main()
