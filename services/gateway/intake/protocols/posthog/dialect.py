"""How PostHog's clients ask and are answered: the key in the body, 200 with `{"status":"Ok"}`, 503 when it is too much.

Any status but 200, 202 included, makes a client send the same batch again; 4xx, 429 included, makes posthog-js drop it.
"""

from collections.abc import Collection, Mapping

import orjson

from services.gateway.auth.http import MAX_KEY_BYTES
from services.gateway.http.body import Inflate
from services.gateway.http.problems import Problem, unauthorised
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.protocols.dialect import Answer, Asked, Dialect, Fixed
from services.gateway.intake.protocols.posthog.body import keys_of, opened, opened_gzip
from services.gateway.intake.service import IntakeResult

JSON = (b"content-type", b"application/json")

CONFIG = orjson.dumps({
    "supportedCompression": ["gzip", "gzip-js"],
    "analytics": {"endpoint": "/i/v0/e/"},
    "capturePerformance": {"web_vitals": True},
    "autocaptureExceptions": True,
    "hasFeatureFlags": False,
    "sessionRecording": False,
    "surveys": False,
    "heatmaps": False,
    "siteApps": [],
})  # fmt: skip
"""What posthog-js asks for before it captures clicks, exceptions and vitals: all of these on, all else off."""

FLAGS = orjson.dumps({
    "flags": {}, "featureFlags": {}, "featureFlagPayloads": {}, "errorsWhileComputingFlags": False, "quotaLimited": [],
})  # fmt: skip
"""There are no feature flags."""


class PostHogDialect(Dialect):
    """Of captured events."""

    media: Collection[bytes] = frozenset()
    encodings: Mapping[bytes, Inflate] = {b"": opened, b"identity": opened, b"gzip": opened_gzip}
    key_in_body = True

    def key_of_body(self, asked: Asked, body: bytes) -> bytes:
        """The project's key; raise `Problem` for none, or two that differ."""
        keys = keys_of(body)
        if len(keys) > 1:
            raise Problem(400, "two_keys", "api_key and token hold different keys")
        key = keys.pop().encode("utf-8", "replace") if keys else b""
        if not 0 < len(key) <= MAX_KEY_BYTES:
            raise unauthorised()
        return key

    def taken(self, request: Request, result: IntakeResult) -> Answer:
        """Ok, whatever was refused by itself: nothing would be better the second time."""
        return Answer(200, [JSON], b'{"status":"Ok"}')

    def refused(self, asked: Asked, problem: Problem) -> Answer:
        """A problem as PostHog has it; 503 in place of 429."""
        status = 503 if problem.status == 429 else problem.status
        headers = [JSON, *problem.headers]
        if problem.retry_after_s:
            headers.append((b"retry-after", b"%d" % problem.retry_after_s))
        kind = (
            "authentication_error"
            if status in (401, 403)
            else "validation_error"
            if status < 500
            else "server_error"
        )
        return Answer(
            status, headers, orjson.dumps({"type": kind, "code": problem.code, "detail": problem.message})
        )


def fixed(methods: Collection[str], content: bytes) -> Fixed:
    """The same JSON for everyone."""
    return Fixed(frozenset(methods), lambda _: Answer(200, [JSON], content))
