"""A client that is made before a server forks its workers: each sends its own, once, and so does the parent.

The server is gunicorn with threads, whose workers end and are forked anew all the while.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

import tidegauge_client
from tests.support.http.gateway import free_port
from tests.support.http.receiver import Receiver
from tests.support.packages import frameworks
from tests.support.wait import until

APP = """
import os, threading, flask
from tidegauge_client import Telemetry, WSGIMiddleware

telemetry = Telemetry(os.environ["RECEIVER"], "key", batch_after_s=0.02)
app = flask.Flask("shop")
app.wsgi_app = WSGIMiddleware(app.wsgi_app, telemetry)

@app.get("/orders/<int:number>")
def order(number):
    telemetry.increment("orders", labels={"number": str(number)})
    return str(os.getpid())

def ticking(stop=threading.Event()):
    for tick in range(100_000):
        telemetry.point("tick", tick, labels={"pid": str(os.getpid())})
        if stop.wait(0.005):
            break

threading.Thread(target=ticking, daemon=True).start()
"""

ORDERS = 300


@pytest.fixture
def server(receiver: Receiver, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Two workers of four threads, each replaced after some twenty requests."""
    (tmp_path / "shop.py").write_text(APP)
    port = free_port()
    here = Path(tidegauge_client.__file__).parents[1]
    environ = os.environ | {
        "RECEIVER": receiver.url,
        "HOME": str(tmp_path),  # gunicorn keeps a socket there
        "PYTHONPATH": os.pathsep.join(map(str, (tmp_path, here, frameworks()))),
    }
    options = ["--preload", "-w", "2", "-k", "gthread", "--threads", "4", "--max-requests", "20"]
    command = [sys.executable, "-m", "gunicorn", *options, "-b", f"127.0.0.1:{port}", "shop:app"]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, env=environ, stderr=log) as process:
        try:
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.kill()


async def test_workers_that_are_forked_all_the_while_report_once(
    server: tuple[str, subprocess.Popen[bytes]], receiver: Receiver
) -> None:
    """Each order counts once and is measured once, by whichever worker; ticks of the parent are its own alone."""
    url, process = server
    pids = set()
    async with httpx2.AsyncClient(base_url=url, timeout=20) as client:

        async def listens() -> bool:
            try:
                return (await client.get("/")).status_code == 404
            except httpx2.TransportError:
                return False

        await until(listens, "the server listens")
        for number in range(ORDERS):
            answer = await client.get(f"/orders/{number}", headers={"connection": "close"})
            pids.add(answer.raise_for_status().text)
    process.terminate()
    process.wait(30)

    orders = [point for point in receiver.points if point["name"] == "orders"]
    assert {str(number): 1 for number in range(ORDERS)} == Counter(
        each["labels"]["number"] for each in orders
    )
    answered = [each["labels"] for each in receiver.points if each["name"] == "api.response_seconds"]
    assert ORDERS == sum(each["endpoint"] == "/orders/<int:number>" for each in answered)
    ticks = [(each["value"], each["labels"]["pid"]) for each in receiver.points if each["name"] == "tick"]
    assert {(float(tick), str(process.pid)) for tick in range(len(ticks))} == set(ticks)
    assert len(pids) > 5
