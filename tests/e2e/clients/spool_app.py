"""An application that reports in groups of points until it is killed; its arguments: address, key, spool, and a number.

It says each group on its output once the client says that the group is saved. The points of a group are one series, and
the k-th has the value 4^k: the sum, read in base 4, says of each how often it was counted.
"""

import sys
import time

from tidegauge_client import Telemetry
from tidegauge_client.clock import now_ms

POINTS = 20
"""Points of a group; their sum is exact in a double."""

PAUSE_S = 0.02

LONG_AGO_MS = 40 * 60_000
"""Windows of every tier that lie so far back have closed, so that points are in the tables at once."""


def main(url: str, key: str, spool: str, number: str) -> None:
    """Report until killed."""
    telemetry = Telemetry(
        url, key, spool=spool, batch_items=50, batch_after_s=0.01, retry_longest_s=1.0, timeout_s=5.0
    )
    ts_ms = now_ms() - LONG_AGO_MS
    print("started", flush=True)  # noqa: T201  its life is counted from here on
    for group in range(10_000):
        for power in range(POINTS):
            telemetry.point(
                f"spooled.{number}", 4**power, ts_ms=ts_ms, kind="delta", labels={"group": str(group)}
            )
        if telemetry.save(30):
            print(group, flush=True)  # noqa: T201  what the test reads
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
