"""Free ports on loopback, remembered from run to run.

The search for a port starts at a number that follows from the folder's name, so that two copies seldom collide.
Invariant: a port that the user has set is never replaced; a remembered one is replaced when another program has it.
"""

import socket
import zlib
from collections.abc import Mapping

from deploy.local.folder import StateFolder
from shared.errors import Misconfigured

LOOPBACK = "127.0.0.1"

FIRST, SPAN = 20_000, 12_000
"""Range to choose from: below the ports that the kernel lends to outgoing connections."""

MEMORY = "ports.json"


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


class Ports:
    """The ports of one folder's servers."""

    def __init__(self, folder: StateFolder, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ
        self._known: dict[str, int] = folder.recall(MEMORY)

    def pick(self, name: str, variable: str, preferred: int | None = None) -> int:
        """The port that `variable` sets, else the remembered one, else `preferred`, else a free one."""
        if given := self._environ.get(variable):
            return _given(variable, given)
        port = next(
            p for p in self._candidates(name, preferred) if p not in self._others(name) and is_free(p)
        )
        if self._known.get(name) != port:
            self._known[name] = port
            self._folder.remember(MEMORY, self._known)
        return port

    def _others(self, name: str) -> set[int]:
        return {port for other, port in self._known.items() if other != name}

    def _candidates(self, name: str, preferred: int | None) -> list[int]:
        start = zlib.crc32(f"{self._folder.path}:{name}".encode()) % SPAN
        first = [port for port in (self._known.get(name), preferred) if port]
        return [*first, *(FIRST + (start + step) % SPAN for step in range(SPAN))]


def _given(variable: str, text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise Misconfigured(f"{variable}={text} is not a port, 1 to 65535")
    if not is_free(int(text)):
        raise Misconfigured(
            f"{variable}={text}, but something listens there already: stop it, set another port, "
            f"or unset {variable} to have a free one chosen"
        )
    return int(text)
