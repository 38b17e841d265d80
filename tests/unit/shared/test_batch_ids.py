"""Ids of the parts of a batch."""

from shared.wire.stored.batch_ids import MAX_PARTS, STEM_BYTES, part_id


def test_parts_of_a_batch_have_ids_of_their_own_under_one_stem() -> None:
    """The first has the batch's own, so that a batch in one part needs nothing else."""
    batch_id = bytes(range(16))

    ids = [part_id(batch_id, number) for number in range(MAX_PARTS)]

    assert (batch_id, MAX_PARTS) == (ids[0], len(set(ids)))
    assert {batch_id[:STEM_BYTES]} == {one[:STEM_BYTES] for one in ids}
