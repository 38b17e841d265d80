"""The sink: a line an alert, whatever else comes in."""

import http.client
import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from rich.console import Console

from deploy.local.sink import Sink
from deploy.local.up.progress import Progress
from deploy.local.up.tail import Tail
from tests.support.wait import until

LABELS = {"alertname": "Slow", "severity": "critical", "tenant": "1", "endpoint": "/pay"}
FIRING = {
    "version": "4",
    "alerts": [{"status": "firing", "labels": LABELS, "annotations": {"summary": "6 s"}}],
}
LINE = "FIRING Slow (critical): 6 s  endpoint=/pay  key 01234567"


@pytest.fixture
def port() -> Iterator[int]:
    """A sink that listens."""
    with Sink(0) as sink:
        thread = Thread(target=sink.serve_forever, args=(0.01,))
        thread.start()
        yield sink.server_port
        sink.shutdown()
        thread.join()


def post(port: int, body: bytes, key: str = "0123456789") -> int:
    """The status of a payload."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", "/", body, {"Idempotency-Key": key})
    status = connection.getresponse().status
    connection.close()
    return status


def test_it_prints_a_line_an_alert_and_knows_repeats(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Name, severity, summary, the labels that matter and the key."""
    body = json.dumps(FIRING).encode()

    assert [200, 200, 200] == [post(port, body), post(port, body), post(port, body, "other")]

    lines = [line.partition("Z ")[2] for line in capsys.readouterr().out.splitlines()]
    assert [LINE, f"{LINE} (repeat)", LINE.replace("01234567", "other")] == lines


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"alerts": 1}', b"\xff", b"[" * 100_000, b" " * ((1 << 20) + 1), b" " * (8 << 20)],
)
def test_it_lives_on_whatever_comes(body: bytes, port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """400 and a line that says so; the next alert is printed."""
    assert (400, 200) == (post(port, body), post(port, json.dumps(FIRING).encode()))

    said = capsys.readouterr().out
    assert "not an alert" in said
    assert LINE in said


def test_a_terminal_is_not_led_astray(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters of an alert are not printed."""
    strange = "\x1b[2J\r/pay"
    alerts = [{"status": strange, "labels": {"endpoint": strange}, "annotations": {"summary": strange}}]
    post(port, json.dumps({"alerts": alerts}).encode(), key="\x9b2J")

    assert [text for text in capsys.readouterr().out.split("\n") if text and not text.isprintable()] == []


@pytest.mark.parametrize("request_", [b"not http\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\r\n"])
def test_what_is_no_post_is_said_in_one_line(
    request_: bytes, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A browser, or who speaks TLS, is refused."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
        peer.sendall(request_)
        assert b"20" not in peer.recv(1024)[:15]

    (said,) = capsys.readouterr().out.splitlines()
    assert "not an alert" in said


async def test_a_peer_that_breaks_off_leaves_one_line(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    """No trace on the console, and the next alert is printed."""
    said: list[str] = []

    async def reported() -> bool:
        said.extend(capfd.readouterr())
        return "connection broken off" in "".join(said)

    with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await until(reported, "the broken connection is reported", 10)

    assert post(port, json.dumps(FIRING).encode()) == 200
    assert "Traceback" not in "".join(said)
    assert "".join(said).count("\n") == 1


@pytest.mark.parametrize(("state", "colour"), [("FIRING", "\x1b[1;31m"), ("RESOLVED", "\x1b[1;32m")])
def test_a_page_stands_out_on_a_terminal_only(
    state: str, colour: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a file it is the line as the sink has written it, however long."""
    page = f"07:05:22Z {state} Slow (critical): 6 s  [pay]  {'long ' * 50}key 01234567"
    Progress().page(page)
    assert capsys.readouterr().out == f"{page}\n"

    shown = Console(force_terminal=True, color_system="standard", soft_wrap=True, highlight=False)
    Progress(shown).page(page)
    assert f"{colour}{state}\x1b[0m Slow" in capsys.readouterr().out


def test_a_tail_tells_whole_lines_once(tmp_path: Path) -> None:
    """From the moment of its making on."""
    log = tmp_path / "a.log"
    log.write_text("before\n")
    lines: list[str] = []
    tail = Tail(log, lines.append)
    for part in ("one\ntw", "o\n", "", "three\n"):
        with log.open("a") as out:
            out.write(part)
        tail.show()

    assert ["one", "two", "three"] == lines
