"""An application that captures by posthog; `KEY` and `URL` are in the environment."""

import os
from collections.abc import Sequence
from typing import Any

from posthog import Posthog

from tests.e2e.clients.reporting.pace import ReportedItems, items, name_of


def main(key: str, url: str) -> None:
    """Report until reported to end."""
    sent: list[str] = []
    failed: list[str] = []

    def note(_: object, batch: Sequence[dict[str, Any]]) -> None:
        failed.extend(event["properties"]["n"] for event in batch)

    client = Posthog(key, host=url, flush_interval=0.5, on_error=note)
    for number in items():
        sent.append(name_of(number))
        client.capture("order placed", distinct_id="ann", properties={"n": sent[-1]})
    client.shutdown()
    believed = sorted(set(sent) - set(failed))
    ReportedItems({"events": sent}, {"events": believed}, {"events": failed}).write()


if __name__ == "__main__":
    main(os.environ["KEY"], os.environ["URL"])
