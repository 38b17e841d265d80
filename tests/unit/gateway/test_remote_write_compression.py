"""Snappy blocks and zstd frames are inflated within a limit that is checked before anything is inflated."""

from collections.abc import Callable

import cramjam
import pytest

from services.gateway.http.problems import Problem
from services.gateway.intake.protocols.remote_write.compression import unsnappy, unsnappy_if_it_is, unzstd

PLAIN = b"http_requests_total" * 100
SNAPPY = bytes(cramjam.snappy.compress_raw(PLAIN))
ZSTD = bytes(cramjam.zstd.compress(PLAIN))

Inflate = Callable[[bytes, int], bytes]


def code_of(inflate: Inflate, body: bytes, limit: int = 1 << 20) -> str:
    """The code of the problem with a body."""
    with pytest.raises(Problem) as problem:
        inflate(body, limit)
    return problem.value.code


@pytest.mark.parametrize(("inflate", "body"), [(unsnappy, SNAPPY), (unzstd, ZSTD)], ids=["snappy", "zstd"])
def test_a_body_is_inflated_up_to_the_limit(inflate: Inflate, body: bytes) -> None:
    """At the limit it is taken, above it is not."""
    assert PLAIN == inflate(body, len(PLAIN))
    assert "body_too_large" == code_of(inflate, body, len(PLAIN) - 1)


@pytest.mark.parametrize(("inflate", "body"), [(unsnappy, SNAPPY), (unzstd, ZSTD)], ids=["snappy", "zstd"])
def test_a_body_that_was_cut_is_refused(inflate: Inflate, body: bytes) -> None:
    """At every byte."""
    wanted = "bad_snappy" if inflate is unsnappy else "bad_zstd"

    assert {wanted} == {code_of(inflate, body[:end]) for end in range(len(body))}


def test_a_body_that_names_no_encoding_may_be_snappy() -> None:
    """As version 1.0 of the protocol has it; else it is taken as it is, up to the limit."""
    assert [PLAIN, PLAIN] == [unsnappy_if_it_is(body, len(PLAIN)) for body in (SNAPPY, PLAIN)]
    with pytest.raises(Problem):
        unsnappy_if_it_is(PLAIN, len(PLAIN) - 1)


def test_a_snappy_block_that_says_more_than_it_can_hold_is_refused() -> None:
    """Before memory is taken for what it says: here 8 MiB in 20 bytes."""
    assert "bad_snappy" == code_of(unsnappy, b"\x80\x80\x80\x04" + bytes(16), 16 << 20)


def test_a_snappy_block_that_inflates_beyond_its_header_is_refused() -> None:
    """The header says 3 bytes."""
    assert "bad_snappy" == code_of(unsnappy, b"\x03" + SNAPPY[2:])


@pytest.mark.parametrize(
    "body",
    [ZSTD + ZSTD, b"\x28\xb5\x2f\xfd\x00\x58" + ZSTD[9:], PLAIN],
    ids=["two frames", "no length", "text"],
)
def test_zstd_is_one_frame_that_says_its_length(body: bytes) -> None:
    """Vmagent sends its block again, in snappy, after this answer."""
    assert "bad_zstd" == code_of(unzstd, body)
