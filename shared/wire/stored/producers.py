"""What a checkpoint knows of producers: the highest sequence number of each, and when that was appended.

Times are milliseconds UTC. Version 4 is a MessagePack map, later ones an array of version and map.
"""

import msgspec

from shared.errors import Misconfigured
from shared.wire.versions import MODULES, OLD, check

_Seen = dict[str, tuple[int, int]]

_encoder = msgspec.msgpack.Encoder()
_without = msgspec.msgpack.Decoder(_Seen)
_with = msgspec.msgpack.Decoder(tuple[int, _Seen])
_number = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw])

_ARRAY_OF_TWO = 0x92


def encode(seen: _Seen, version: int = OLD) -> bytes:
    """The bytes of what was seen."""
    return _encoder.encode(seen if version == 4 else (version, seen))  # the one without


def decode(packed: bytes) -> _Seen:
    """What was seen; raise `UnknownVersion` for bytes of another build, `Misconfigured` for other bytes."""
    if not packed:
        return {}
    try:
        if packed[0] != _ARRAY_OF_TWO:
            return _without.decode(packed)
        check("producers", _number.decode(packed)[0], MODULES)
        return _with.decode(packed)[1]
    except msgspec.DecodeError as error:
        raise Misconfigured(f"what a checkpoint knows of producers cannot be read: {error}") from error
