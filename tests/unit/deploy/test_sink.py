"""The sink: a line an alert, whatever else comes in."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from deploy.local.sink import Sink
from deploy.local.tail import Tail

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
    "body", [b"", b"{", b"[]", b'{"alerts": 1}', b"\xff", b"[" * 100_000, b" " * ((1 << 20) + 1)]
)
def test_it_lives_on_whatever_comes(body: bytes, port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """400 and a line that says so; the next alert is printed."""
    assert (400, 200) == (post(port, body), post(port, json.dumps(FIRING).encode()))

    said = capsys.readouterr().out
    assert "not an alert" in said
    assert LINE in said


def test_a_terminal_is_not_led_astray(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters of an alert are not printed."""
    labels = LABELS | {"endpoint": "\x1b[2J\r/pay"}
    post(port, json.dumps({"alerts": [{"status": "firing", "labels": labels}]}).encode())

    assert "\x1b" not in capsys.readouterr().out


def test_a_tail_tells_whole_lines_once(tmp_path: Path) -> None:
    """From the moment of its making on."""
    log = tmp_path / "a.log"
    log.write_text("before\n")
    told: list[str] = []
    tail = Tail(log, told.append)
    for part in ("one\ntw", "o\n", "", "three\n"):
        with log.open("a") as out:
            out.write(part)
        tail.show()

    assert ["one", "two", "three"] == told
