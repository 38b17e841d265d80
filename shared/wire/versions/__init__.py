"""The versions of what is stored and sent: a module each, with the frame of every format.

A reader knows all of them; a writer writes the one that `write_version` names, by default the older. The frames of one
format have the same attributes, whatever their bytes look like. To forget the oldest version is to delete its module
and its line in `MODULES`.
"""

from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, Union

import msgspec

from shared.errors import UnknownVersion
from shared.wire.versions import v4, v5

MODULES = MappingProxyType({v4.VERSION: v4, v5.VERSION: v5})
"""By version, the older first."""

OLD: Final = v4.VERSION
NEW: Final = v5.VERSION

WriteVersion: TypeAlias = Literal[4, 5]
"""Which one to write: the older until every process of the fleet reads the newer."""

NUMBER_BYTES = 1
"""Length of the number of formats that are no map."""


def frames(name: str) -> dict[int, Any]:
    """The frames of a format by version."""
    return {version: getattr(module, name) for version, module in MODULES.items()}


class Reader:
    """Reads the frames of one format, each of which begins with its number `v`, in one pass."""

    def __init__(self, what: str, tagged: Iterable[Any], decoder: Callable[[Any], Any]) -> None:
        self._what = what
        known = tuple(tagged)
        self._known = tuple(frame.__struct_config__.tag for frame in known)
        self._decode = decoder(Union[known]).decode  # noqa: UP007 # it is made of values
        self._number = decoder(_Number).decode

    def __call__(self, value: bytes) -> Any:
        """The frame; raise `UnknownVersion`, or what msgspec raises for what is no frame."""
        try:
            return self._decode(value)
        except msgspec.ValidationError:
            check(self._what, self._number(value).v, self._known)
            raise


class _Number(msgspec.Struct):
    v: int


def number_of(packed: bytes, absent: int) -> int:
    """The number of a MessagePack map; `absent` where it has none."""
    number: int | None = _optional(packed).v
    return absent if number is None else number


class _Optional(msgspec.Struct):
    v: int | None = None


_optional = msgspec.msgpack.Decoder(_Optional).decode


def check(what: str, number: int, known: Iterable[int]) -> None:
    """Raise `UnknownVersion` unless the number is a known one."""
    known = tuple(known)
    if number not in known:
        raise UnknownVersion(what, number, known)
