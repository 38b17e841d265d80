"""Vectors: series with a value at some of the instants of a query, as arrays of series by instants.

A value may be NaN and there all the same, so what is there stands in an array of its own. Labels are sorted pairs, the
name of a series among them. Invariant: no two series of a vector have the same labels.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.gateway.query.prometheus.errors import execution
from services.gateway.query.prometheus.language.selectors import NAME
from shared.model.labels import Labels
from shared.model.rollup import Floats

Mask = NDArray[np.bool_]

Scalar = Floats
"""A value at each instant, (k,)."""


@dataclass(slots=True, eq=False)
class Vector:
    """n series at k instants."""

    labels: list[Labels]
    """(n,)"""
    values: Floats
    """(n, k)"""
    present: Mask
    """(n, k) where there is a value."""

    def with_values(self, values: Floats, present: Mask | None = None) -> "Vector":
        """The same series with other values, under their names."""
        return Vector(self.labels, values, self.present if present is None else present)


def nothing(instants: int) -> Vector:
    """No series."""
    return Vector([], np.zeros((0, instants)), np.zeros((0, instants), np.bool_))


def without_names(vector: Vector) -> Vector:
    """The vector without the names of its series, as functions leave it."""
    return relabelled(vector, [without(labels, {NAME}) for labels in vector.labels])


def without(labels: Labels, names: Collection[str]) -> Labels:
    """All labels but these."""
    return tuple(pair for pair in labels if pair[0] not in names)


def only(labels: Labels, names: Collection[str]) -> Labels:
    """These labels alone."""
    return tuple(pair for pair in labels if pair[0] in names)


def relabelled(vector: Vector, labels: Sequence[Labels]) -> Vector:
    """The vector under other labels: series that have become alike are one, where no two are there at one instant.

    Raise `QueryError` where they are.
    """
    owners, of = grouped(labels)
    if len(owners) == len(labels):
        return Vector(list(labels), vector.values, vector.present)
    present = np.zeros((len(owners), vector.values.shape[1]), np.int64)
    np.add.at(present, of, vector.present)
    if (present > 1).any():
        raise execution("vector cannot contain metrics with the same labelset")
    values = np.zeros(present.shape)
    row, column = np.nonzero(vector.present)
    values[of[row], column] = vector.values[row, column]
    return Vector(owners, values, present > 0)


def grouped(labels: Iterable[Labels]) -> tuple[list[Labels], NDArray[np.int64]]:
    """The different ones, in order of appearance, and which of them each is."""
    found: dict[Labels, int] = {}
    of = [found.setdefault(each, len(found)) for each in labels]
    return list(found), np.array(of, np.int64)


def joined(vectors: Sequence[Vector], instants: int) -> Vector:
    """All series of several vectors."""
    parts = [nothing(instants), *vectors]
    every = [labels for part in parts for labels in part.labels]
    values = np.concatenate([part.values for part in parts])
    return relabelled(Vector(every, values, np.concatenate([part.present for part in parts])), every)


def compact(vector: Vector) -> Vector:
    """The series that have a value at all, sorted by their labels."""
    rows = np.flatnonzero(vector.present.any(axis=1))
    rows = np.array(sorted(rows.tolist(), key=lambda row: vector.labels[row]), np.int64)
    return Vector([vector.labels[row] for row in rows], vector.values[rows], vector.present[rows])
