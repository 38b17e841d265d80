"""An application that captures by posthog, as its documentation says; its arguments are the key and the host."""

import sys

from posthog import Posthog


def main(key: str, host: str) -> None:
    """An event, an exception, and what is said of a person; half of it compressed."""
    for gzip in (False, True):
        client = Posthog(key, host=host, gzip=gzip)
        client.capture("Button Clicked", distinct_id="ann", properties={"total": 12.5, "gzip": gzip})
        try:
            int("a price")
        except ValueError as error:
            client.capture_exception(error, distinct_id="ann")
        client.set(distinct_id="ann", properties={"plan": "free"})
        client.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
