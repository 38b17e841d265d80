"""Ports are free, remembered, and the user's own are never replaced."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.folder import StateFolder
from deploy.local.ports import LOOPBACK, Ports, is_free
from shared.errors import Misconfigured


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    """A state folder."""
    state = StateFolder(tmp_path)
    state.path.mkdir()
    return state


@pytest.fixture
def stranger() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_is_remembered(folder: StateFolder) -> None:
    """The next run has the same."""
    first = Ports(folder, {}).pick("kafka", "KAFKA_PORT")

    assert Ports(folder, {}).pick("kafka", "KAFKA_PORT") == first
    assert is_free(first)


def test_servers_have_ports_of_their_own(folder: StateFolder) -> None:
    """No two share one, even when both would like the same."""
    ports = Ports(folder, {})

    assert ports.pick("a", "A_PORT", 28123) != ports.pick("b", "B_PORT", 28123)


def test_a_remembered_port_that_is_taken_is_replaced(folder: StateFolder, stranger: int) -> None:
    """A stranger on it is nobody's fault; another one is remembered."""
    folder.remember("ports.json", {"kafka": stranger})

    port = Ports(folder, {}).pick("kafka", "KAFKA_PORT")

    assert port != stranger
    assert folder.recall("ports.json") == {"kafka": port}


def test_a_port_that_was_set_and_is_taken_is_an_error(folder: StateFolder, stranger: int) -> None:
    """The message says what to do."""
    with pytest.raises(Misconfigured, match=rf"KAFKA_PORT={stranger}, but something listens there.*unset"):
        Ports(folder, {"KAFKA_PORT": str(stranger)}).pick("kafka", "KAFKA_PORT")


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http"])
def test_nonsense_is_refused(folder: StateFolder, text: str) -> None:
    """A port is a number from 1 to 65535."""
    with pytest.raises(Misconfigured, match="is not a port"):
        Ports(folder, {"KAFKA_PORT": text}).pick("kafka", "KAFKA_PORT")
