"""The page under `/ui`: files that the build has made, as a stranger's browser may have them, and nothing else.

Seconds. Hashed names are kept for ever, `index.html` is asked for each time. Every answer of the process bears the
build of the page that it serves, so that a page of another build hears of it.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias
from wsgiref.headers import Headers

from servestatic import ServeStaticASGI
from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse, Response

from services.gateway.http.problems import Problem

FOLDER = Path(__file__).with_name("ui")
"""What `make ui` makes; not there in a tree without a build."""

BUILD = "Tidegauge-Build"
"""The header that names the build of the page."""

INTAKE = "Tidegauge-Intake"
"""The header that names the address of the intake, which the page shows to who connects an application."""

PATH = "/ui"

PATHS = (PATH, PATH + "/{rest:path}")
"""What is answered here, as routes name it."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""What the page may load and do: its own files, and questions to its own origin."""

SECURITY = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Message: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Any, Any, Send], Awaitable[None]]

_INDEX, _ASSETS = f"{PATH}/index.html", f"{PATH}/assets/"
_KEPT = {True: f"public, max-age={365 * 24 * 3600}, immutable", False: "no-cache"}
"""How long a file is kept, by whether its name follows from its bytes."""


class Page:
    """An application, with the page before it."""

    def __init__(self, app: App, folder: Path = FOLDER, intake_url: str = "") -> None:
        self._app = app
        self._intake_url = intake_url
        stamp = folder / ".source"
        self.build = stamp.read_text().strip() if stamp.is_file() else ""
        """Hexadecimal digest of the sources of the page; empty: there is no page."""
        self._files = _files(folder) if self.build else None

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path in {"/", PATH} or path.startswith(f"{PATH}/")):
            await self._app(scope, receive, self._named(send))
            return
        if self._files is None:
            await (_absent() if path != "/" else self._app)(scope, receive, send)
        elif path == "/" and scope["method"] in {"GET", "HEAD"}:
            await RedirectResponse(f"{PATH}/", 303)(scope, receive, send)
        elif path == "/":
            await self._app(scope, receive, self._named(send))
        else:
            # Whatever names no file is a page, which the script knows from the address.
            known = path in self._files.files or path.startswith(_ASSETS)
            await self._files(scope if known else {**scope, "path": _INDEX}, receive, self._named(send))

    def _named(self, send: Send) -> Send:
        """Have each answer name the build."""
        if not self.build:
            return send

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                headers[BUILD] = self.build
                if self._intake_url:
                    headers[INTAKE] = self._intake_url
            await send(message)

        return named


def _files(folder: Path) -> Any:
    """The files as they are at the start: a request looks at no folder."""

    def add(headers: Headers, path: str, url: str) -> None:
        for name, value in SECURITY.items():
            headers[name] = value
        headers["ETag"] = f'"{blake2b(Path(path).read_bytes(), digest_size=12).hexdigest()}"'
        headers["Cache-Control"] = _KEPT[url.startswith(_ASSETS)]

    async def absent(scope: Any, receive: Any, send: Send) -> None:
        problem = Problem(404, "not_found", "the page has no such file: it may be of another build")
        await _response(problem)(scope, receive, send)

    return ServeStaticASGI(absent, folder, PATH, allow_all_origins=False, add_headers_function=add)


def _absent() -> App:
    problem = Problem(
        404, "no_page", "this process was installed without its page; in a clone, `make ui` builds it"
    )
    return _response(problem)


def _response(problem: Problem) -> Response:
    headers = {name.decode(): value.decode() for name, value in problem.all_headers()}
    return Response(problem.body(), problem.status, headers)
