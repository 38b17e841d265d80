"""`GET /v1/batches/{id}`: the status of the batch that a client sent under this key.

Milliseconds UTC. A batch that is found has been committed; one that is not found may still be on its way.
"""

from fastapi import APIRouter, Request, Response

from services.gateway.auth.http import READS, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.http.problems import Problem
from services.gateway.query.parameters import REFUSALS, UNKNOWN, answer, asking
from services.gateway.query.ports import BatchCounts
from services.gateway.query.resources.batches.schemas import BatchBody
from shared.model.batch_id import checked_key, id_of_key


def router(key_cache: KeyCache, counts: BatchCounts) -> APIRouter:
    """The route, bound to its dependencies."""
    routes = APIRouter()

    @routes.get(
        "/v1/batches/{id:path}",
        response_model=BatchBody,
        responses=REFUSALS | UNKNOWN,
        dependencies=[READS],
        summary="What became of a batch of points",
    )
    async def batch(request: Request, id: str) -> Response:  # noqa: A002 # the contract's word
        """By its `Idempotency-Key`, within a day: where it has counted so far. 404: nowhere, or not yet."""
        api_key = await reader_of(key_cache, request.scope)
        with asking():
            key = checked_key("id", "invalid_batch_id", id.encode("utf-8", "replace"))
            found = await counts.batch_status(id_of_key("points", api_key.grant.tenant_id, key))
        if found is None:
            raise Problem(
                404, "unknown_batch", "nothing of such a batch has counted within a day, or not yet"
            )
        return answer(
            {
                "batch_id": id,
                "counted_since_ms": found.counted_since_ms,
                "partitions": found.partitions,
                "rows": found.rows,
            }
        )

    return routes
