"""Saved views: addresses of the page that an operator has named, a YAML file each; `GET /v1/views` lists them.

Read once at start: a file that cannot be read, or holds anything but a view, stops the start by its name. All tenants
see them, each with its own figures.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import yaml
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from services.gateway.auth.http import READS, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.query.parameters import REFUSALS, answer
from shared.errors import Misconfigured

PATH = "/v1/views"

MAX_VIEWS = 100
"""Files that are read."""

MAX_BYTES = 16 << 10
"""Largest file."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
Url = Annotated[str, msgspec.Meta(pattern=r"^/ui/[!-~]*$", max_length=4000)]


class SavedView(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A named address."""

    name: Name
    url: Url
    about: Annotated[str, msgspec.Meta(max_length=300)] = ""


class ViewBody(BaseModel):
    """An address of the page that has a name."""

    name: str
    about: str
    url: str = Field(description="Path and query, from `/ui/` on")


class ViewsBody(BaseModel):
    """In the order of their names."""

    views: list[ViewBody]


def load(folder: str) -> tuple[SavedView, ...]:
    """The views of a folder, none of an empty name; raise `Misconfigured` with a line for each file that is none."""
    paths = sorted(Path(folder).glob("*.yml")) if folder else []
    problems, found = list[str](), list[SavedView]()
    if len(paths) > MAX_VIEWS:
        problems.append(f"{folder}: has more than {MAX_VIEWS} views")
    for path in paths[:MAX_VIEWS]:
        try:
            found.append(_view(path))
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            problems.append(f"{path}: {error}")
    if problems:
        raise Misconfigured("\n".join(problems))
    return tuple(sorted(found, key=lambda one: one.name.casefold()))


def _view(path: Path) -> SavedView:
    """One file; raise `ValueError` for what is no view."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"has more than {MAX_BYTES} bytes")
    return msgspec.convert(yaml.safe_load(content), SavedView)


def router(key_cache: KeyCache, views: Sequence[SavedView]) -> APIRouter:
    """The route, bound to its dependencies."""
    routes = APIRouter()
    listed = [msgspec.structs.asdict(one) for one in views]

    @routes.get(
        PATH, response_model=ViewsBody, responses=REFUSALS, dependencies=[READS], summary="Saved views"
    )
    async def saved(request: Request) -> Response:
        """Addresses of the page that have a name."""
        await reader_of(key_cache, request.scope)
        return answer({"views": listed})

    return routes
