"""An application that reports messages by sentry-sdk; `DSN` is in the environment.

The SDK tells the application nothing of what it has lost; it tells the receiver, in a client report.
"""

import os

import sentry_sdk

from tests.e2e.clients.reporting.pace import ReportedItems, items, name_of


def main(dsn: str) -> None:
    """Report until reported to end."""
    sentry_sdk.init(dsn, release="shop@1")
    sent: list[str] = []
    for number in items():
        sent.append(name_of(number))
        sentry_sdk.capture_message(sent[-1], level="warning")
    for _ in range(2):  # the first may fail, which the second reports
        sentry_sdk.flush(10)
    ReportedItems({"events": sent}, {"events": []}).write()


if __name__ == "__main__":
    main(os.environ["DSN"])
