"""Every stored or sent format in every version: what was written is read again, and the future is not guessed."""

from collections.abc import Callable
from typing import Any

import cramjam
import msgspec
import pytest

from shared.errors import Rejected, UnknownVersion
from shared.wire import dead_letter, envelope
from shared.wire.examples import FOLDER, FORMATS, NOW_MS, enriched, frames, path, plain, shown
from shared.wire.stored import batch_ids, live, producers
from shared.wire.versions import MODULES, NEW, OLD

EACH = [pytest.param(name, version, id=f"{name}.v{version}") for name in FORMATS for version in MODULES]
LATER = 9


def example(name: str, version: int) -> bytes:
    """The golden bytes."""
    return path(name, version).read_bytes()


@pytest.mark.parametrize(("name", "version"), EACH)
def test_an_example_decodes_to_what_stands_beside_it(name: str, version: int) -> None:
    """Whichever build wrote it."""
    assert path(name, version, "json").read_bytes() == shown(FORMATS[name].decode(example(name, version)))


@pytest.mark.parametrize(("name", "version"), EACH)
def test_an_example_is_encoded_to_its_bytes_again(name: str, version: int) -> None:
    """So that the build before reads what this one writes; a changed format needs a new version."""
    form = FORMATS[name]

    assert plain(example(name, version)) == plain(form.encode(form.decode(example(name, version)), version))


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"alert"}))
def test_both_versions_of_an_example_say_the_same(name: str) -> None:
    """What is upgraded loses nothing; of an alert only the name of the version is new, and streams are told apart."""
    upgraded = enriched(name, FORMATS[name].decode(example(name, OLD)))

    assert shown(upgraded) == path(name, NEW, "json").read_bytes()


def test_version_4_leaves_out_what_tells_streams_apart() -> None:
    """The build before knows no such column."""
    batch = envelope.decode(example("points", NEW), NOW_MS)

    assert batch.points.stream is not None
    assert example("points", OLD) == envelope.encode(batch, OLD)


def test_no_frame_has_changed_without_a_new_version() -> None:
    """The fields of a frame are part of its version, optional ones included."""
    assert (FOLDER / "frames.json").read_bytes() == frames()


def test_every_example_belongs_to_a_format() -> None:
    """And every format has one of each version."""
    wanted = {
        path(name, version, form) for name in FORMATS for version in MODULES for form in ("bin", "json")
    }

    assert wanted == {each for each in FOLDER.iterdir() if ".v" in each.name}


@pytest.mark.parametrize(
    ("name", "version"),
    [
        each
        for each in EACH
        if each.values[0] not in {"producers", "batch_ids", "live_window", "prepared_groups"}
    ],
)
def test_fields_that_nobody_knows_are_passed_over(name: str, version: int) -> None:
    """A version may gain optional fields: its readers are told that there are more."""
    value = example(name, version)
    changed = again(value, lambda fields: fields | {"later": [1, {"a": None}]})

    assert path(name, version, "json").read_bytes() == shown(FORMATS[name].decode(changed))


def again(value: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    """The map of an example, changed."""
    if value.startswith(b"{"):
        return msgspec.json.encode(change(msgspec.json.decode(value)))
    packed = plain(value)
    changed = msgspec.msgpack.encode(change(msgspec.msgpack.decode(packed)))
    return changed if packed == value else bytes(cramjam.zstd.compress(changed))


def future(name: str) -> bytes:
    """An example as a later build might write it: nothing but its version is where it was."""
    value = example(name, NEW)
    if name == "alert":
        return value.replace(b"urn:tidegauge:alert:5", b"urn:tidegauge:alert:9")
    if name == "batch_ids":
        marks, ids, notes = msgspec.msgpack.decode(value)
        return msgspec.msgpack.encode((marks[:-1] + bytes([LATER]), ids + b"other", notes))
    if name == "live_window":
        return value[:8] + bytes([LATER]) + b"other"
    if name == "prepared_groups":
        return bytes([LATER]) + b"other"
    if name == "producers":
        return msgspec.msgpack.encode((LATER, ["other"]))
    return again(value, lambda _: {"v": LATER, "series": 7, "events": 7, "topic": 7, "open": 7, "columns": 7})


@pytest.mark.parametrize("name", FORMATS)
def test_a_later_version_is_told_from_wrong_bytes(name: str) -> None:
    """With what it is, its number, what this build reads and what helps."""
    with pytest.raises(
        UnknownVersion, match=rf"of version {LATER}; this build reads .* and 5: upgrade this service"
    ):
        FORMATS[name].decode(future(name))


def test_an_earlier_version_needs_the_build_before() -> None:
    """Nobody is sent to upgrade."""
    value = again(example("points", NEW), lambda fields: fields | {"v": 1})

    with pytest.raises(
        UnknownVersion, match=r"points of version 1; .* 2 and 5: let the build that wrote them"
    ):
        envelope.decode(value, NOW_MS)


@pytest.mark.parametrize("number", ["5", None, 5.5, [5]])
def test_a_number_that_is_none_is_refused(number: object) -> None:
    """It is no version of anybody."""
    value = again(example("points", NEW), lambda fields: fields | {"v": number})

    with pytest.raises(Rejected, match="bad_batch"):
        envelope.decode(value, NOW_MS)


def test_the_build_before_finds_and_reads_batch_ids_of_this_one() -> None:
    """It looks for a mark anywhere among the marks, and never reads their end."""
    before, now = (batch_ids.Row(*msgspec.msgpack.decode(example("batch_ids", each))) for each in (OLD, NEW))

    assert (True, before[1:]) == (now.marks.startswith(before.marks), now[1:])


@pytest.mark.parametrize("version", MODULES)
def test_live_windows_begin_with_their_offset(version: int) -> None:
    """Builds of both versions compare what Redis holds by it."""
    assert (3).to_bytes(8, "big") == example("live_window", version)[:8]


@pytest.mark.parametrize(
    ("decode", "value"),
    [
        pytest.param(live.decode, b"", id="no bytes"),
        pytest.param(live.decode, bytes(8), id="an offset"),
        pytest.param(live.decode, bytes(8) + b"\x05\x28\xb5", id="half a window"),
        pytest.param(dead_letter.decode, b"\xc1", id="no map"),
    ],
)
def test_wrong_bytes_are_refused(decode: Callable[[bytes], object], value: bytes) -> None:
    """They are no version of anything."""
    with pytest.raises(Rejected):
        decode(value)


def test_nothing_stored_is_nothing_seen() -> None:
    """A partition that was never owned."""
    assert {} == producers.decode(b"")
