"""The answers that each client is given, and which of them its door of the gateway ever gives.

The doors say it themselves: each dialect is asked how it would say that something is taken, or refused.
"""

from services.gateway.http.problems import Problem
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.ports import Outcome
from services.gateway.intake.protocols.dialect import Asked
from services.gateway.intake.protocols.registry import protocol_routes
from services.gateway.intake.service import IntakeResult
from tests.e2e.clients.answers.scripted import Reply

REPLIES = {
    "200": Reply(200),
    "202": Reply(202),
    "200, refused in part": Reply(200, is_partial=True),
    "400": Reply(400),
    "401": Reply(401),
    "403": Reply(403),
    "404": Reply(404),
    "409": Reply(409),
    "413": Reply(413),
    "415": Reply(415),
    "421": Reply(421),
    "422": Reply(422),
    "429, `Retry-After`": Reply(429, "2"),
    "500": Reply(500),
    "502": Reply(502),
    "503": Reply(503),
    "503, `Retry-After`": Reply(503, "2"),
    "none: the connection is closed": Reply(0),
}
"""What a row of the table is called -> the answer."""

SOME = ("400", "503, `Retry-After`")
"""Those of the default run."""

DOORS = {
    "OpenTelemetry": "/v1/metrics", "Faro": "/collect/{key}", "@sentry/browser": "/api/{project}/envelope/",
    "sentry-sdk": "/api/{project}/envelope/", "posthog-js": "/i/v0/e/", "posthog": "/batch/",
    "web-vitals": "/v1/vitals", "our browser client": "/v1/browser",
}  # fmt: skip
"""Client -> a path that it posts to."""

REFUSALS = (400, 401, 403, 413, 415, 422, 429, 503)
"""What a route of the gateway refuses a request with."""

OF_NO_ROUTE = {404, 421}
"""What is answered where the address is wrong, whatever the client."""


def given(client: str) -> set[str]:
    """Those rows that the door of a client may answer it with."""
    path = DOORS["OpenTelemetry" if client.startswith("OpenTelemetry") else client]
    dialect = protocol_routes(1000, 1000)[path].dialect
    asked = Asked(path, b"", [])
    refused = {dialect.refused(asked, Problem(status, "refused", "no", 2)).status for status in REFUSALS}
    request = Request(b"{}", (), b"", 1, 0, path)
    results = (
        IntakeResult(Outcome.ACCEPTED, 1, []),
        IntakeResult(Outcome.ACCEPTED, 0, [Rejection(0, "invalid_point", "value: none")]),
    )
    taken = [dialect.taken(request, result).status for result in results]
    statuses = refused | OF_NO_ROUTE | set(taken)
    rows = {row for row, reply in REPLIES.items() if reply.status in statuses and not reply.is_partial}
    if len(set(taken)) == 1:
        rows.add("200, refused in part")
    return rows | {"none: the connection is closed"}
