"""Fields of records in JSON, as the SDKs and the Collector write them. Nanoseconds since 1970.

64-bit integers are numbers or strings, what is empty is absent or null, and ids are hexadecimal.
"""

from typing import Any

import orjson

from shared.errors import Rejected

NS_PER_MS = 1_000_000

Fields = dict[str, Any]


def object_of(text: bytes) -> Fields:
    """The fields of a JSON object; raise `Rejected`."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Rejected("malformed_record", "record: must be JSON in UTF-8") from error
    if not isinstance(found, dict):
        raise Rejected("malformed_record", "record: must be an object")
    return found


def integer_of(of: Fields, name: str) -> int:
    """An integer of 64 bits, 0 where it is absent; raise `Rejected`."""
    given = of.get(name)
    if isinstance(given, str) and given.isascii() and given.isdigit():
        given = int(given[:21])
    if given is None or given == "":
        return 0
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 1 << 64:
        raise Rejected("invalid_record", f"{name}: must be an integer of 64 bits")
    return given


def text_of_field(of: Fields, name: str) -> str:
    """A text, empty where it is absent; raise `Rejected`."""
    given = of.get(name)
    if given is None:
        return ""
    if not isinstance(given, str):
        raise Rejected("invalid_record", f"{name}: must be a string")
    return given


def hex_of(of: Fields, name: str) -> str:
    """An id in lower case, empty where it is absent or none."""
    text = text_of_field(of, name).lower()
    return text if text and not text.strip("0123456789abcdef") and len(text) <= 32 else ""


def list_of(of: Fields, name: str) -> list[Any]:
    """A list, empty where it is absent; raise `Rejected`."""
    given = of.get(name)
    if given is not None and not isinstance(given, list):
        raise Rejected("invalid_record", f"{name}: must be a list")
    return given or []


def ms_of(time_ns: int) -> int | None:
    """Milliseconds of a time, None where it is 0."""
    return time_ns // NS_PER_MS if time_ns else None
