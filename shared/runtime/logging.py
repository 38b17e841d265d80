"""Logs: one JSON object a line on standard error, with a time, a level, the service and an event.

The logs of libraries take the same form. Our own lines contain only fields that the code names, so that no secret is
logged by accident.
"""

import logging
import sys

import orjson
import structlog
from aiokafka.errors import GroupCoordinatorNotAvailableError

COORDINATOR = "aiokafka.consumer.group_coordinator"
"""Logger of what happens within a consumer group."""


def configure(service: str, level: int = logging.INFO) -> None:
    """Send structlog's and the standard library's logs to standard error as JSON."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _named(service),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(serializer=_json),
            ],
        )
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level)
    # Its line for every request would be most of a log, and an address may hold a secret.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger(COORDINATOR).addFilter(_no_error_at_a_first_start)


def _no_error_at_a_first_start(record: logging.LogRecord) -> bool:
    """A group has no coordinator until the broker has made one for it; the client asks again by itself."""
    if isinstance(record.args, tuple) and any(
        isinstance(argument, GroupCoordinatorNotAvailableError) for argument in record.args
    ):
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
    return True


def _named(service: str) -> structlog.types.Processor:
    def name(
        _logger: structlog.types.WrappedLogger, _method: str, event: structlog.types.EventDict
    ) -> structlog.types.EventDict:
        event["service"] = service
        return event

    return name


def _json(value: object, **_: object) -> str:
    return orjson.dumps(value, default=repr).decode()
