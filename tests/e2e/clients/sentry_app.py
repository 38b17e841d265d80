"""An application that reports by sentry-sdk, as its documentation says; its argument is the DSN."""

import sys

import sentry_sdk
from sentry_sdk import logger
from sentry_sdk.sessions import track_session


def main(dsn: str) -> None:
    """An error, a message, a line of a log, a metric, a request that is served and makes one, and a session."""
    sentry_sdk.init(dsn=dsn, release="shop@1", environment="test", traces_sample_rate=1.0, enable_logs=True)
    sentry_sdk.set_user({"id": "ann"})
    with track_session(sentry_sdk.get_isolation_scope(), session_mode="application"):
        try:
            int("a price")
        except ValueError as error:
            sentry_sdk.capture_exception(error)
        sentry_sdk.capture_message("started", level="info")
        logger.warning("low stock")
        sentry_sdk.metrics.count("orders", 2)
        with sentry_sdk.start_transaction(op="http.server", name="GET /users/{id}") as served:
            with sentry_sdk.start_span(op="http.client", name="GET http://stock.example/items") as asked:
                asked.set_data("http.response.status_code", 503)
            served.set_http_status(200)
    sentry_sdk.flush(10)
    sentry_sdk.get_client().close(10)


if __name__ == "__main__":
    main(sys.argv[1])
