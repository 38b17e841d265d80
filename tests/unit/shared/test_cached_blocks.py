"""Blocks as bytes: what was kept is read again, and what another build has kept is passed over."""

import numpy as np
import pytest

from shared.errors import Rejected, UnknownVersion
from shared.model.series import Series
from shared.wire.series import pack
from shared.wire.stored import blocks
from shared.wire.stored.blocks import NUMBER, StoredBlock
from tests.support.rows import rows_of

SMALL = bytes.fromhex("0100")
"""How a small value begins."""

PACKED = bytes.fromhex("0101")


def block(rows: int) -> StoredBlock:
    """A block of so many groups."""
    series = [pack(Series(0, "", "delta", "s", (("endpoint", f"/{i}"),))) for i in range(rows)]
    made = rows_of([(i, i * 60_000, [0.5, i + 1.0]) for i in range(rows)])
    made.samples = np.where(np.arange(rows) % 2 == 0, np.nan, made.samples)
    return StoredBlock(1_800_000_000_123, {0: 17, 11: 1 << 40}, 60_000, series, made)


@pytest.mark.parametrize(("rows", "begin"), [(1, SMALL), (500, PACKED)], ids=["small", "packed"])
def test_a_block_is_what_it_was(rows: int, begin: bytes) -> None:
    """To the bit; a large one takes a fraction of its bytes."""
    kept = block(rows)
    value = blocks.encode(kept)
    found = blocks.decode(value)

    assert begin == value[:2]
    assert kept[:4] == found[:4]
    for name in (
        "slot",
        "start_ms",
        "count",
        "samples",
        "sum",
        "min",
        "max",
        "last",
        "sketch_at",
        "bucket",
        "weight",
    ):
        np.testing.assert_array_equal(getattr(kept.rollups, name), getattr(found.rollups, name))
    assert len(value) < 200 * rows + 600


def test_a_format_that_changes_needs_another_number() -> None:
    """Else two builds would take each other's bytes for their own."""
    assert (1, GOLDEN) == (NUMBER, blocks.encode(block(1)).hex())


GOLDEN = (
    "010093cf000001a3185c507b8200110bcf0000010000000000c5017788a17605a9706172746974696f6e00a566696e616cc3"
    "ab6e6578745f6f666673657400ac77617465726d61726b5f6d7300a673657269657391c4189500a0a564656c7461a17381a8"
    "656e64706f696e74a22f30a7636f6c756d6e738fa4736c6f74c4080000000000000000a873746172745f6d73c40800000000"
    "00000000a5636f756e74c4080000000000000040a373756dc408000000000000f83fa36d696ec408000000000000e03fa36d"
    "6178c408000000000000f03fa46c617374c408000000000000f03fa76c6173745f6d73c4080000000000000000a872657669"
    "73696f6ec4080000000000000000aa6c6174655f636f756e74c4080000000000000000ac77617465726d61726b5f6d73c408"
    "0000000000000000a9736b657463685f6174c41000000000000000000200000000000000a66275636b6574c404be2ee02ea7"
    "73616d706c6573c408000000000000f87fac736d616c6c5f776569676874c40401000100ad7265736f6c7574696f6e5f6d73"
    "cdea60"
)
"""A block of one row."""


def test_a_block_of_another_build_is_known_as_such() -> None:
    """It is passed over, not guessed."""
    with pytest.raises(UnknownVersion, match="cached block of version 2"):
        blocks.decode(b"\x02\x00" + blocks.encode(block(1))[2:])


@pytest.mark.parametrize(
    "value", [b"", b"\x01", b"\x01\x00noise", b"\x01\x01noise", b"\x01\x00\x93\x00\x80\xc4\x00"]
)
def test_other_bytes_are_refused(value: bytes) -> None:
    """By one code."""
    with pytest.raises(Rejected):
        blocks.decode(value)
