"""The proxy of docker-compose.yml, as it is, before two addresses on this machine."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.folder import ROOT
from tests.support.http.gateway import free_port, status
from tests.support.wait import until

CADDY = Path(sys.executable).with_name("caddy")
CONFIG = ROOT / "deploy/proxy/Caddyfile"


@asynccontextmanager
async def origin(intake_url: str, query_url: str, log: Path) -> AsyncIterator[str]:
    """The address of a proxy that sends on to these, until the end of the block."""
    port, health = free_port(), free_port()
    environ = os.environ | {
        "PROXY_PORT": str(port),
        "PROXY_HEALTH_PORT": str(health),
        "PROXY_INTAKE": urlsplit(intake_url).netloc,
        "PROXY_QUERY": urlsplit(query_url).netloc,
    }

    async def alive() -> bool:
        return await status(f"http://127.0.0.1:{health}/") == 200

    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            CADDY, "run", "--config", CONFIG, env=environ, stdout=out, stderr=out
        )
    try:
        await until(alive, f"the proxy is alive; log: {log}", 30)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()
