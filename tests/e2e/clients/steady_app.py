"""An application that reports all the time, by posthog and by sentry-sdk; its arguments are the key and the host.

It ends at SIGTERM, and then writes what the clients say has failed.
"""

import json
import signal
import sys
from collections.abc import Sequence
from threading import Event
from typing import Any

import sentry_sdk
from posthog import Posthog

PAUSE_S = 0.1


def main(key: str, host: str) -> None:
    """Report until told to end."""
    failed: set[str] = set()

    def note(_: object, batch: Sequence[dict[str, Any]]) -> None:
        failed.update(event["uuid"] for event in batch)

    client = Posthog(key, host=host, flush_interval=0.5, on_error=note)
    sentry_sdk.init(host.replace("://", f"://{key}@") + "/1", release="shop@1")
    ended, captured, messages = Event(), [], 0
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    while not ended.wait(PAUSE_S):
        captured.append(client.capture("order placed", distinct_id="ann"))
        sentry_sdk.capture_message(f"message {messages}", level="warning")
        messages += 1
    client.shutdown()
    for _ in range(2):  # the first may fail, which the second reports
        sentry_sdk.flush(10)
    json.dump({"captured": captured, "failed": sorted(failed), "messages": messages}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
