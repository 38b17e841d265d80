"""Merging rollups: one pass over many rows says what folding their points one after another would say."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.domain.windows.cells import Cells
from services.aggregator.domain.windows.entries import Entries
from services.aggregator.domain.windows.open_windows import Standing, rows_of
from shared.model import distinct
from shared.model.rollup import ROW_COLUMNS, SPARSE_COLUMNS, Rollups, concatenate, merged

CELLS = 4

points = st.lists(
    st.tuples(
        st.integers(0, 7),  # row
        st.integers(0, 5_000),  # time
        st.sampled_from([-2.0, 0.0, 0.5, 1.0, 1.25, 300.0]),
        st.sampled_from([1.0, 1.0, 2.0, 0.5, -1.0]),
        st.integers(0, 3),  # distinct string, 0: none
    ),
    max_size=40,
)


def folded(cells: int, rows: list[tuple[int, int, float, float, int]], row_of: list[int]) -> Rollups:
    """What the fold makes of points, `row_of[i]` the cell of row i; every cell is there."""
    made = Cells(cells)
    if rows:
        row, ts_ms, value, weight, text = (np.array(column) for column in zip(*rows, strict=True))
        hashes = np.where(text == 0, 0, text.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)).astype(
            np.uint64
        )
        cell = np.array(row_of)[row]
        made.fold(cell, Entries(cell, ts_ms.astype(np.int64), value, weight, distinct=hashes))
    zeros = np.zeros(cells, np.int64)
    return rows_of(made, np.arange(cells), Standing(np.arange(cells), zeros, zeros, zeros, zeros))


def values(rows: Rollups) -> dict[str, list[object]]:
    """The columns as lists."""
    return {name: getattr(rows, name).tolist() for name in (*ROW_COLUMNS, *SPARSE_COLUMNS)}


@given(points, st.lists(st.integers(0, CELLS - 1), min_size=8, max_size=8))
def test_a_merge_says_what_the_fold_of_all_points_says(
    rows: list[tuple[int, int, float, float, int]], cell_of: list[int]
) -> None:
    """Retractions, weights and distinct strings included."""
    # Points of one row stand together: sums of fractions are added in the order of the rows.
    rows = sorted(rows, key=lambda point: point[0])
    wanted = folded(CELLS, rows, cell_of)

    found = merged(folded(8, rows, list(range(8))), np.array(cell_of), CELLS)

    assert values(wanted) == values(found)


@given(points, points)
def test_a_merge_of_merges_is_the_merge(
    first: list[tuple[int, int, float, float, int]], second: list[tuple[int, int, float, float, int]]
) -> None:
    """So blocks can be merged in any division."""
    parts = [folded(8, rows, list(range(8))) for rows in (first, second)]
    cell = np.arange(16) % CELLS

    found = merged(
        concatenate([merged(part, cell[:8], CELLS) for part in parts]), np.arange(2 * CELLS) % CELLS, CELLS
    )

    assert values(merged(concatenate(parts), cell, CELLS)) == values(found)


def test_the_count_of_distinct_strings_is_that_of_all_rows() -> None:
    """A string counts once, in however many rows it is."""
    rows = [(row, 0, 1.0, 1.0, text) for row in range(8) for text in (1, 2, 3)]

    found = merged(folded(8, rows, list(range(8))), np.zeros(8, np.int64), 1)

    assert 3 == round(distinct.estimate(found.rank))
