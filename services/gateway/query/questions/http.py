"""`POST /v1/query`, and `GET /v1/query?q=` with the same JSON: up to 20 questions, each answered or refused by itself.

Times are milliseconds UTC. A request with one question that is refused gets its problem; of several, each refusal
stands in its place.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
import orjson
from fastapi import APIRouter, Request, Response

from services.gateway.auth.http import READS, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.http.problems import Problem
from services.gateway.query.parameters import REFUSALS, asking
from services.gateway.query.questions.answering import Answering
from services.gateway.query.questions.ports import reading
from services.gateway.query.questions.question import AskBody, QuestionBody, Refused, question
from services.gateway.query.questions.schemas import AnswersBody
from shared.errors import Rejected
from shared.model.window import MAX_LATE_MS
from shared.runtime.clock import now_ms

MAX_BODY_BYTES = 256 << 10
"""Largest request with questions."""

SETTLED = "private, max-age=3600, stale-while-revalidate=86400"
"""What caches may do with an answer that does not change any more."""

_ASKED = msgspec.json.Decoder(AskBody)
_QUESTION = msgspec.json.Decoder(QuestionBody)
_PLACE = re.compile(r" - at `\$([^`]*)`$")
EXAMPLE = {
    "tz": "Europe/Berlin",
    "from": "now-24h",
    "questions": [
        {
            "metric": "api.response_seconds",
            "aggregates": ["p95", "count"],
            "where": ["method=GET", "endpoint~/check*"],
            "by": ["endpoint"],
            "top": {"n": 20, "of": "p95"},
            "resolution": "1h",
        }
    ],
}
"""A request, for the contract."""


def contract() -> dict[str, Any]:
    """The body of a request as OpenAPI shows it."""
    defined = msgspec.json.schema_components([AskBody, QuestionBody])[1]
    asked, one = defined["AskBody"], defined["QuestionBody"]
    one["properties"]["top"] = {"anyOf": [defined["Top"], {"type": "null"}], "default": None}
    asked["properties"]["questions"] |= {"items": one}
    content = {"application/json": {"schema": asked, "examples": {"p95": {"value": EXAMPLE}}}}
    return {"requestBody": {"required": True, "content": content}}


def router(key_cache: KeyCache, answering: Answering) -> APIRouter:
    """The routes, bound to their dependencies."""
    routes = APIRouter()

    @routes.post(
        "/v1/query",
        response_model=AnswersBody,
        responses=REFUSALS,
        dependencies=[READS],
        summary="Figures of metrics, by labels and windows",
        openapi_extra=contract(),
    )
    async def query(request: Request) -> Response:
        """Up to 20 questions; docs/QUERIES.md says what may be asked."""
        api_key = await reader_of(key_cache, request.scope)
        return await answered(answering, api_key.grant.tenant_id, await body_of(request))

    @routes.get(
        "/v1/query",
        response_model=AnswersBody,
        responses=REFUSALS,
        dependencies=[READS],
        summary="The same for caches",
    )
    async def query_again(request: Request, q: str = "") -> Response:
        """`q` is the JSON of the body; the answer bears an `ETag`."""
        api_key = await reader_of(key_cache, request.scope)
        return await answered(answering, api_key.grant.tenant_id, q.encode())

    return routes


async def body_of(request: Request) -> bytes:
    """The body of a request; raise `Problem` for one that is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise Problem(413, "body_too_large", f"questions have at most {MAX_BODY_BYTES} bytes")
    return bytes(body)


async def answered(answering: Answering, tenant_id: int, body: bytes) -> Response:
    """Each question with its answer or its refusal."""
    now = now_ms()
    shown, problems = await results_of(answering, tenant_id, decoded(_ASKED, body, ""), now)
    if problems and len(shown["results"]) == 1:
        raise problems[0]
    made = Response(dumped(shown), media_type="application/json")
    if not problems and is_settled(shown["results"], now):
        made.headers["cache-control"] = SETTLED
    return made


def asked_of(body: bytes) -> AskBody:
    """Questions as they were asked; raise `Problem` for what are none."""
    asked: AskBody = decoded(_ASKED, body, "")
    return asked


def dumped(shown: Any) -> bytes:
    """Answers as JSON, arrays in them numpy's."""
    return orjson.dumps(shown, option=orjson.OPT_SERIALIZE_NUMPY)


async def results_of(
    answering: Answering, tenant_id: int, asked: AskBody, now: int
) -> tuple[dict[str, Any], list[Problem]]:
    """The body of an answer, arrays in it numpy's, and which questions were refused."""
    with refusals(""):
        archived = await answering.archived_since()
    results: list[Mapping[str, Any]] = []
    problems: list[Problem] = []
    with reading() as read:
        for place, raw in enumerate(asked.questions):
            try:
                with refusals(pointer := f"/questions/{place}"):
                    one = question(decoded(_QUESTION, raw, pointer), asked, tenant_id, now, archived)
                    results.append(await answering.answer(one))
            except Problem as problem:
                problems.append(problem)
                results.append({"id": _id_of(raw), "error": problem.document()})
    status = "partial" if problems else "ok"
    return {"status": status, "cached": not read.loads, "live": read.live, "results": results}, problems


def is_settled(results: Iterable[Mapping[str, Any]], now: int) -> bool:
    """Whether no client may send points of any of these windows any more."""
    return all(
        all(result["complete"]) and int(result["end_ms"][-1]) + MAX_LATE_MS <= now for result in results
    )


@contextmanager
def refusals(pointer: str) -> Iterator[None]:
    """Turn what the inside refuses into the answer that a client gets; `pointer` is where the question stands."""
    try:
        with asking():
            yield
    except Problem as problem:
        refused = problem.__cause__
        if isinstance(refused, Refused):
            problem.status, problem.instead = refused.status, refused.instead
            problem.pointer = pointer + refused.pointer
        elif isinstance(refused, Rejected) and not problem.pointer:
            problem.pointer = pointer
        raise


def decoded(decoder: "msgspec.json.Decoder[Any]", body: bytes | msgspec.Raw, pointer: str) -> Any:
    """The body; raise `Problem` that names the place of what is wrong in it."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        found = _PLACE.search(str(error))
        place = found[1].replace("[...]", "").replace(".", "/") if found else ""
        reason = _PLACE.sub("", str(error))
        field = place.rpartition("/")[2] or "questions"
        raise Problem(400, "invalid_question", f"{field}: {reason}", pointer=pointer + place) from error
    except msgspec.DecodeError as error:
        raise Problem(400, "malformed_json", f"the body is no JSON: {error}") from error


def _id_of(raw: msgspec.Raw) -> str:
    """What a refused question calls itself, as far as that can be read."""
    try:
        found = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return ""
    named = found.get("id") if isinstance(found, dict) else None
    return named if isinstance(named, str) else ""
