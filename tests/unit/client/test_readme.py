"""What the README has people paste does what it says."""

import logging
import re
from pathlib import Path

import pytest

import tidegauge_client
from tests.support.http.receiver import Receiver
from tidegauge_client import Telemetry


def test_the_first_snippet_works_as_it_stands(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With address and key put in: a count, a time, an event, and a line of the log."""
    text = (Path(tidegauge_client.__file__).parents[1] / "README.md").read_text()
    snippet = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert snippet is not None
    program = snippet[1].replace("http://localhost:8080", receiver.url)
    assert program != snippet[1]
    monkeypatch.chdir(tmp_path)
    handlers = list(logging.getLogger().handlers)
    made: dict[str, Telemetry] = {}
    try:
        exec(compile(program, "README.md", "exec"), made)
        assert made["telemetry"].flush(30)
    finally:
        logging.getLogger().handlers[:] = handlers
        made["telemetry"].close()

    assert ["orders", "checkout.seconds"] == [point["name"] for point in receiver.points]
    assert ["order_placed", "log"] == [event["type"] for event in receiver.events]
    assert (tmp_path / "telemetry-spool").is_dir()
