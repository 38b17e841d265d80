"""`GET /docs`: the page that shows the contract, and the files that it loads.

The files are those of a package that ships Swagger UI and no code.

Invariant: a browser that opens the page asks no other host.
"""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse
from swagger_ui_bundle import swagger_ui_path

PAGE = "/docs"

FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
"""What the page loads: its script, its style and its sign."""


def router(openapi_url: str, title: str) -> APIRouter:
    """The page about the contract at this address, and its files."""
    routes = APIRouter(include_in_schema=False)
    script, style, sign = (f"{PAGE}/{name}" for name in FILES)
    page = get_swagger_ui_html(
        openapi_url=openapi_url,
        title=title,
        swagger_js_url=script,
        swagger_css_url=style,
        swagger_favicon_url=sign,
        oauth2_redirect_url=None,
    )

    @routes.get(PAGE)
    async def shown() -> HTMLResponse:
        return page

    @routes.get("/")
    async def redirected() -> RedirectResponse:
        return RedirectResponse(PAGE)

    for name in FILES:
        routes.add_api_route(f"{PAGE}/{name}", _file(name))
    return routes


def _file(name: str) -> Callable[[], Awaitable[FileResponse]]:
    async def shown() -> FileResponse:
        return FileResponse(swagger_ui_path / name)

    return shown
